"""Rounds in which the engine, the floor and the peers take turns, so that a busy minute of the machine hits all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from benchmarks.chain.course import Course, measure
from benchmarks.floor.measure import Floor, measure_floor
from benchmarks.peers.course import Peer, PeerCourse, measure_peer
from benchmarks.surroundings import private_stores
from domain.ledger_check import Verdict
from infra.config.settings import Settings
from workers.demo.stage import Script

# Streams of different length hold back slightly different shares of their orders.
_DONE_ALIKE = 0.97
# What runs an order; the demo's own supervisor and the sandbox would not be there in production.
ENGINE = ("workers", "sweeper", "postgres", "redis")


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of the rounds."""

    script: Script
    floor_orders: int
    peer_orders: int
    batch_max: int
    peers: Sequence[Peer]
    samples: bool = False


@dataclass(frozen=True, slots=True)
class Round:
    """One turn of each."""

    course: Course
    floor: Floor | None
    peers: Mapping[str, PeerCourse]

    @property
    def engine_cpu_ms(self) -> float:
        orders = self.course.outcome.comparison.orders
        return sum(self.course.cpu_s.get(name, 0.0) for name in ENGINE) * 1000 / orders

    @property
    def is_whole(self) -> bool:
        """Whether the engine's ledgers agree, and each peer brought as large a share of its orders to their end."""
        comparison = self.course.outcome.comparison
        share = _DONE_ALIKE * comparison.verdicts.get(Verdict.DONE, 0) / comparison.orders
        return comparison.agrees and all(
            peer.is_whole and peer.done >= share * peer.orders for peer in self.peers.values()
        )

    def cost_vs(self, peer: str) -> float | None:
        """The engine's CPU an order over the peer's, both less the floor's."""
        if self.floor is None or peer not in self.peers:
            return None
        return (self.engine_cpu_ms - self.floor.cpu_ms) / (self.peers[peer].engine_cpu_ms - self.floor.cpu_ms)


def play_round(base: Settings, plan: Plan, number: int) -> Round:
    """Run all systems once; every second round in the opposite order."""
    course: Course | None = None
    floor: Floor | None = None
    peers: dict[str, PeerCourse] = {}
    turns: list[Peer | str] = ["engine", *(["floor"] if plan.floor_orders else []), *plan.peers]
    for turn in turns[:: -1 if number % 2 else 1]:
        if isinstance(turn, Peer):
            with private_stores(base) as stores:
                peers[turn.name] = measure_peer(base, stores, replace(plan.script, orders=plan.peer_orders), turn)
        elif turn == "floor":
            floor = measure_floor(base, replace(plan.script, orders=plan.floor_orders), plan.batch_max)
        else:
            with private_stores(base) as stores:
                course = measure(base, stores, plan.script, samples=plan.samples)
    assert course is not None
    return Round(course, floor, peers)


def typical(rounds: Sequence[Round]) -> Round:
    """The median round by the engine's cost; its details are shown."""
    return sorted(rounds, key=lambda one: one.engine_cpu_ms)[len(rounds) // 2]


def median_cost(rounds: Sequence[Round], peer: str) -> float | None:
    costs = [cost for one in rounds if (cost := one.cost_vs(peer)) is not None]
    return round(median(costs), 3) if costs else None


def median_floor(rounds: Sequence[Round]) -> float | None:
    floors = [one.floor.cpu_ms for one in rounds if one.floor is not None]
    return round(median(floors), 3) if floors else None
