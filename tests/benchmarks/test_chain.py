from types import SimpleNamespace

import pytest

from benchmarks.chain.contest import Round, median_cost
from benchmarks.chain.course import sustained_per_minute, total
from benchmarks.chain.meter import StepUse, WorkerUse
from workers.demo.run import Progress

PROMISED = {
    "orders_per_minute",
    "engine_cpu_ms",
    "sandbox_cpu_ms",
    "floor_cpu_ms",
    "cost_vs_dramatiq",
    "cost_vs_celery",
}


@pytest.mark.slow
def test_a_small_run_shows_what_an_order_costs(benchmark):
    found = benchmark("chain", "--orders", "60", "--shops", "2", "--alone")

    assert found.keys() >= PROMISED
    assert found["settings"]["postgres_fsync"] == found["settings"]["postgres_synchronous_commit"] == "on"
    assert found["demo"]["ledgers_agree"]
    assert found["steps"]["reserve"]["subjects"] == 60
    assert found["steps"]["label"]["subjects"] >= found["demo"]["done"] > 0
    assert found["statements"] < found["round_trips"]
    # A trade is read, its refund is checked, it is booked, written back and told: five calls at the least.
    assert found["http_calls"] >= 5 * found["demo"]["done"] / 60
    assert {"workers", "postgres"} <= {name for name, cost in found["cpu_ms"].items() if cost > 0}
    assert all(memory > 1 for memory in found["pss_mb"].values())


def test_cost_is_what_stands_above_the_floor():
    one = Round(_Costing(0.25, 100), _Floored(0.5), {"plain": _Plain(10.5)})

    assert one.engine_cpu_ms == pytest.approx(2.5)
    assert one.cost_vs("plain") == pytest.approx(0.2)
    assert one.cost_vs("another") is None
    assert median_cost([one, one], "another") is None
    assert Round(one.course, None, one.peers).cost_vs("plain") is None


@pytest.mark.parametrize(
    ("agrees", "peer_done", "peer_is_whole", "is_whole"),
    [(True, 95, True, True), (False, 95, True, False), (True, 80, True, False), (True, 95, False, False)],
    ids=["as many", "our ledgers differ", "a peer held more back", "a peer lost some"],
)
def test_a_round_counts_only_if_everybody_did_the_same_work(agrees, peer_done, peer_is_whole, is_whole):
    course = _Costing(0.25, 100, done=95, agrees=agrees)
    peer = _Plain(10.5, done=peer_done, is_whole=peer_is_whole)

    assert Round(course, None, {"plain": peer}).is_whole is is_whole


def test_the_sustained_rate_leaves_out_the_ramps():
    slow_start = [_look(seconds, written_back=0) for seconds in range(10)]
    steady = [_look(10 + second, written_back=50 * second) for second in range(21)]
    slow_end = [_look(31 + second, written_back=1000) for second in range(10)]

    assert sustained_per_minute([*slow_start, *steady, *slow_end]) == pytest.approx(3000)


def test_a_run_too_short_to_see_has_no_sustained_rate():
    assert sustained_per_minute([]) == 0
    assert sustained_per_minute([_look(0, written_back=0), _look(1, written_back=100)]) == 0


def test_worker_processes_add_up():
    one = WorkerUse({"label": StepUse(bells=2, idle_bells=1, subjects=50, wall_s=1.0, cpu_s=0.5)}, 10, 2, 0.25)
    other = WorkerUse({"label": StepUse(bells=1, subjects=7), "route": StepUse(bells=1, subjects=3)}, 5, 1, 0.5)

    both = total([one, other])

    assert both.steps["label"] == StepUse(bells=3, idle_bells=1, subjects=57, wall_s=1.0, cpu_s=0.5)
    assert both.steps["route"].subjects == 3
    assert (both.statements, both.transactions, both.loop_cpu_s) == (15, 3, 0.75)


class _Costing:
    """A course of so many orders that used so many CPU-seconds."""

    def __init__(self, cpu_s, orders, *, done=0, agrees=True):
        self.cpu_s = {"workers": cpu_s, "sandbox": 99.0}
        comparison = SimpleNamespace(orders=orders, verdicts={"done": done}, agrees=agrees)
        self.outcome = SimpleNamespace(comparison=comparison)


class _Floored:
    def __init__(self, cpu_ms):
        self.cpu_ms = cpu_ms


class _Plain:
    def __init__(self, engine_cpu_ms, *, orders=100, done=0, is_whole=True):
        self.engine_cpu_ms = engine_cpu_ms
        self.orders, self.done, self.is_whole = orders, done, is_whole


def _look(seconds: float, *, written_back: int) -> Progress:
    return Progress(1000, 1000, 1000, 0, 0, written_back, {}, seconds)
