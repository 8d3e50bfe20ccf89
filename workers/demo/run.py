"""Runs the demo: sandbox, stores, workers, progress, and at the end the comparison of the ledgers."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from domain.errors import FulfilmentError
from domain.ledger import CourierRecord, OtherLedgers, PlatformLine, PlatformRecord, PlatformWriteback, StockRecord
from domain.ledger_check import LedgerComparison, Verdict, compare_ledgers
from infra.config.settings import Location, Settings, read_settings
from infra.monitoring.invariants import find_breaches
from infra.process.clock import SystemClock
from infra.process.steps import STEPS
from infra.servers import EmbeddedStores
from infra.tables import ledger
from infra.tables.pool import Database
from infra.tables.server import read_one_snapshot
from ops.verbs.stock import stock_up
from ops.views.ledgers import latencies_ms, our_ledger
from sandbox.spec import Spec
from workers.demo.control import plant_harms
from workers.demo.people import Packers, count_shelves, packers_at_work
from workers.demo.stage import STORES_FOLDER, Script, Stage, demo_folder, sandbox_stage
from workers.release import release
from workers.supervisor import Supervisor, roles, supervised

LOOK_EVERY_S = 0.25
# Seconds without progress after which a run ends, finished or not.
STALL_S = 60.0
# On the platform: paid, and not all of it shipped.
_NOT_WORKED_ON = frozenset({"refused", "stopped"})
_WAITING = frozenset({"WAIT_SELLER_SEND_GOODS", "SELLER_CONSIGNED_PART"})


@dataclass(frozen=True, slots=True)
class Progress:
    """Counts at one moment of a run. `total` and `visible` are counted by the platform, all others by us.

    `to_come`: what is about to happen to orders on the platform. `unseen_s`: how long before the last thing that
    happened there our reading of some shop has ended; at most 0 when every shop was read after it. `on_the_way`:
    fulfillment orders that were approved and have not left their warehouse. `are_people_busy`: at a location without a
    system.
    """

    total: int
    visible: int
    stored: int
    unread: int
    due: int
    written_back: int
    states: Mapping[str, int]
    seconds: float
    to_come: int = 0
    unseen_s: float = 0.0
    on_the_way: int = 0
    are_people_busy: bool = False

    @property
    def is_over(self) -> bool:
        """Every order has come, nothing is due, and no package is still on its way through the warehouse.

        What has left is followed further, and nobody waits for that.

        Nor will an order change any more, or has changed since its shop was last read.
        """
        is_all_here = self.visible >= self.total and self.stored + self.unread >= self.visible
        is_all_seen = self.to_come == 0 and self.unseen_s <= 0
        is_all_done = self.due == 0 and self.on_the_way == 0 and not self.are_people_busy
        return is_all_here and is_all_seen and is_all_done


@dataclass(frozen=True, slots=True)
class WarehouseWork:
    """What the warehouse of a location was told, and what left it. `refused`: documents that it does not do."""

    location: str
    kind: str
    documents: int
    refused: int
    parcels: int


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The result of a demo. `split`: orders that are shipped in more than one package."""

    comparison: LedgerComparison
    seconds: float
    p99_ms: Mapping[str, float]
    restarts: int
    settings_file: Path
    an_order: str
    split: int
    warehouses: Sequence[WarehouseWork] = ()

    def summary(self) -> dict[str, Any]:
        """The stable last line of ``orderlane demo --json``."""
        verdicts = self.comparison.verdicts
        done = verdicts.get(Verdict.DONE, 0)
        return {
            "orders": self.comparison.orders,
            "done": done,
            "split": self.split,
            "held": verdicts.get(Verdict.HELD, 0),
            "dead": verdicts.get(Verdict.DEAD, 0),
            "closed": verdicts.get(Verdict.CLOSED, 0),
            "not_ours": verdicts.get(Verdict.NOT_OURS, 0),
            "not_taken_over": verdicts.get(Verdict.NOT_TAKEN_OVER, 0),
            "unpaid": verdicts.get(Verdict.UNPAID, 0),
            "open": verdicts.get(Verdict.OPEN, 0),
            "seconds": round(self.seconds, 2),
            "orders_per_minute": round(done / self.seconds * 60) if self.seconds else 0,
            "p0_p99_ms": _rounded(self.p99_ms.get("p0")),
            "bulk_p99_ms": _rounded(self.p99_ms.get("bulk")),
            "oversold": self.comparison.oversold,
            "duplicate_waybills": self.comparison.duplicate_waybills,
            "documents": sum(one.documents for one in self.warehouses),
            "lost": self.comparison.lost,
            "ledgers_agree": self.comparison.agrees,
        }


