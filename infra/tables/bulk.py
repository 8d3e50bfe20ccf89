"""Bulk replays of dead letters: objects with fixed members, which the sweeper replays."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from psycopg.rows import class_row

from infra.process.steps import steps_by_subject
from infra.tables.audit import AuditSignature, signed
from infra.tables.pool import Connection
from infra.tables.rows import rows_json
from infra.tables.sql import load

BULK = load("bulk")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """A bulk replay.

    `members` counts them by state; At most `per_second` of them are replayed. `again`: also letters that had the most
    replays.
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
    """A letter of a bulk. `why`: what it died of, or why it was refused."""

    letter_id: int
    state: str
    why: str
    at: datetime


class NewBulk(NamedTuple):
    """A bulk to make; as in `Bulk`."""

    filter: Mapping[str, str]
    per_second: float
    again: bool


class Round(NamedTuple):
    """A bulk that this transaction has locked. `elapsed_s`: since its next member was due; below zero: not yet.

    `role`, `source`, `request_id`: of who started it; None for a bulk of an earlier version.
    """

    id: int
    who: str
    role: str | None
    source: str | None
    request_id: str | None
    reason: str
    per_second: float
    again: bool
    state: str
    elapsed_s: float


class Mark(NamedTuple):
    """The state of a member from now on, and why."""

    letter_id: int
    state: str
    why: str


def create_bulk(tx: Connection, author: AuditSignature, new: NewBulk) -> int:
    """Make a bulk without members; its id."""
    named = {**signed(author), **new._asdict(), "filter": msgspec.json.encode(new.filter).decode()}
    row = tx.execute(BULK["create"], named).fetchone()
    assert row is not None
    return int(row[0])


def freeze_members(tx: Connection, bulk_id: int, wanted: Mapping[str, Any]) -> int:
    """Make the open letters of a filter (`LetterFilter.named`) the members; how many there are."""
    return tx.execute(BULK["freeze"], {"id": bulk_id, **wanted}).rowcount


def freeze_named(tx: Connection, bulk_id: int, letter_ids: Sequence[int]) -> int:
    """Make those of the letters that are open the members; how many there are."""
    return tx.execute(BULK["freeze_named"], {"id": bulk_id, "ids": list(letter_ids)}).rowcount


def doubtful_members(tx: Connection, bulk_id: int, *, killed: str, replays_max: int) -> list[tuple[int, str, int]]:
    """(letter, code, replays) of the members that have the code `killed`, or as many replays."""
    asked = {"id": bulk_id, "killed": killed, "replays_max": replays_max}
    return tx.execute(BULK["doubtful"], asked).fetchall()


def open_bulks(connection: Connection) -> list[int]:
    """Bulks that go on, and those of which members are still under way."""
    return [row[0] for row in connection.execute(BULK["open"]).fetchall()]


def take_bulk(tx: Connection, bulk_id: int) -> Round | None:
    """Lock a bulk for one round; None where another transaction has it."""
    row = tx.execute(BULK["take"], {"id": bulk_id}).fetchone()
    return None if row is None else Round(*row)


def note_ended_members(tx: Connection, bulk_id: int) -> list[tuple[str, str]]:
    """(state, what it died of) of the members whose end was seen just now."""
    return tx.execute(BULK["note_ended_members"], {"id": bulk_id, **steps_by_subject()}).fetchall()


def latest_ends(tx: Connection, bulk_id: int, limit: int) -> list[bool]:
    """Whether each of the latest members died, the newest first, since the bulk came into its state."""
    return [row[0] for row in tx.execute(BULK["latest_ends"], {"id": bulk_id, "limit": limit})]


def pick_members(tx: Connection, bulk_id: int, limit: int) -> list[int]:
    """The next letters that wait, by id."""
    return [row[0] for row in tx.execute(BULK["pick"], {"id": bulk_id, "limit": limit}).fetchall()]


def count_members(tx: Connection, bulk_id: int) -> tuple[int, int]:
    """How many members wait, and how many are under way."""
    row: Any = tx.execute(BULK["count_open"], {"id": bulk_id}).fetchone()
    return row[0], row[1]


def mark_members(tx: Connection, bulk_id: int, marks: Iterable[Mark]) -> None:
    """Set the state of members."""
    tx.execute(BULK["mark_members"], {"id": bulk_id, "rows": rows_json(one._asdict() for one in marks)})


def spend(tx: Connection, bulk_id: int, taken: int) -> None:
    """Record that this many members were replayed now, at the bulk's rate."""
    tx.execute(BULK["spend"], {"id": bulk_id, "taken": taken})


def set_state(tx: Connection, bulk_id: int, state: str, note: str) -> bool:
    """Change the state of a bulk, unless it has ended; returns whether it changed."""
    return bool(tx.execute(BULK["set_state"], {"id": bulk_id, "state": state, "note": note}).rowcount)


def lock_bulk(tx: Connection, bulk_id: int) -> str | None:
    """Lock a bulk and wait for that; its state, or None where there is none."""
    row = tx.execute(BULK["lock"], {"id": bulk_id}).fetchone()
    return None if row is None else str(row[0])


def cancel_waiting(tx: Connection, bulk_id: int) -> None:
    """Members that wait stay dead letters."""
    tx.execute(BULK["cancel_waiting"], {"id": bulk_id})


def list_bulks(connection: Connection, bulk_id: int | None) -> list[Bulk]:
    """One bulk, or the last fifty, newest first."""
    with connection.cursor(row_factory=class_row(Bulk)) as cursor:
        return cursor.execute(BULK["list"], {"id": bulk_id}).fetchall()


def list_members(connection: Connection, bulk_id: int, *, state: str | None, after: int, limit: int) -> list[Member]:
    """Members with a letter id above `after`, of one state or of all."""
    with connection.cursor(row_factory=class_row(Member)) as cursor:
        named = {"id": bulk_id, "state": state, "after": after, "limit": limit}
        return cursor.execute(BULK["members"], named).fetchall()
