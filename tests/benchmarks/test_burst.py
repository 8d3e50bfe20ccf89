from types import SimpleNamespace

import pytest

from benchmarks.burst.__main__ import figures
from benchmarks.burst.course import TIMES, Tide
from benchmarks.burst.pictures import draw
from domain.scaling import GrowThreshold
from sandbox.stream import plan

TIDE = Tide(
    average_per_min=60.0,
    before_s=10.0,
    surge_s=20.0,
    after_s=10.0,
    threshold_per_min=180.0,
    threshold_s=5.0,
    window_s=15.0,
    surge_window_s=2.0,
    calm_s=6.0,
    processes_max=2,
    threads=4,
    shops=2,
    seed=7,
)


def test_the_tide_has_the_surge_that_it_says() -> None:
    offsets = [order.offset_s for order in plan(TIDE.spec()).orders]
    assert TIDE.orders == 10 + TIMES * 20 + 10
    in_surge = sum(10 <= offset < 30 for offset in offsets)
    assert in_surge == pytest.approx(TIMES * 20, rel=0.3)


def test_it_is_judged_by_the_rules_of_scaling() -> None:
    rules = TIDE.scaling().rules()
    assert rules.thresholds == (GrowThreshold(180.0, 5.0),)
    assert rules.calm_s == pytest.approx(6.0)
    assert (rules.surge_window_s, rules.slack_s) == (2.0, 3.0)


def test_its_signal_is_due_neither_before_its_time_nor_after_the_surge() -> None:
    soonest_s, latest_s = TIDE.signal_due_s
    rules = TIDE.scaling().rules()
    assert soonest_s < TIDE.threshold_s - rules.surge_window_s - rules.slack_s
    assert latest_s == TIDE.surge_s


@pytest.fixture
def course():
    def course(signals=((30.0, "inflow"), (31.0, "wait")), *, agrees=True, restarts=0, is_least_again=True):
        summary = dict.fromkeys(("orders", "done", "held", "dead", "lost", "duplicate_waybills", "oversold"), 0)
        outcome = SimpleNamespace(
            summary=lambda: {**summary, "ledgers_agree": agrees},
            comparison=SimpleNamespace(agrees=agrees),
            restarts=restarts,
        )
        watch = SimpleNamespace(
            surge_began_s=20.0,
            surge_ended_s=41.0,
            signals=list(signals),
            sizes=[(0.5, 1), (30.0, 2), (70.0, 1)],
            depths=[(0.5, 0), (30.0, 9), (90.0, 0)],
            oldest_most_s=1.5,
            drained_s=60.0,
        )
        return SimpleNamespace(
            watch=watch, outcome=outcome, is_least_again=is_least_again, signal_due_s=(5.0, 15.0), settings={}
        )

    return course


def test_seconds_are_counted_from_the_beginning_of_the_surge(course) -> None:
    found = figures(course())
    assert found["signals_after_s"] == [10.0]
    assert found["other_signals"] == ["wait"]
    assert found["processes"] == [[-19.5, 1], [10.0, 2], [50.0, 1]]
    assert (found["surge_took_s"], found["drained_after_s"]) == (21.0, 40.0)
    assert (found["signal_due_s"], found["depth_most"]) == ([5.0, 15.0], 9)
    assert found["holds"]


def test_it_is_drawn_over_time(course, tmp_path) -> None:
    draw(course().watch, tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["burst-due.svg", "burst-processes.svg"]
    drawn = (tmp_path / "burst-processes.svg").read_text().partition("points='")[2].partition("'")[0]
    assert len(drawn.split()) == 6, "each size from its beginning to its end"


@pytest.mark.parametrize(
    "harm",
    [
        {"signals": ()},
        {"signals": ((30.0, "wait"),)},
        {"signals": ((24.0, "inflow"),)},
        {"signals": ((35.1, "inflow"),)},
        {"signals": ((30.0, "inflow"), (34.0, "inflow"))},
        {"agrees": False},
        {"restarts": 1},
        {"is_least_again": False},
    ],
)
def test_whatever_is_missing_it_does_not_hold(course, harm) -> None:
    assert not figures(course(**harm))["holds"]
