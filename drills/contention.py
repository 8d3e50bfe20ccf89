"""Drills in which Postgres answers but cannot do the work: rows locked crosswise, no connection free, no room on the
disk.
"""

import json
import random
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import make_conninfo

from drills.checkers import check_all, letters_of
from drills.disk import small_disk
from drills.drill import Plan, Trial
from drills.queries import DRILLS
from drills.small_world import SmallWorld, small_world
from infra.tables.pool import Connection, Database
from infra.tables.stock import lock_levels

_CROSSINGS, _CROSSINGS_QUICK = 6, 2
_RESERVATIONS, _RESERVATIONS_QUICK = 20_000, 2_000
_THREADS = 12
# Each reservation touches so many kinds of goods.
_SKUS = 4
_CROWD, _CONNECTIONS = 32, 2
_ORDERS, _ORDERS_QUICK = 120, 60
_WAIT_S = 20.0
REPEATABLE_READ = "-c default_transaction_isolation=repeatable\\ read"


def crossed_locks(plan: Plan) -> Trial:
    """Somebody else locks stock rows in the wrong order, and rewrites them under our snapshot.

    Control: reservations that lock their rows in any order run into each other.
    """
    trial = Trial(control="rows locked in any order: our own code deadlocks")
    with small_world(plan) as world:
        first, last = _two_skus(world)
        rounds = _CROSSINGS_QUICK if plan.is_quick else _CROSSINGS
        before = world.number(DRILLS["deadlocks"])
        for _ in range(rounds):
            _cross(world, (first, last), trial)
        trial.check("deadlocks", world.number(DRILLS["deadlocks"]) - before >= rounds, trial.injected.total())
        with _repeatable_read(world):
            for _ in range(rounds):
                _rewrite(world, (first, last), trial)
        failed = world.log().count("SerializationFailure")
        trial.check("serialization failures", failed >= rounds, failed)
        check_all(world.demo, trial)
        reservations = _RESERVATIONS_QUICK if plan.is_quick else _RESERVATIONS
        met = _reserve_at_random(world, plan.seed, reservations, in_order=True)
        trial.injected["random reservation"] += reservations
        trial.check("our own code never deadlocks", met == 0, met)
        trial.harm_shown = _reserve_at_random(world, plan.seed, reservations, in_order=False) > 0
    return trial


def pool_exhausted(plan: Plan) -> Trial:
    """Many threads share two connections: they wait for a connection, and no work fails by that."""
    trial = Trial()
    with small_world(plan) as world:
        for _ in range(_ORDERS_QUICK if plan.is_quick else _ORDERS):
            world.order("crowd")
        ended = world.work(threads=_CROWD, connections=_CONNECTIONS)
        waits = sum(json.loads(line)["pool_waits"] for line in world.log().splitlines() if '"worker_done"' in line)
        trial.injected[f"{_CROWD} threads at {_CONNECTIONS} connections"] += 1
        trial.check("all ended", ended.how == "done", ended.how)
        # A caller that opens a connection waits for it too.
        trial.check("threads had to wait", waits > 2 * _CONNECTIONS, waits)
        trial.check("nobody's failure", '"fate": "GiveUp"' not in world.log())
        check_all(world.demo, trial)
    return trial


def disk_full(plan: Plan) -> Trial:
    """The disk under the shipments runs full: nothing is booked whose intent could not be written."""
    trial = Trial()
    with small_disk(plan.base) as disk, small_world(plan) as world:
        disk.carry(world.demo.db)
        for _ in range(_ORDERS_QUICK if plan.is_quick else _ORDERS):
            world.order("full disk")
        disk.fill(world.demo.db)
        ended = world.work()
        trial.injected[disk.how] += world.log().count("DiskFull")
        trial.check("the disk was full", ended.how == "stuck" and trial.injected.total() > 0, trial.injected.total())
        unwritten = _booked(world) - _intended(world)
        trial.check("no call without its intent", not unwritten, len(unwritten))
        trial.check("no attempt spent", world.number(DRILLS["attempts"]) == 0)
        trial.check("no dead letter", not letters_of(world.demo))
        disk.free(world.demo.db)
        ended = world.work()
        trial.check("all ended once there is room", ended.how == "done", ended.how)
        check_all(world.demo, trial)
    return trial


