"""Bulk acts: one verb on many items, each with what the preview has shown and what became of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from psycopg.rows import class_row

from domain.bulk_acts import ActState, ItemState
from domain.states import FINAL_STATES, RANK, State
from infra.tables.audit import AuditSignature, signed
from infra.tables.letters import LetterFilter
from infra.tables.pool import Connection
from infra.tables.rows import rows_json
from infra.tables.sql import load

BULK_ACTS = load("bulk_acts")

_OVER = sorted(FINAL_STATES)
_INSIDE = sorted(state for state in State if state not in FINAL_STATES and RANK[state] < RANK[State.IN_TRANSIT])


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkAct:
    """One verb on many. `items` counts them by state, `foreseen` by what the preview has shown, `results` by code."""

    id: int
    verb: str
    params: Mapping[str, Any]
    chosen: Mapping[str, Any]
    who: str
    confirmed_by: str | None
    reason: str
    state: str
    note: str
    token: str
    created_at: datetime
    ended_at: datetime | None
    items: Mapping[str, int]
    foreseen: Mapping[str, int]
    results: Mapping[str, int]

    @property
    def is_over(self) -> bool:
        return self.ended_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkItem:
    """An item and its result. `subject_id` is None where the name in the file meant no one thing."""

    position: int
    subject_id: int | None
    state: str
    foreseen: str
    code: str
    facts: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class NewItem:
    """`foreseen` is a code; with no `subject_id` it says why there is none. `position` counts from 1."""

    position: int
    subject_id: int | None
    foreseen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningAct:
    """A bulk act that runs: what is done, and in whose name, role, way and request, and why."""

    verb: str
    params: Mapping[str, Any]
    who: str
    role: str
    source: str
    request_id: str
    reason: str


def create_act(
    tx: Connection, verb: str, params: Mapping[str, Any], *, chosen: Mapping[str, Any], author: AuditSignature
) -> int:
    """A draft without items; its id."""
    named = {"verb": verb, "params": _json(params), "chosen": _json(chosen)}
    row = tx.execute(BULK_ACTS["create"], {**named, **signed(author)}).fetchone()
    assert row is not None
    return int(row[0])


def add_items(tx: Connection, bulk_id: int, items: Iterable[NewItem], token: str) -> None:
    """Give a draft its items and its token."""
    rows = rows_json(
        {"position": one.position, "subject_id": one.subject_id, "foreseen": one.foreseen} for one in items
    )
    tx.execute(BULK_ACTS["add_items"], {"id": bulk_id, "rows": rows})
    tx.execute(BULK_ACTS["set_token"], {"id": bulk_id, "token": token})


def lock_act(tx: Connection, bulk_id: int) -> tuple[str, Mapping[str, Any], ActState, str] | None:
    """Verb, parameters, state and token of a bulk act whose row this transaction holds from now on."""
    row = tx.execute(BULK_ACTS["lock"], {"id": bulk_id}).fetchone()
    return None if row is None else (row[0], row[1], ActState(row[2]), row[3])


def waiting_items(tx: Connection, bulk_id: int) -> list[tuple[int, int, str]]:
    """(position, subject, what was foreseen) of all items that wait."""
    return [(row[0], row[1], row[2]) for row in tx.execute(BULK_ACTS["waiting_subjects"], {"id": bulk_id})]


def foresee_again(tx: Connection, bulk_id: int, foreseen: Mapping[int, str], token: str) -> None:
    """Another preview, by position, and its token."""
    rows = rows_json({"position": position, "foreseen": code} for position, code in foreseen.items())
    tx.execute(BULK_ACTS["foresee_again"], {"id": bulk_id, "rows": rows})
    tx.execute(BULK_ACTS["set_token"], {"id": bulk_id, "token": token})


def confirm_act(tx: Connection, bulk_id: int, author: AuditSignature) -> None:
    """Let a draft run in the author's name; its reason stays the one that the draft was made with."""
    tx.execute(BULK_ACTS["confirm"], {"id": bulk_id, **signed(author)})


def set_state(tx: Connection, bulk_id: int, state: ActState, note: str = "") -> None:
    tx.execute(BULK_ACTS["set_state"], {"id": bulk_id, "state": state, "note": note})
    if state is ActState.CANCELLED:
        tx.execute(BULK_ACTS["cancel_waiting"], {"id": bulk_id})


def running_acts(tx: Connection) -> list[int]:
    return [row[0] for row in tx.execute(BULK_ACTS["running"])]


