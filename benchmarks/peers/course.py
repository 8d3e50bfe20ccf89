"""One run of a peer's chain: the demo's stage and stores, the peer's worker processes, the same ledgers at the end."""

import importlib.util
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.chain.marks import find_groups, read_marks
from benchmarks.peers.plain import first_work
from benchmarks.start_line import await_workers, open_line, start_line
from domain.ledger_check import Verdict, compare_ledgers
from infra.config.settings import Settings
from infra.engine.results import NewWork
from infra.servers import Connection
from infra.tables.sql import load
from ops.views.ledgers import our_ledger
from workers.demo.run import RunningDemo, prepared, their_ledger
from workers.demo.stage import Script
from workers.run_all import environment_of
from workers.supervisor import ProcessRole, Supervisor, supervised

PEERS = load("peers", Path(__file__).parent)
LOOK_EVERY_S = 0.25
STALL_S = 60.0


@dataclass(frozen=True, slots=True)
class Peer:
    """A plain chain: the module of its worker process, how many of them, and what each is told."""

    name: str
    module: str
    processes: int
    arguments: Sequence[str]
    needs: str = ""

    @property
    def missing(self) -> str:
        """Why it cannot run here, or nothing."""
        is_there = not self.needs or importlib.util.find_spec(self.needs) is not None
        return "" if is_there else f"{self.needs} is not installed: pip install -r requirements-bench.txt"


DRAMATIQ = Peer("plain Dramatiq", "benchmarks.peers.dramatiq_chain", 2, ("8",))
CELERY = Peer("plain Celery", "benchmarks.peers.celery_chain", 2, ("threads", "8"), needs="celery")


@dataclass(frozen=True, slots=True)
class PeerCourse:
    """`cpu_s` by process group between the start line and the end of the last order."""

    orders: int
    done: int
    seconds: float
    cpu_s: Mapping[str, float]
    is_whole: bool

    @property
    def cpu_ms(self) -> dict[str, float]:
        """CPU-milliseconds an order by process group."""
        return {name: seconds * 1000 / self.orders for name, seconds in self.cpu_s.items()}

    @property
    def engine_cpu_ms(self) -> float:
        """Workers, Postgres and Redis."""
        return sum(self.cpu_ms.get(name, 0.0) for name in ("workers", "postgres", "redis"))

    @property
    def orders_per_minute(self) -> float:
        return self.done / self.seconds * 60


def measure_peer(base: Settings, stores: Connection, script: Script, peer: Peer) -> PeerCourse:
    """Play `script` once with a peer's workers. Raises TimeoutError when nothing moves for `STALL_S`."""
    given = msgspec.structs.replace(base.stores, database_url=stores.database_url, redis_url=stores.redis_url)
    with prepared(msgspec.structs.replace(base, stores=given), replace(script, processes=0)) as demo:
        roles = [
            ProcessRole(f"worker-{number}", ("-m", peer.module, *peer.arguments))
            for number in range(1, peer.processes + 1)
        ]
        with (demo.stage.folder / "peer.log").open("wb") as log:
            environment = environment_of(demo.stage.settings_file, stores)
            workers = Supervisor(roles, environment, log_file=log.fileno())
            with start_line(demo.db) as session, supervised(workers):
                groups = find_groups(workers, demo, stores)
                await_workers(session, peer.processes)
                _sender(peer, stores)(first_work(demo.db, demo.settings))
                before = read_marks(stores, groups)
                started_at = time.monotonic()
                open_line(session)
                _await_end(demo)
                seconds = time.monotonic() - started_at
                after = read_marks(stores, groups)
        verdicts = compare_ledgers(our_ledger(demo.db), their_ledger(demo.stage))
        return PeerCourse(
            orders=verdicts.orders,
            done=verdicts.verdicts.get(Verdict.DONE, 0),
            seconds=seconds,
            cpu_s=after.cpu_s - before.cpu_s,
            is_whole=not (verdicts.lost or verdicts.oversold or verdicts.duplicate_waybills)
            and not any(verdicts.verdicts.get(verdict, 0) for verdict in (Verdict.OPEN, Verdict.DEAD)),
        )


def figures(peer: Peer, course: PeerCourse) -> dict[str, Any]:
    """One peer's run, by order."""
    return {
        "engine_cpu_ms": round(course.engine_cpu_ms, 3),
        "cpu_ms": {name: round(value, 3) for name, value in course.cpu_ms.items()},
        "orders_per_minute": round(course.orders_per_minute),
        "orders": course.orders,
        "done": course.done,
        "ledgers_agree": course.is_whole,
        "settings": {"peer": peer.name, "processes": peer.processes, "arguments": list(peer.arguments)},
    }


def _sender(peer: Peer, stores: Connection) -> Callable[[Sequence[NewWork]], None]:
    # Each client's library is loaded only where it is needed: one is optional, the other reads settings at import.
    module: Any = importlib.import_module(peer.module)
    end = module.connect(stores.redis_url.reveal())
    return lambda tasks: module.send(end, tasks)


def is_through(demo: RunningDemo) -> bool:
    """Whether every order has come and nothing of a plain chain is on its way."""
    return _left(demo)[0]


def _await_end(demo: RunningDemo) -> None:
    last: object = None
    moved_at = time.monotonic()
    while True:
        is_over, counts = _left(demo)
        if is_over:
            return
        if counts != last:
            last, moved_at = counts, time.monotonic()
        if time.monotonic() - moved_at > STALL_S:
            raise TimeoutError(f"nothing moves any more: {counts}; see peer.log in {demo.stage.folder}")
        time.sleep(LOOK_EVERY_S)


def _left(demo: RunningDemo) -> tuple[bool, tuple[int, ...]]:
    theirs = demo.stage.read("_progress")
    with demo.db.connection() as connection:
        counts = connection.execute(PEERS["left"]).fetchone()
    assert counts is not None
    orders, *on_the_way = counts
    return theirs["visible"] >= theirs["orders"] <= orders and not any(on_the_way), counts
