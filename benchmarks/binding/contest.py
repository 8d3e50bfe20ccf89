"""One run of one way over one course: seeded, started at the same line, swept, and counted."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import msgspec
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from benchmarks import processes
from benchmarks.binding.course import BATCH_MAX, Course, seed, steps_left
from benchmarks.binding.ids import IDS
from benchmarks.binding.wiring import WAYS, Wired, wired
from benchmarks.binding.worker import Use
from benchmarks.start_line import await_workers, open_line, start_line
from benchmarks.surroundings import postmaster_pid, redis_pid
from infra.servers import Connection
from infra.tables.migrate import migrate
from workers.supervisor import ProcessRole, Supervisor, supervised

PROCESSES = 2
SWEEP_EVERY_S = 0.5
_LOOK_EVERY_S = 0.1
_DEADLINE_S = 300.0


class Result(msgspec.Struct):
    """By order, except `seconds`, `fill` (orders in a batch), `resent` messages and `sweep_ms` (median of a sweep)."""

    orders_per_second: float
    seconds: float
    messages: float
    idle_messages: float
    statements: float
    transactions: float
    fill: float
    cpu_ms: float
    resent: int
    sweep_ms: float


def prepare(stores: Connection) -> dict[str, str]:
    """A migrated database for each way; returns their addresses."""
    urls = {}
    for name in WAYS:
        with psycopg.connect(stores.database_url.reveal(), autocommit=True) as admin:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(f"binding_{name}")))
        urls[name] = make_conninfo(stores.database_url.reveal(), dbname=f"binding_{name}")
        with psycopg.connect(urls[name], autocommit=True) as session:
            migrate(session)
            if name == "ids":
                session.execute(IDS["add_column"])
    return urls


def run(name: str, course: Course, stores: Connection, url: str, folder: Path, *, loses_redis: bool) -> Result:
    """Run `course` in the way called `name`; `loses_redis` empties Redis when half of the steps are done."""
    reports = [folder / f"{name}-{number}.json" for number in range(PROCESSES)]
    with (
        wired(name, course, url, stores.redis_url.reveal()) as end,
        start_line(end.db) as session,
        _workers(name, course, stores, url, reports) as pids,
    ):
        _reset(end, name, course)
        roots = [*pids, postmaster_pid(stores), redis_pid(stores)]
        await_workers(session, PROCESSES)
        used, started_at = sum(map(processes.cpu_s, roots)), time.monotonic()
        open_line(session)
        first, sweeps_ms = _drive(end, course, loses_redis=loses_redis)
        seconds = time.monotonic() - started_at
        used = sum(map(processes.cpu_s, roots)) - used
    total = Counter[str]()
    for report in reports:
        total.update(msgspec.to_builtins(msgspec.json.decode(report.read_bytes(), type=Use)))
    if total["moved"] != course.orders * course.steps:
        raise RuntimeError(f"{name}: {total['moved']} steps done for {course.orders} orders of {course.steps} steps")
    each = course.orders
    return Result(
        orders_per_second=each / seconds,
        seconds=seconds,
        messages=(total["sent"] + end.sent.count) / each,
        idle_messages=total["idle"] / each,
        statements=total["statements"] / each,
        transactions=total["transactions"] / each,
        fill=total["moved"] / total["batches"],
        cpu_ms=used * 1000 / each,
        resent=end.sent.count - first,
        sweep_ms=median(sweeps_ms),
    )


def _reset(end: Wired, name: str, course: Course) -> None:
    with end.db.transaction() as tx:
        seed(tx, course)
        if name == "ids":
            tx.execute(IDS["name_first"], {"batch_max": BATCH_MAX})
    with end.db.connection() as connection:
        connection.execute("VACUUM ANALYZE work")
    end.redis.flushall()


def _drive(end: Wired, course: Course, *, loses_redis: bool) -> tuple[int, list[float]]:
    """Sweep until nothing is left; returns the messages of the first sweep, and how long each sweep took."""
    sweeps_ms: list[float] = []

    def sweep() -> None:
        began = time.perf_counter()
        end.way.sweep()
        sweeps_ms.append((time.perf_counter() - began) * 1000)

    sweep()
    first, swept_at = end.sent.count, time.monotonic()
    deadline = swept_at + _DEADLINE_S
    while time.monotonic() < deadline:
        with end.db.connection() as connection:
            left = steps_left(connection)
        if not left:
            return first, sweeps_ms
        if loses_redis and left <= course.orders * course.steps / 2:
            end.redis.flushall()
            loses_redis = False
        time.sleep(_LOOK_EVERY_S)
        if time.monotonic() - swept_at >= SWEEP_EVERY_S:
            sweep()
            swept_at = time.monotonic()
    raise TimeoutError("the course did not end")


@contextmanager
def _workers(name: str, course: Course, stores: Connection, url: str, reports: Sequence[Path]) -> Iterator[list[int]]:
    environment = {"ORDERLANE_DATABASE_URL": url, "ORDERLANE_REDIS_URL": stores.redis_url.reveal()}
    course_words = (str(course.orders), str(course.accounts), str(course.call_s))
    roles = [
        ProcessRole(report.stem, ("-m", "benchmarks.binding.worker", name, *course_words, str(report)))
        for report in reports
    ]
    with supervised(Supervisor(roles, environment)) as supervisor:
        yield supervisor.pids()