def take_act(tx: Connection, bulk_id: int) -> RunningAct | None:
    """A bulk act that runs; None when it does not."""
    with tx.cursor(row_factory=class_row(RunningAct)) as cursor:
        return cursor.execute(BULK_ACTS["take"], {"id": bulk_id}).fetchone()


def next_item(tx: Connection, bulk_id: int, *, after: int) -> tuple[int, int] | None:
    """(position, subject) of the first item behind `after` that waits; None also when the bulk act does not run."""
    return tx.execute(BULK_ACTS["next_item"], {"id": bulk_id, "after": after}).fetchone()


def claim_item(tx: Connection, bulk_id: int, position: int, *, is_begun: bool = False) -> bool:
    """Whether this transaction has the item. Not when it is over, when somebody else is at it, or the bulk act stands.

    `is_begun`: a part of the item is done already, so it is also claimed while the bulk act stands.
    """
    named = {"id": bulk_id, "position": position}
    return tx.execute(BULK_ACTS["claim_begun" if is_begun else "claim"], named).fetchone() is not None


def mark_item(
    tx: Connection, bulk_id: int, position: int, *, state: ItemState, code: str, facts: Mapping[str, Any]
) -> None:
    named = {"id": bulk_id, "position": position, "state": state, "code": code, "facts": _json(facts)}
    tx.execute(BULK_ACTS["mark"], named)


def finish_act(tx: Connection, bulk_id: int) -> bool:
    """End a bulk act that runs and of which no item waits; whether it ended now."""
    return tx.execute(BULK_ACTS["finish"], {"id": bulk_id}).fetchone() is not None


def load_acts(tx: Connection, bulk_id: int | None) -> list[BulkAct]:
    """One, or the last fifty, the newest first."""
    with tx.cursor(row_factory=class_row(BulkAct)) as cursor:
        return cursor.execute(BULK_ACTS["list"], {"id": bulk_id}).fetchall()


def load_items(tx: Connection, bulk_id: int, *, state: str | None, after: int, limit: int) -> list[BulkItem]:
    with tx.cursor(row_factory=class_row(BulkItem)) as cursor:
        named = {"id": bulk_id, "state": state, "after": after, "limit": limit}
        return cursor.execute(BULK_ACTS["items"], named).fetchall()


def foresee_release(tx: Connection, order_ids: Sequence[int], code: str) -> dict[int, str]:
    """What the release of a hold would end with, by order: ``released``, or the code of the refusal."""
    return dict(tx.execute(BULK_ACTS["foresee_release"], {"ids": list(order_ids), "code": code}).fetchall())


def foresee_hold(tx: Connection, order_ids: Sequence[int], code: str) -> dict[int, str]:
    """What a manual hold would end with, by order: ``held``, or the code of the refusal."""
    named = {"ids": list(order_ids), "code": code, "inside": _INSIDE, "over": _OVER}
    return dict(tx.execute(BULK_ACTS["foresee_hold"], named).fetchall())


def foresee_expedite(tx: Connection, order_ids: Sequence[int]) -> dict[int, str]:
    """What another lane would end with, by order: ``expedited``, or the code of the refusal."""
    return dict(tx.execute(BULK_ACTS["foresee_expedite"], {"ids": list(order_ids), "over": _OVER}).fetchall())


def foresee_hold_change(tx: Connection, hold_ids: Sequence[int], done: str) -> dict[int, str]:
    """What a change of an open hold would end with, by hold: `done`, or the code of the refusal."""
    return dict(tx.execute(BULK_ACTS["foresee_hold_change"], {"ids": list(hold_ids), "done": done}).fetchall())


def foresee_discard(tx: Connection, letter_ids: Sequence[int]) -> dict[int, str]:
    """What a discard would end with, by letter: ``discarded``, or the code of the refusal."""
    return dict(tx.execute(BULK_ACTS["foresee_discard"], {"ids": list(letter_ids)}).fetchall())


def foresee_put_back(tx: Connection, package_ids: Sequence[int]) -> dict[int, str]:
    """What another try of a write-back would end with, by package: ``put_back``, or the code of the refusal."""
    return dict(tx.execute(BULK_ACTS["foresee_put_back"], {"ids": list(package_ids)}).fetchall())


def open_letters(tx: Connection, wanted: LetterFilter, limit: int) -> list[int]:
    """Open letters of a filter, the oldest first."""
    return [row[0] for row in tx.execute(BULK_ACTS["letters"], {**wanted.named(), "limit": limit})]


def _json(value: Mapping[str, Any]) -> str:
    return msgspec.json.encode(value).decode()
