"""Bulk replays as people look at them."""

from domain.errors import Refused
from infra.tables.bulk import Bulk, Member, list_bulks, list_members
from infra.tables.pool import Database
from ops.views.looking import looking


def look(db: Database, bulk_id: int) -> Bulk:
    """One bulk. Raises Refused ``bulk_unknown``."""
    with looking(db) as connection:
        found = list_bulks(connection, bulk_id)
    if not found:
        raise unknown(bulk_id)
    return found[0]


def recent(db: Database) -> list[Bulk]:
    """The last fifty, newest first."""
    with looking(db) as connection:
        return list_bulks(connection, None)


def members(db: Database, bulk_id: int, *, state: str | None, after: int, limit: int) -> list[Member]:
    """Members with a letter id above `after`, of one state or of all."""
    with looking(db) as connection:
        return list_members(connection, bulk_id, state=state, after=after, limit=limit)


def unknown(bulk_id: int) -> Refused:
    return Refused("bulk_unknown", facts={"bulk": bulk_id})
