"""Surges as the sweeper counts them: written down measurement by measurement, read back, and judged.

Four minutes above the threshold are no signal, five are exactly one, whatever the rate and wherever in it the first
measurement lies.
"""

from itertools import count, takewhile

import pytest

from domain.groups import groups_of
from domain.scaling import PoolSize, at_start, decide
from infra.config.worker_settings import Scaling, Threshold, WorkerPool
from infra.monitoring.signals import read_signals
from infra.process.steps import STEPS
from workers.autoscaler import reading_of

GROUPS = groups_of(STEPS.map())

T_PER_MIN = 100
SCALING = Scaling(thresholds=(Threshold(orders_per_min=T_PER_MIN, for_min=5),))
POOL = WorkerPool(name="main", groups=tuple(GROUPS), processes=1, processes_max=3)
BEGINS_S, AFTER_S = 120, 240
POLLED_EVERY_S = 30
MEASURE = """
INSERT INTO signal (at, step_group, lane, depth, oldest_s, inflow, drain)
VALUES (now() + make_interval(secs => %s), 'order', 'bulk', 0, 0, %s, 0)
"""


def surge(for_s, per_min, base_per_min=0):
    """Orders stored by a moment: some a minute at first, more in the surge, then as before."""

    def stored(at):
        return int((at * base_per_min + min(max(at - BEGINS_S, 0), for_s) * (per_min - base_per_min)) / 60)

    return stored


def polled(stored, offset_s):
    """The same orders, as a shop brings them that is looked into from time to time."""
    return lambda at: stored(max(0, (at - offset_s) // POLLED_EVERY_S * POLLED_EVERY_S + offset_s))


@pytest.fixture
def signals(database):
    """When signals are given, from the beginning of the surge."""

    def signals(stored, until_s, *, phase_s=0.0, every_s=5.0):
        found, rules = [], SCALING.rules()
        standing = at_start(rules, 1)
        with database.connection() as connection, connection.transaction(force_rollback=True):
            for at in takewhile(lambda at: at < until_s, (phase_s + every_s * n for n in count())):
                connection.execute(MEASURE, [at, stored(at)])
                looks = [read_signals(connection, window_s) for window_s in (SCALING.window_s, SCALING.surge_window_s)]
                decision = decide(rules, PoolSize(1, 3), standing, reading_of(POOL, GROUPS, *looks, at))
                standing = decision.state
                found += [at - BEGINS_S for _ in decision.signals]
        return found

    return signals


RATES = pytest.mark.parametrize("per_min", [110, 150, 12_000])
# Where the first measurement lies, and how far apart they are.
PHASES = ((0.0, 5.0), (4.9, 5.0), (2.5, 5.6))


@RATES
def test_four_minutes_above_are_no_signal(signals, per_min) -> None:
    stored = surge(240, per_min, base_per_min=20)
    for phase_s, every_s in PHASES:
        assert signals(stored, BEGINS_S + 240 + AFTER_S, phase_s=phase_s, every_s=every_s) == []


@RATES
def test_five_minutes_above_are_exactly_one(signals, per_min) -> None:
    stored = surge(300, per_min, base_per_min=20)
    for phase_s, every_s in PHASES:
        [after_s] = signals(stored, BEGINS_S + 300 + AFTER_S, phase_s=phase_s, every_s=every_s)
        assert 270 <= after_s <= 305


def test_an_inflow_just_below_the_threshold_is_no_signal(signals) -> None:
    assert signals(surge(900, 99), BEGINS_S + 900) == []


@pytest.mark.parametrize("offset_s", [1, 16, 29])
def test_of_polled_shops_four_minutes_are_none_and_five_and_a_half_are_one(signals, offset_s) -> None:
    assert signals(polled(surge(240, 12_000), offset_s), BEGINS_S + 240 + AFTER_S) == []
    assert len(signals(polled(surge(330, 150), offset_s), BEGINS_S + 330 + AFTER_S)) == 1


def test_lumps_above_the_threshold_with_a_mean_below_it_are_no_signal(signals) -> None:
    assert signals(polled(surge(900, 90), 7), BEGINS_S + 900) == []
