"""Bulk acts as people look at them."""

from infra.tables.bulk_acts import BulkAct, Item, load_acts, load_items
from infra.tables.pool import Database


def recent(db: Database) -> list[BulkAct]:
    """The last fifty, the newest first."""
    with db.connection() as connection:
        return load_acts(connection, None)


def items(db: Database, bulk_id: int, *, state: str | None, after: int, limit: int) -> list[Item]:
    """A page of items with their results; `after`: the position at which the page before ended."""
    with db.connection() as connection:
        return load_items(connection, bulk_id, state=state, after=after, limit=limit)
