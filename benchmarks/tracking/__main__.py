"""``python -m benchmarks.tracking [--quick] [--json]``."""

import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import msgspec
import psycopg

from actors.tools import Tools
from adapters.ports import Booking, Interception, InterceptRequest, TrackAnswer, Tracked, TrackEvent, Waybill
from benchmarks.floor.recording import Statement, Tape, TapedDatabase
from benchmarks.loop import Rung
from benchmarks.surroundings import describe, private_stores
from domain.order import Lane
from domain.tracking import ParcelKind
from infra.config.rules import load_rules
from infra.config.settings import CourierContract, Location, Sender, Settings
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

PLANT = load("plant", Path(__file__).parent)
KEY = BellKey("track", Lane.BULK, "sf/main/tracking")
_TAPED_BATCHES = 20
_WAY = (ParcelKind.COLLECTED, ParcelKind.DEPARTED, ParcelKind.AT_HUB, ParcelKind.OUT_FOR_DELIVERY)
SETTINGS = Settings(
    couriers=(CourierContract(name="main", courier="sf", endpoint="http://localhost", credentials={}),),
    locations=(
        Location(
            name="east",
            endpoint="http://localhost",
            sender=Sender(contact="仓库", phone="1", province="浙江省", city="杭州市", district="区", detail="路"),
            credentials={},
        ),
    ),
)


@dataclass
class ReadyCourier:
    """Answers at once, for every parcel with as many events: what is measured is our side of the look."""

    is_idempotent: bool = True
    can_find: bool = True
    find_lag_s: float = 0.0
    can_track: bool = True
    track_max: int = 10
    can_intercept: bool = False
    repeats_intercept: bool = False
    can_ask_intercept: bool = False
    calls: int = 0
    began: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(days=1))

    async def create(self, booking: Booking) -> Waybill:
        raise NotImplementedError

    async def find(self, reference: str) -> Waybill | None:
        raise NotImplementedError

    async def cancel(self, reference: str, waybill: str) -> None:
        raise NotImplementedError

    async def track(self, tracked: Sequence[Tracked]) -> TrackAnswer:
        self.calls += 1
        way = tuple(TrackEvent(kind, kind, self.began + timedelta(hours=hour)) for hour, kind in enumerate(_WAY))
        return {one.waybill: way for one in tracked}

    async def intercept(self, request: InterceptRequest) -> Interception:
        raise NotImplementedError

    async def ask_intercept(self, waybill: str) -> Interception | None:
        raise NotImplementedError


@click.command()
@click.option("--parcels", default=100_000, show_default=True, help="Parcels that wait for their first look.")
@click.option("--quick", is_flag=True, help="5,000 parcels.")
@click.option("--json", "as_json", is_flag=True, help="The last line of stdout is one JSON object.")
def main(*, parcels: int, quick: bool, as_json: bool) -> None:
    """Catch a backlog of parcels up, by one thread and a courier that answers at once."""
    configure("auto", "error")
    parcels = 5_000 if quick else parcels
    with private_stores() as stores:
        plant(stores, parcels)
        figures = {"parcels": parcels, **catch_up(stores, parcels), "settings": describe(stores)}
    if as_json:
        print(msgspec.json.encode(figures).decode())
        return
    for name, value in figures.items():
        if name != "settings":
            click.echo(f"{name:24} {value:,}")


def plant(stores: Connection, parcels: int) -> None:
    with psycopg.connect(stores.database_url.reveal(), autocommit=True) as session:
        migrate(session)
        for name in PLANT:
            session.execute(PLANT[name], {"parcels": parcels})
        session.execute("VACUUM (ANALYZE)")


def catch_up(stores: Connection, parcels: int) -> dict[str, Any]:
    """Look once at every parcel. Memory is this process's, in MB, beyond what it had after the first batches.

    Statements are those of the first batches, of which each is full.
    """
    tape, courier = Tape(), ReadyCourier()
    url = stores.database_url.reveal()
    with Database(url, 4) as db, TapedDatabase(url, 4, tape) as taped, EventLoopThread() as event_loop:
        presence = Presence(db)
        tools = Tools(SETTINGS, taped, Rung(), SystemClock(), load_rules(), {}, {"sf/main": courier}, {}, {})
        runner = make_runners(tools, event_loop, presence.worker)[KEY.step]
        began, cpu = time.monotonic(), time.process_time()
        done = batches = taped_parcels = small_shop_done = early_mb = 0
        tape.is_on = True
        while found := runner.run(KEY):
            done, batches = done + found, batches + 1
            if batches == _TAPED_BATCHES:
                tape.is_on, taped_parcels, early_mb = False, done, _memory_mb()
            if not small_shop_done and not batches % _TAPED_BATCHES and _is_small_shop_done(db):
                small_shop_done = done
        seconds, cpu = time.monotonic() - began, time.process_time() - cpu
        presence.close()
    statements = sum(isinstance(act, Statement) for act in tape.acts)
    return {
        "seen": done,
        "left": parcels - done,
        "seconds": round(seconds, 1),
        "parcels_per_s": round(done / seconds),
        "calls_per_parcel": round(courier.calls / done, 3),
        "statements_per_parcel": round(statements / (taped_parcels or done), 3),
        "cpu_ms_per_parcel": round(cpu * 1000 / done, 2),
        "small_shop_done_after": small_shop_done or done,
        "memory_grown_mb": _memory_mb() - early_mb if early_mb else 0,
    }


def _is_small_shop_done(db: Database) -> bool:
    with db.connection() as session:
        found = session.execute(
            b"SELECT NOT EXISTS (SELECT FROM work WHERE shop = 'taobao/small' AND due_at <= now() AND attempts = 0)"
        ).fetchone()
    return found is not None and bool(found[0])


def _memory_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
