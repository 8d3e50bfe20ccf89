"""``python -m benchmarks.feeds [--quick] [--json]``."""

import hashlib
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import click
import msgspec
import psycopg

from actors.tools import Tools
from adapters.documents import Capabilities, Document, Found, Stop, Taken
from adapters.ports import EventPage, StockCount
from adapters.warehouses.feed.events import read_events
from benchmarks.floor.recording import Commit, Statement, Tape, TapedDatabase
from benchmarks.loop import Rung
from benchmarks.surroundings import describe, private_stores
from benchmarks.tracking.__main__ import SETTINGS, ReadyCourier
from domain.order import Lane
from infra.config.rules import load_rules
from infra.engine.event_loop import EventLoopThread
from infra.engine.worker_lock import Presence
from infra.process.clock import SystemClock
from infra.queue.keys import BellKey
from infra.servers import Connection
from infra.tables.migrate import migrate
from infra.tables.pool import Database
from infra.tables.sql import load
from infra.telemetry.log import configure
from workers.wiring import make_runners

PLANT, COUNTS = load("plant", Path(__file__).parent), load("counts", Path(__file__).parent)
KEY = BellKey("warehouse", Lane.P1, "warehouse/east")
PAGE = 500
# What a warehouse tells of an order, and how many orders it works on at a time.
KINDS = ("accepted", "printed", "picked", "checked", "packed", "handed_over")
_OF_PACKAGE = frozenset({"packed", "handed_over"})
_AT_ONCE = 200
_TAPED_PAGES = 20
_DIGITS = str.maketrans("0189", "WXYZ")


@dataclass
class BackloggedWarehouse:
    """Tells its whole backlog page by page, made when it is asked for: no page lies in memory before.

    `see`: told of each call, before it is answered. `made_s`: CPU seconds of making the pages, which the warehouse
    would spend.
    """

    orders: int
    see: Callable[["BackloggedWarehouse"], None] = lambda _: None
    capabilities: Capabilities = field(default_factory=Capabilities)
    pages: int = 0
    told: int = 0
    made_s: float = 0.0
    _events: Iterator[Mapping[str, Any]] | None = None

    @property
    def total(self) -> int:
        return self.orders * len(KINDS)

    async def events(self, cursor: str) -> EventPage:
        self.see(self)
        began = time.thread_time()
        if self._events is None:
            self._events = _backlog(self.orders)
        page = list(islice(self._events, PAGE))
        self.pages, self.told = self.pages + 1, self.told + len(page)
        body = msgspec.json.encode({"cursor": str(self.told), "has_more": self.told < self.total, "events": page})
        self.made_s += time.thread_time() - began
        return read_events(body, cursor)

    async def place(self, document: Document) -> Taken:
        raise NotImplementedError

    async def stop(self, reference: str, their_id: str) -> Stop:
        raise NotImplementedError

    async def find(self, reference: str) -> Found | None:
        raise NotImplementedError

    async def stock(self) -> StockCount:
        return StockCount(())


def _backlog(orders: int) -> Iterator[Mapping[str, Any]]:
    """Every event of every order; an order's events are spread over several pages, as they happen one by one."""
    at = datetime.now(UTC) - timedelta(hours=1)
    for tick in range(orders + _AT_ONCE * len(KINDS)):
        for place, kind in enumerate(KINDS):
            number = tick - _AT_ONCE * place + 1
            if 1 <= number <= orders:
                yield _event(number, kind, (at + timedelta(milliseconds=tick)).isoformat())


def _event(number: int, kind: str, at: str) -> Mapping[str, Any]:
    base = hashlib.md5(f"o-{number}".encode(), usedforsecurity=False).hexdigest()[:20].upper().translate(_DIGITS)
    event = {"event_id": f"e-{number}-{kind}", "type": kind, "id": f"wms-{number}", "at": at}
    if kind not in _OF_PACKAGE:
        return {**event, "reference": f"{base}-W1-1"}
    return {**event, "reference": f"{base}-1-1", "waybill": f"SF{number:013d}"}


@dataclass
class _FirstPages:
    """How many events the first pages had, and this process's memory at their end."""

    events: int = 0
    memory_mb: int = 0


