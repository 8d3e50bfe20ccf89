import pytest

from benchmarks.chain.memory import Memory
from workers.demo.run import Progress


def test_a_growing_process_is_told_from_a_flat_one():
    sizes = iter([{"flat": 60.0, "leaking": 60.0 + step} for step in range(20)])
    memory = Memory(lambda: next(sizes))

    for step in range(20):
        memory.look(_look(seconds=10.0 * step, written_back=1000 * step))

    assert memory.growth_mb() == {"flat": pytest.approx(0.0), "leaking": pytest.approx(100.0)}


def test_what_is_loaded_at_first_is_no_growth():
    sizes = iter([{"worker": 20.0 if step < 2 else 60.0} for step in range(11)])
    memory = Memory(lambda: next(sizes))

    for step in range(11):
        memory.look(_look(seconds=10.0 * step, written_back=1000 * step))

    assert memory.growth_mb() == {"worker": pytest.approx(0.0)}


def test_looks_in_quick_succession_are_one_sample():
    memory = Memory(lambda: {"worker": 60.0})

    for look in range(100):
        memory.look(_look(seconds=look / 100, written_back=look))

    assert memory.samples == {"worker": [(0, 60.0)]}
    assert memory.growth_mb() == {}


def _look(*, seconds, written_back):
    return Progress(0, 0, 0, 0, 0, written_back, {}, seconds)
