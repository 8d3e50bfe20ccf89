from dataclasses import dataclass

from domain.errors import Transient
from infra.engine.gated_runner import GatedRunner
from infra.queue.bells import BellKey

KEY = BellKey("label", "bulk", "sf/main")


@dataclass(frozen=True)
class Runner:
    """Writes down with what size of batch it was run."""

    sizes: list[int]
    batch_max: int = 50

    def run(self, key) -> int:
        self.sizes.append(self.batch_max)
        return self.batch_max


def test_it_claims_as_much_as_the_gate_lets_through(make_world, database, stepped_clock):
    world = make_world(db=database, clock=stepped_clock)
    gates, inner = world.gates(failures_max=1), Runner([])
    runner = GatedRunner(inner, gates)
    assert runner.run(KEY) == 50
    gates._gates["sf/main"].begin().end(Transient("connection_failed"))
    assert runner.run(KEY) == 0
    world.pass_ms("sf/main", 10_001)
    assert runner.run(KEY) == 1, "a probe is one subject"
    assert inner.sizes == [50, 1]


def test_work_without_an_account_passes_freely(world):
    inner = Runner([])
    assert GatedRunner(inner, world.gates()).run(BellKey("route", "bulk", "")) == 50
