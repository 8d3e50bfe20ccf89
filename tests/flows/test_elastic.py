"""A pool of real processes that follows the orders: up by a signal, down in the calm, and nothing is lost by it."""

import time
from dataclasses import replace

import pytest

from domain.scaling import Reason
from infra.clock import SystemClock
from infra.pools import Pool, Scaling, Threshold
from infra.signals import measure_signals
from workers.autoscaler import Autoscaler
from workers.demo.run import conclude, prepared
from workers.supervisor import supervised

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("runs")]

ORDERS = 120
SCALING = Scaling(
    every_s=0.2,
    window_s=2.0,
    thresholds=(Threshold(orders_per_min=60, for_min=0),),
    calm_min=1 / 60,
)


def test_a_pool_grows_with_the_burst_and_returns_to_its_least(base, script, until) -> None:
    with prepared(base, replace(script(ORDERS), processes=1)) as demo, supervised(demo.supervisor):
        pool = Pool(name="worker", groups=tuple(demo.settings.workers.groups), processes=1, processes_max=2)
        scaler = Autoscaler(demo.db, demo.supervisor, (pool,), SCALING, SystemClock())
        signals, sizes = [], []

        def round_of_the_house():
            measure_signals(demo.db, demo.settings.workers.groups)
            signals.extend(reason for one in scaler.tend().values() for reason in one.signals)
            sizes.append(demo.supervisor.size("worker"))
            return demo.look()

        until(lambda: round_of_the_house().is_over, deadline_s=180.0)
        until(lambda: round_of_the_house() and sizes[-1] == 1 and len(demo.supervisor.pids("worker")) == 1)
        outcome = conclude(demo, time.monotonic())
    assert max(sizes) == 2
    assert Reason.INFLOW in signals
    assert demo.supervisor.restarts == 0
    assert outcome.reckoning.agrees, outcome.summary()
