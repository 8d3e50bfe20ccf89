"""Entries of warehouses and platforms that could not be read."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from infra.tables.pool import Database
from infra.tables.unreadable import UNREADABLE
from ops.views.looking import looking

LISTED_MAX = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """One record. `order_name`: the order that the entry speaks of, if that is known; `sku`: likewise."""

    id: int
    source: str
    account: str
    page_id: int | None
    position: int
    code: str
    field: str
    sku: str | None
    owner: str
    due_at: datetime
    noticed_at: datetime
    order_id: int | None
    order_name: str | None


def unreadable(db: Database, limit: int = LISTED_MAX) -> list[Unreadable]:
    """Open records, the oldest first."""
    with looking(db) as connection, connection.cursor(row_factory=class_row(Unreadable)) as cursor:
        return cursor.execute(UNREADABLE["open_entries"], {"limit": limit}).fetchall()


def count_unreadable(db: Database) -> int:
    """How many records are open."""
    with looking(db) as connection:
        return sum(count for *_, count in connection.execute(UNREADABLE["open_by_account"]))