@dataclass(frozen=True, slots=True)
class RunningDemo:
    """A running demo, for faces, tests and drills that watch it or disturb it."""

    settings: Settings
    stage: Stage
    db: Database
    supervisor: Supervisor
    started_at: float
    packers: Packers | None = None

    def look(self) -> Progress:
        """Restart processes that died, and return the present counts."""
        self.supervisor.tend()
        theirs = self.stage.read("_progress")
        with self.db.transaction() as tx:
            # One snapshot: between two snapshots a page of scans may turn packages on their way into due work.
            read_one_snapshot(tx)
            ours, states = ledger.progress(tx, STEPS.endless()), ledger.states(tx)
        return Progress(
            total=theirs["orders"],
            visible=theirs["visible"],
            stored=ours.orders,
            unread=ours.unread,
            due=ours.due,
            written_back=ours.written_back,
            states=states,
            seconds=time.monotonic() - self.started_at,
            to_come=theirs["to_come"],
            # The platform dates changes in whole seconds.
            on_the_way=ours.on_the_way,
            # Read last: what people had recorded by then has happened, or they are seen busy.
            are_people_busy=self.packers is not None and self.packers.is_busy,
            unseen_s=max(0.0, theirs["happened_at"] + 1 - ours.read_upto) if theirs["happened_at"] else 0.0,
        )


@contextmanager
def running(base: Settings, script: Script) -> Iterator[RunningDemo]:
    """Stores, sandbox and workers up; everything down again at the end."""
    with (
        prepared(base, script) as demo,
        supervised(demo.supervisor),
        packers_at_work(demo.stage, demo.db, demo.supervisor.environment) as packers,
    ):
        yield replace(demo, started_at=time.monotonic(), packers=packers)


def _release(settings: Settings, _settings_file: Path) -> None:
    release(settings)


@contextmanager
def prepared(
    base: Settings, script: Script, spec: Spec | None = None, release: Callable[[Settings, Path], None] = _release
) -> Iterator[RunningDemo]:
    """Stores and sandbox up and stock counted in, but no process at work yet. `spec`: see `sandbox_stage`.

    `release`: brings the empty database to its schema; settings, and the file they were read from.
    """
    folder = demo_folder(base)
    with sandbox_stage(folder, script, spec) as stage, EmbeddedStores(base, folder / STORES_FOLDER) as stores:
        connection = stores.connection
        environment = {
            "ORDERLANE_SETTINGS": str(stage.settings_file),
            "ORDERLANE_DATABASE_URL": connection.database_url.reveal(),
            "ORDERLANE_REDIS_URL": connection.redis_url.reveal(),
        }
        settings = read_settings(stage.settings_file, {**os.environ, **environment})
        release(settings, stage.settings_file)
        with Database(connection.database_url.reveal(), 2) as db, (folder / "workers.log").open("wb") as log:
            _stock_up(settings, db)
            count_shelves(stage, db)
            supervisor = Supervisor(
                roles(settings), environment, stores, log.fileno(), drain_s=settings.workers.drain_s
            )
            yield RunningDemo(settings, stage, db, supervisor, time.monotonic())


def run(base: Settings, script: Script, show: Callable[[Progress], None]) -> DemoResult:
    """Play `script` to its end and compare the ledgers; `show` is called with each progress."""
    with running(base, script) as demo:
        seconds = watch(demo, show)
        if script.control:
            # A running worker would repair the lost order.
            demo.supervisor.stop()
            plant_harms(demo.stage, demo.db)
        return conclude(demo, seconds)


