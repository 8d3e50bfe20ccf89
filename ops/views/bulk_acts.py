"""Bulk acts as people look at them."""

from domain.errors import Refused
from infra.tables.bulk_acts import BulkAct, BulkItem, load_acts, load_items
from infra.tables.pool import Database
from ops.views.looking import looking


def look(db: Database, bulk_id: int) -> BulkAct:
    """One bulk act. Raises Refused ``bulk_unknown``."""
    with looking(db) as tx:
        found = load_acts(tx, bulk_id)
    if not found:
        raise unknown(bulk_id)
    return found[0]


def recent(db: Database) -> list[BulkAct]:
    """The last fifty, the newest first."""
    with looking(db) as tx:
        return load_acts(tx, None)


def items(db: Database, bulk_id: int, *, state: str | None, after: int, limit: int) -> list[BulkItem]:
    """A page of items with their results; `after`: the position at which the page before ended."""
    with looking(db) as tx:
        return load_items(tx, bulk_id, state=state, after=after, limit=limit)


def unknown(bulk_id: int) -> Refused:
    return Refused("bulk_unknown", facts={"bulk": bulk_id})
