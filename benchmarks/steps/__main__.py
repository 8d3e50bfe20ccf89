"""``python -m benchmarks.steps [--quick] [--json]``."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
import msgspec
from rich.console import Console
from rich.table import Table

from adapters.http_client import HttpClient, Request, Response
from benchmarks.loop import engine_loop
from benchmarks.surroundings import describe, private_stores
from infra.config.settings import Settings, read_settings
from infra.engine.local import LocalRunner
from infra.engine.remote import RemoteRunner
from infra.queue.keys import BellKey
from infra.servers import Connection
from infra.tables.pool import Database
from infra.tables.sql import load
from infra.telemetry.log import configure
from workers.demo.run import prepared
from workers.demo.stage import Script
from workers.demo.warehouses import UNTOLD

LSN = load("lsn", Path(__file__).parent)
QUICK_ORDERS = 100
# Longer than a parcel of the sandbox takes from one event to the next.
_QUIET_S = 3.0
_FIELDS = ("subjects", "batches", "statements", "round_trips", "commits", "wal_bytes", "calls", "cpu_ms")


@dataclass
class Use:
    """What the runs of one step have used. `batches`: runs that found something due."""

    subjects: int = 0
    batches: int = 0
    statements: int = 0
    commits: int = 0
    wal_bytes: int = 0
    calls: int = 0
    cpu_ms: float = 0.0

    @property
    def round_trips(self) -> int:
        """BEGIN and COMMIT are round trips too, but no statements."""
        return self.statements + 2 * self.commits


@dataclass
class Meter:
    """Uses by step. All runs are of one thread, one after the other, so each difference is one step's."""

    db: Database
    watching: Database
    calls: Counter[str] = field(default_factory=Counter)
    uses: dict[str, Use] = field(default_factory=dict)

    def now(self) -> Use:
        with self.watching.connection() as session:
            row = session.execute(LSN["wal"]).fetchone()
        assert row is not None
        counts = self.db.counts
        return Use(0, 0, counts.statements, counts.commits, row[0], self.calls.total(), time.process_time() * 1000)

    def add(self, step: str, subjects: int, before: Use, after: Use) -> None:
        use = self.uses.setdefault(step, Use())
        use.subjects += subjects
        use.batches += subjects > 0
        for name in ("statements", "commits", "wal_bytes", "calls", "cpu_ms"):
            setattr(use, name, getattr(use, name) + getattr(after, name) - getattr(before, name))


@dataclass(frozen=True)
class MeteredStep:
    """A runner whose use is added up."""

    runner: LocalRunner | RemoteRunner
    meter: Meter

    def run(self, key: BellKey) -> int:
        before = self.meter.now()
        done = self.runner.run(key)
        self.meter.add(key.step, done, before, self.meter.now())
        return done


@click.command()
@click.option("--orders", default=500, show_default=True, help="How many orders to generate.")
@click.option("--shops", default=2, show_default=True, help="Shops they are spread over.")
@click.option("--untold", is_flag=True, help="The warehouses take no orders, and no parcel is followed.")
@click.option("--quick", is_flag=True, help=f"{QUICK_ORDERS} orders.")
@click.option("--json", "as_json", is_flag=True, help="The last line of stdout is one JSON object.")
def main(*, orders: int, shops: int, untold: bool, quick: bool, as_json: bool) -> None:
    """Measure the steps one by one, in one thread without queue and gates, on a stream that comes all at once."""
    configure("auto", "error")
    orders = QUICK_ORDERS if quick else orders
    script = Script(
        orders=orders,
        csv=None,
        seed=7,
        per_second=0.0,
        processes=0,
        threads=1,
        shops=shops,
        follows=not untold,
        floors=UNTOLD if untold else {},
    )
    found = measure(read_settings(), script)
    if as_json:
        print(msgspec.json.encode(found).decode())
    else:
        show(found, Console(highlight=False, width=120))


def measure(base: Settings, script: Script) -> dict[str, Any]:
    """Of each step, the use an order."""
    with private_stores(base) as stores:
        uses = _play(base, stores, script)
        steps = {
            step: {name: round(getattr(use, name) / script.orders, 3) for name in _FIELDS}
            for step, use in sorted(uses.items())
        }
        settings = {**describe(stores), "orders": script.orders, "shops": script.shops, "seed": script.seed}
        return {"steps": steps, "settings": settings}


def _play(base: Settings, stores: Connection, script: Script) -> Mapping[str, Use]:
    given = msgspec.structs.replace(base.stores, database_url=stores.database_url, redis_url=stores.redis_url)
    with prepared(msgspec.structs.replace(base, stores=given), script) as demo:
        url = demo.settings.stores.database_url.reveal()
        with Database(url, 4) as db, Database(url, 2) as watching:
            meter = Meter(db, watching)
            with _counted_calls(meter), engine_loop(demo.settings, db, watching) as loop:
                # The loop looks runners up by name, so the metered ones stand in for them.
                loop.runners.update({step: MeteredStep(runner, meter) for step, runner in loop.runners.items()})  # type: ignore[misc] # the same protocol
                loop.run_all(_QUIET_S)
            return meter.uses


@contextmanager
def _counted_calls(meter: Meter) -> Iterator[None]:
    send = HttpClient.send

    async def counted(client: HttpClient, request: Request) -> Response:
        meter.calls[request.call] += 1
        return await send(client, request)

    with patch.object(HttpClient, "send", counted):
        yield


def show(found: Mapping[str, Any], console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("for each order")
    for name in _FIELDS:
        table.add_column(name.replace("_", " "), justify="right")
    for step, use in found["steps"].items():
        table.add_row(step, *(f"{use[name]:,}" for name in _FIELDS))
    console.print(table)


if __name__ == "__main__":
    main()