def _cross(world: SmallWorld, skus: tuple[str, str], trial: Trial) -> None:
    """Lock the last row, wait until a reservation stands before it, then want the first: a circle."""
    world.order("crossed", skus)
    with world.demo.db.direct() as rogue, ThreadPoolExecutor(1) as at_work:
        try:
            with rogue.transaction():
                lock_levels(rogue, skus[1:])
                ended = at_work.submit(world.work)
                _await_waiting(world)
                lock_levels(rogue, skus[:1])
        except psycopg.errors.DeadlockDetected:
            # Postgres chose the other side.
            trial.injected["our side spared"] += 1
        trial.injected["rows locked crosswise"] += 1
        how = ended.result().how
    trial.check("a crossed order ends", how == "done", how)


def _rewrite(world: SmallWorld, skus: tuple[str, str], trial: Trial) -> None:
    """Change a row that a reservation waits for and has seen in its snapshot."""
    world.order("rewritten", skus)
    with world.demo.db.direct() as rogue, ThreadPoolExecutor(1) as at_work:
        with rogue.transaction():
            rogue.execute(DRILLS["touch_stock"], {"sku": skus[1]})
            ended = at_work.submit(world.work)
            _await_waiting(world)
        trial.injected["row rewritten under a snapshot"] += 1
        how = ended.result().how
    trial.check("a rewritten order ends", how == "done", how)


def _await_waiting(world: SmallWorld) -> None:
    deadline = time.monotonic() + _WAIT_S
    while not world.number(DRILLS["waiting_for_locks"]):
        if time.monotonic() > deadline:
            raise TimeoutError("nobody came to wait for the locked row")
        time.sleep(0.01)


@contextmanager
def _repeatable_read(world: SmallWorld) -> Iterator[None]:
    """Workers whose transactions see one snapshot, so that they can fail to serialize."""
    usual = world.fork_server.environ
    url = make_conninfo(usual["ORDERLANE_DATABASE_URL"], options=REPEATABLE_READ)
    world.fork_server.environ = {**usual, "ORDERLANE_DATABASE_URL": url}
    yield
    world.fork_server.environ = usual


def _reserve_at_random(world: SmallWorld, seed: int, count: int, *, in_order: bool) -> int:
    """Lock random rows as a reservation does, from many threads, and let go again; the deadlocks met.

    Without `in_order` each row is locked as it is drawn, until the first deadlock.
    """
    skus = [row["sku"] for row in world.demo.stage.read("_ledger")["stock"]][: 2 * _SKUS]
    met: list[str] = []

    def reserve(db: Database, thread: int) -> None:
        draw = random.Random(f"{seed}/{thread}")  # noqa: S311 - repeatable, not secret
        for _ in range(count // _THREADS):
            if met:
                return
            try:
                with db.transaction() as tx:
                    _lock(tx, draw.sample(skus, _SKUS), in_order=in_order)
            except psycopg.errors.DeadlockDetected as error:
                met.append(str(error.sqlstate))

    url = world.fork_server.environ["ORDERLANE_DATABASE_URL"]
    with Database(url, _THREADS) as db, ThreadPoolExecutor(_THREADS) as threads:
        for ended in [threads.submit(reserve, db, thread) for thread in range(_THREADS)]:
            ended.result()
    return len(met)


def _lock(tx: Connection, skus: Sequence[str], *, in_order: bool) -> None:
    if in_order:
        lock_levels(tx, skus)
        return
    for sku in skus:
        lock_levels(tx, [sku])


def _two_skus(world: SmallWorld) -> tuple[str, str]:
    """The best stocked goods, in the order in which a reservation locks them."""
    stock = sorted(world.demo.stage.read("_ledger")["stock"], key=lambda row: -row["on_hand"])
    first, last = sorted(row["sku"] for row in stock[:2])
    return first, last


def _booked(world: SmallWorld) -> set[str]:
    return {row["reference"] for row in world.demo.stage.read("_ledger")["waybills"]}


def _intended(world: SmallWorld) -> set[str]:
    with world.demo.db.connection() as connection:
        return {row[0] for row in connection.execute(DRILLS["references"]).fetchall()}
