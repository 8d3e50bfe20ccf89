"""A few orders that went the whole way by the real steps, in this process, against the sandbox."""

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from domain.order import Order
from infra.config.secret import Secret
from infra.config.settings import Settings, read_settings
from infra.process.clock import SystemClock
from infra.queue.bells import BellKey
from infra.servers import Connection
from infra.tables.claims import CLAIMS
from infra.tables.orders import load_orders
from infra.tables.pool import Database
from ops.verbs.stock import stock_up
from sandbox.spec import Dirt
from workers.demo.stage import Script, Stage, sandbox_stage
from workers.demo.warehouses import UNTOLD
from workers.release import release
from workers.wiring import Runtime, wired_worker

DEADLINE_S = 40.0
ORDERS = 14
# Enough of each to be sure of one with this seed.
DIRT = Dirt(unpaid=0.0, closed=0.0, vague_address=0.3, short_stock=0.2)
FINISHED = b"""
SELECT NOT EXISTS (SELECT 1 FROM work WHERE step NOT IN ('pull', 'pull_cases', 'warehouse', 'track'))
   AND (SELECT count(*) FROM orders) >= %s
   AND NOT EXISTS (SELECT 1 FROM fulfillment_order WHERE state IN ('approved', 'allocated', 'in_warehouse', 'packed')
                   AND reservation <> 'consumed')
"""


@dataclass(frozen=True)
class Played:
    """What the run left. Tests read it, or undo what they write."""

    settings: Settings
    db: Database

    def ids(self, state: str) -> list[int]:
        with self.db.connection() as connection:
            query = "SELECT order_id FROM fulfillment_order WHERE state = %s ORDER BY order_id"
            return [row[0] for row in connection.execute(query, [state])]

    def order(self, order_id: int) -> Order:
        with self.db.transaction() as tx:
            return load_orders(tx, [order_id])[order_id]


@pytest.fixture(scope="session")
def played(
    stores: Connection, template_database: str, stores_base: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Played]:
    server = stores.database_url.reveal()
    name = f"played_{uuid.uuid4().hex[:16]}"
    clone = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template_database))
    script = Script(ORDERS, None, seed=5, per_second=0.0, processes=1, threads=2, shops=2, dirt=DIRT, floors=UNTOLD)
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(clone)
        url = make_conninfo(server, dbname=name)
        # Bells are rung here and heard by nobody: apart from the databases that other tests find empty.
        environ = {
            "ORDERLANE_DATABASE_URL": url,
            "ORDERLANE_REDIS_URL": stores.redis_url.reveal().replace("db=0", "db=15"),
        }
        with sandbox_stage(tmp_path_factory.mktemp("played"), script) as stage, Database(url, 4) as db:
            settings = read_settings(stage.settings_file, environ)
            release(settings)
            stock_up(settings, db, SystemClock(), settings.locations)
            with wired_worker(settings) as runtime:
                drive(runtime)
            yield Played(settings, db)
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def drive(runtime: Runtime, orders: int = ORDERS, *, without: Collection[str] = (), is_over: bytes = FINISHED) -> None:
    """Run whatever is due, as workers would, until nothing is left to do; steps in `without` are left alone."""
    pause, ends_at = threading.Event(), time.monotonic() + DEADLINE_S
    while True:
        with runtime.db.connection() as connection:
            if connection.execute(is_over, [orders]).fetchone() == (True,):
                return
            due = connection.execute(CLAIMS["due_keys"]).fetchall()
        for step, lane, account in due:
            if step not in without:
                runtime.runners[step].run(BellKey(step, lane, account))
        if time.monotonic() > ends_at:
            pytest.fail(f"not finished within {DEADLINE_S} s")
        pause.wait(0.02)


FEW = 5


@dataclass
class SmallHouse:
    """A merchant of a few orders in this process, and a sandbox that remembers what was done to it."""

    stage: Stage
    database_url: str
    redis_url: str
    admin: psycopg.Connection
    copies: list[str] = field(default_factory=list)

    def settings(self) -> Settings:
        environ = {"ORDERLANE_DATABASE_URL": self.database_url, "ORDERLANE_REDIS_URL": self.redis_url}
        return read_settings(self.stage.settings_file, environ)

    def worker(self) -> AbstractContextManager[Runtime]:
        return wired_worker(self.settings())

    def play(self, *, without: Collection[str] = (), until: str = "") -> None:
        """Work until all is done, or until every order has its row in the table `until`."""
        is_over = b"SELECT (SELECT count(*) FROM " + until.encode() + b") >= %s" if until else FINISHED
        with self.worker() as runtime:
            drive(runtime, FEW, without=without, is_over=is_over)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(query, values or None)
            return cursor.fetchall() if cursor.description else []

    def backup(self) -> str:
        """A copy of the database as it is now. Nobody may be connected."""
        name = f"backup_{uuid.uuid4().hex[:16]}"
        own = conninfo_to_dict(self.database_url)["dbname"]
        self.admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(str(own)))
        )
        self.copies.append(name)
        return make_conninfo(self.database_url, dbname=name)

    def living(self) -> dict[str, list[str]]:
        """Living waybills at the courier by package."""
        found: dict[str, list[str]] = {}
        for row in self.stage.read("_ledger")["waybills"]:
            if row["is_alive"]:
                found.setdefault(row["reference"].rpartition("-")[0], []).append(row["number"])
        return found

    def told(self) -> dict[str, int]:
        """How often the platform accepted a shipment, by platform order id."""
        return dict(Counter(str(row["tid"]) for row in self.stage.read("_ledger")["write_backs"]))


@pytest.fixture
def small_house(  # noqa: PLR0917 - fixtures
    stores: Connection,
    database_url: Secret,
    redis_url: Secret,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[SmallHouse]:
    """`request.param`: how its warehouses behave; they take no orders otherwise."""
    floors = getattr(request, "param", UNTOLD)
    script = Script(FEW, None, seed=11, per_second=0.0, processes=1, threads=2, shops=1, floors=floors)
    with (
        psycopg.connect(stores.database_url.reveal(), autocommit=True) as admin,
        sandbox_stage(tmp_path, script) as stage,
    ):
        house = SmallHouse(stage, database_url.reveal(), redis_url.reveal(), admin)
        settings = house.settings()
        release(settings)
        with Database(house.database_url, 2) as db:
            stock_up(settings, db, SystemClock(), settings.locations)
        for name, value in {
            "SETTINGS": str(stage.settings_file),
            "DATABASE_URL": house.database_url,
            "REDIS_URL": house.redis_url,
        }.items():
            monkeypatch.setenv(f"ORDERLANE_{name}", value)
        yield house
        for name in house.copies:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def trade() -> Callable[..., bytes]:
    """A small TOP trade of two lines; fields may be replaced, or left out with None."""
    whole = msgspec.json.decode((Path(__file__).with_name("trade.json")).read_bytes())

    def make(**fields: object) -> bytes:
        trade = {name: value for name, value in {**whole, **fields}.items() if value is not None}
        return msgspec.json.encode({"trade_fullinfo_get_response": {"trade": trade}})

    return make