@click.command()
@click.option("--events", default=100_000, show_default=True, help="Events that wait at the warehouse.")
@click.option("--quick", is_flag=True, help="6,000 events.")
@click.option("--json", "as_json", is_flag=True, help="The last line of stdout is one JSON object.")
def main(*, events: int, quick: bool, as_json: bool) -> None:
    """Catch up with what a warehouse has to tell after it was away, by one thread and a feed that answers at once."""
    configure("auto", "error")
    orders = (6_000 if quick else events + len(KINDS) - 1) // len(KINDS)
    with private_stores() as stores:
        plant(stores, orders)
        figures = {"orders": orders, **catch_up(stores, orders), "settings": describe(stores)}
    if as_json:
        print(msgspec.json.encode(figures).decode())
        return
    for name, value in figures.items():
        if name != "settings":
            click.echo(f"{name:24} {value:,}")


def plant(stores: Connection, orders: int) -> None:
    with psycopg.connect(stores.database_url.reveal(), autocommit=True) as session:
        migrate(session)
        for name in PLANT:
            session.execute(PLANT[name], {"orders": orders})
        session.execute("VACUUM (ANALYZE)")


def catch_up(stores: Connection, orders: int) -> dict[str, Any]:
    """Read until nothing is left. Memory is this process's, in MB, beyond what it had after the first pages.

    `lost`: orders of which something that was told is not recorded. Statements and commits are those of the first
    pages.
    """
    tape, first = Tape(), _FirstPages()

    def see(warehouse: BackloggedWarehouse) -> None:
        if tape.is_on and warehouse.pages >= _TAPED_PAGES:
            tape.is_on, first.events, first.memory_mb = False, warehouse.told, _memory_mb()

    warehouse = BackloggedWarehouse(orders, see)
    url = stores.database_url.reveal()
    with Database(url, 4) as db, TapedDatabase(url, 4, tape) as taped, EventLoopThread() as event_loop:
        presence = Presence(db)
        warehouses = {"east": warehouse}
        couriers = {"sf/main": ReadyCourier()}
        tools = Tools(SETTINGS, taped, Rung(), SystemClock(), load_rules(), {}, couriers, {}, warehouses)
        runner = make_runners(tools, event_loop, presence.worker)[KEY.step]
        wal, began, cpu = _wal(db), time.monotonic(), time.process_time()
        tape.is_on = True
        while warehouse.told < warehouse.total:
            _due_now(db)
            runner.run(KEY)
        seconds, cpu = time.monotonic() - began, time.process_time() - cpu - warehouse.made_s
        wal = _wal(db) - wal
        presence.close()
        left, handed_over, final, early, unreadable = _told(db)
    events = warehouse.told
    recorded = first.events or events
    return {
        "events": events,
        "seconds": round(seconds, 1),
        "events_per_s": round(events / seconds),
        "calls_per_event": round(warehouse.pages / events, 4),
        "statements_per_event": round(sum(isinstance(act, Statement) for act in tape.acts) / recorded, 4),
        "commits_per_event": round(sum(isinstance(act, Commit) for act in tape.acts) / recorded, 4),
        "wal_bytes_per_event": round(wal / events),
        "cpu_ms_per_event": round(cpu * 1000 / events, 3),
        "memory_grown_mb": _memory_mb() - first.memory_mb if first.memory_mb else 0,
        "lost": orders - min(left, handed_over, final),
        "waiting": early,
        "unreadable": unreadable,
    }


def _due_now(db: Database) -> None:
    with db.connection() as session:
        session.execute(b"UPDATE work SET due_at = now() WHERE step = 'warehouse'")


def _told(db: Database) -> tuple[int, int, int, int, int]:
    with db.connection() as session:
        row = session.execute(COUNTS["told"]).fetchone()
    assert row is not None
    return row[0], row[1], row[2], row[3], row[4]


def _wal(db: Database) -> int:
    with db.connection() as session:
        row = session.execute(COUNTS["wal"]).fetchone()
    assert row is not None
    return int(row[0])


def _memory_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
