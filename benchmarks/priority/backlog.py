"""Bulk orders that wait: a fifth before each of five steps, brought there by the engine's own steps."""

import time
from pathlib import Path

from benchmarks.loop import engine_loop
from infra.config.settings import Settings
from infra.tables.pool import Connection, Database
from infra.tables.sql import load

PRIORITY = load("priority", Path(__file__).parent)
WAITING_STEPS = ("normalize", "reserve", "review", "route", "label")
_PULL_S = 1800.0


def stock_shelves(tx: Connection) -> None:
    """Enough of everything: what runs short is held, and a held order says nothing about waiting."""
    tx.execute(PRIORITY["fill_pools"])
    tx.execute(PRIORITY["fill_locations"])


def waiting(tx: Connection) -> dict[str, int]:
    """Due rows by step."""
    return dict(tx.execute(PRIORITY["waiting"]).fetchall())


def fill_up(settings: Settings, db: Database, orders: int) -> dict[str, int]:
    """Pull so many orders and leave an equal share before each step. Raises TimeoutError when they do not come."""
    url = settings.stores.database_url.reveal()
    with Database(url, 8) as steps_db, engine_loop(settings, steps_db, db) as loop:
        deadline = time.monotonic() + _PULL_S
        while _stored(db) < orders:
            if time.monotonic() > deadline:
                raise TimeoutError("the orders that are to wait did not come")
            if not loop.run_step("pull"):
                time.sleep(0.1)
        for number, step in enumerate(WAITING_STEPS[:-1], start=1):
            loop.run_step(step, at_most=orders * (len(WAITING_STEPS) - number) // len(WAITING_STEPS))
    with db.connection() as connection:
        return waiting(connection)


def _stored(db: Database) -> int:
    with db.connection() as connection:
        row = connection.execute("SELECT count(*) FROM raw_payload").fetchone()
    assert row is not None
    return int(row[0])