def watch(demo: RunningDemo, show: Callable[[Progress], None]) -> float:
    """Look until it is over, or until nothing has moved for `STALL_S`; return the seconds it took."""
    last, moved_at = demo.look(), time.monotonic()
    while not last.is_over and time.monotonic() - moved_at < STALL_S:
        time.sleep(LOOK_EVERY_S)
        look = demo.look()
        if replace(look, seconds=last.seconds) != last:
            moved_at = time.monotonic()
        last = look
        show(last)
    return last.seconds


def conclude(demo: RunningDemo, seconds: float) -> DemoResult:
    """Compare the three ledgers. A breached invariant is a contradiction of our ledger with itself."""
    theirs = their_ledger(demo.stage)
    ours = our_ledger(demo.db)
    example = next(
        (booked_package.key[1] for booked_package in ours.booked.values() if booked_package.is_written_back), ""
    )
    comparison = compare_ledgers(ours, theirs)
    with demo.db.connection() as session:
        breached = [str(breach) for breach in find_breaches(session)]
    return DemoResult(
        replace(comparison, contradictions=(*comparison.contradictions, *breached)),
        seconds,
        latencies_ms(demo.db),
        demo.supervisor.restarts,
        demo.stage.settings_file,
        example,
        sum(
            packages > 1 for packages in Counter(booked_package.key for booked_package in ours.booked.values()).values()
        ),
        work_of_warehouses(demo.settings, demo.stage.read("_ledger")),
    )


def work_of_warehouses(settings: Settings, ledger: Mapping[str, Any]) -> list[WarehouseWork]:
    """What each warehouse was told and sent, by the sandbox's own ledger."""
    left = Counter(row["location"] for row in ledger["waybills"] if row["is_collected"])
    told = Counter(row["location"] for row in ledger["documents"])
    refused = Counter(row["location"] for row in ledger["documents"] if row["state"] in _NOT_WORKED_ON)
    return [
        WarehouseWork(one.name, _kind_of(one), told[one.name], refused[one.name], left[one.name])
        for one in settings.locations
    ]


def _kind_of(location: Location) -> str:
    """In words, by what the settings say of it."""
    has = {name for name, value in location.options.items() if value == "true"}
    if location.is_own:
        return "people, no system"
    if "takes_orders" not in has:
        return "takes no orders"
    return "books and splits" if "splits" in has else "books" if "books_waybill" in has else "takes orders"


def their_ledger(stage: Stage) -> OtherLedgers:
    """The sandbox's own ledger: platform, courier and warehouse as they saw it."""
    ledger = stage.read("_ledger")
    are_labels_read = all(row["pieces"] is not None for row in ledger["waybills"])
    return OtherLedgers(
        ordered=[
            PlatformRecord(
                (row["shop"], row["tid"]), row["group"], tuple(_line(line, row["status"]) for line in row["lines"])
            )
            for row in ledger["ordered"]
        ],
        courier_records=[
            CourierRecord(row["reference"], row["number"], row["is_alive"], row["pieces"], row["document"])
            for row in ledger["waybills"]
        ],
        stocked={
            row["sku"]: StockRecord(
                row["on_hand"], row["shipped"], row["left"] if are_labels_read else None, row["returned"]
            )
            for row in ledger["stock"]
        },
        documents=[row["reference"] for row in ledger["documents"] if row["state"] not in _NOT_WORKED_ON],
        told=frozenset(ledger["told_locations"]),
        undocumented=ledger["untold"],
    )


def _line(row: Mapping[str, Any], status: str) -> PlatformLine:
    is_merchants = row["ships"] == "merchant"
    return PlatformLine(
        line_id=row["oid"],
        quantity=row["quantity"],
        told=tuple(PlatformWriteback(one["number"], one["at"], one["pieces"]) for one in row["told"]),
        is_merchants=is_merchants,
        gone_at=row["gone_at"],
        is_wanted=is_merchants and row["gone_at"] is None and not row["shipped_by"] and status in _WAITING,
    )


def _stock_up(settings: Settings, db: Database) -> None:
    for outcome in stock_up(settings, db, SystemClock(), settings.locations).values():
        if isinstance(outcome, FulfilmentError):
            raise outcome


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
