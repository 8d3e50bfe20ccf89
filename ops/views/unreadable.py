"""Entries of warehouses and platforms that could not be read."""

from infra.tables.pool import Database
from infra.tables.unreadable import Unreadable, count_by_account, open_entries
from ops.views.looking import looking

LISTED_MAX = 500


def unreadable(db: Database, limit: int = LISTED_MAX) -> list[Unreadable]:
    """Open records, the oldest first."""
    with looking(db) as connection:
        return open_entries(connection, limit)


def count_unreadable(db: Database) -> int:
    """How many records are open."""
    with looking(db) as connection:
        return sum(count for *_, count in count_by_account(connection))
