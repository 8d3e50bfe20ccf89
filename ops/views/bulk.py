"""Bulk replays as people look at them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row

from domain.errors import Refused
from infra.sweeper.bulk_replay import BULK
from infra.tables.pool import Connection, Database
from ops.views.looking import looking


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """A bulk replay. `members` counts them by state; `per_second` of them go at most.

    `again`: also those that replays did not help before.
    """

    id: int
    who: str
    reason: str
    filter: Mapping[str, str]
    per_second: float
    again: bool
    state: str
    note: str
    created_at: datetime
    ended_at: datetime | None
    members: Mapping[str, int]

    @property
    def is_over(self) -> bool:
        return self.ended_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    letter_id: int
    state: str
    why: str
    at: datetime


def look(db: Database, bulk_id: int) -> Bulk:
    """One bulk. Raises Refused ``bulk_unknown``."""
    with looking(db) as connection:
        found = _bulks(connection, bulk_id)
    if not found:
        raise unknown(bulk_id)
    return found[0]


def recent(db: Database) -> list[Bulk]:
    """The last fifty, newest first."""
    with looking(db) as connection:
        return _bulks(connection, None)


def members(db: Database, bulk_id: int, *, state: str | None, after: int, limit: int) -> list[Member]:
    with looking(db) as connection, connection.cursor(row_factory=class_row(Member)) as cursor:
        named = {"id": bulk_id, "state": state, "after": after, "limit": limit}
        return cursor.execute(BULK["members"], named).fetchall()


def _bulks(connection: Connection, bulk_id: int | None) -> list[Bulk]:
    with connection.cursor(row_factory=class_row(Bulk)) as cursor:
        named: dict[str, Any] = {"id": bulk_id}
        return cursor.execute(BULK["list"], named).fetchall()


def unknown(bulk_id: int) -> Refused:
    return Refused("bulk_unknown", facts={"bulk": bulk_id})
