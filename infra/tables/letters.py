"""Dead letters as values: causes, pages, one letter, and where its subject stands."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from psycopg.rows import dict_row

from domain.dead_letters import MESSAGE, Standing
from domain.errors import Refused
from domain.holds import HoldCode
from domain.money import Money
from domain.reasons import Reason
from domain.states import State
from domain.steps import OpenCall
from domain.waivers import Waiver, read_named
from infra.process.steps import STEPS, steps_by_subject
from infra.tables.pool import Connection
from infra.tables.sql import load

LETTERS = load("letters")
# How a fingerprint begins. Nothing begins them all, and a shell variable that is not set is nothing.
_BEGINNING = re.compile(r"[0-9a-f]+")
_CAUSES_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterCause:
    """All open letters of one fingerprint. `orders` counts letters that stand before an order."""

    fingerprint: str
    step: str
    adapter: str
    code: str
    message: str | None
    letters: int
    orders: int
    at_risk: tuple[Money, ...]
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFilter:
    """What all of some letters have in common; None asks nothing. `cause` is a fingerprint, or how one begins.

    Raises Refused ``cause_malformed`` for what can begin no fingerprint, and ``filter_malformed`` for an empty text: a
    shell variable that was not set must not choose letters.
    """

    step: str | None = None
    account: str | None = None
    code: str | None = None
    cause: str | None = None
    since: datetime | None = None

    def __post_init__(self) -> None:
        if self.cause is not None and not _BEGINNING.fullmatch(self.cause):
            raise Refused("cause_malformed", "a cause is a fingerprint or how it begins, in digits and small a to f")
        for name in ("step", "account", "code"):
            if getattr(self, name) == "":
                raise Refused("filter_malformed", f"the {name} asked for is empty")

    @property
    def is_empty(self) -> bool:
        return self == LetterFilter()

    def named(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A letter as a line of a list."""

    id: int
    step: str
    account: str
    code: str
    fingerprint: str
    lane: str
    attempts: int
    crashes: int
    replays: int
    opened_at: datetime
    due_at: datetime
    owner: str
    order_id: int | None
    order_name: str | None
    at_risk: Money | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeLetter(Letter):
    """All that a letter says. `causes`: one entry an attempt, each with what stood behind it."""

    subject_id: int
    fulfillment_order_id: int | None
    causes: list[dict[str, Any]]
    worker: int
    code_version: str
    rules_version: str
    closed_at: datetime | None
    closed_as: str | None
    closed_by: str | None
    closed_reason: str | None


def load_causes(tx: Connection) -> list[LetterCause]:
    """One line for each fingerprint with open letters, the biggest first."""
    with tx.cursor(row_factory=dict_row) as cursor:
        return [_cause(row) for row in cursor.execute(LETTERS["causes"])]


def _cause(row: dict[str, Any]) -> LetterCause:
    minors, currencies = row.pop("minors"), row.pop("currencies")
    at_risk = tuple(Money(minor, currency) for minor, currency in zip(minors, currencies, strict=True))
    return LetterCause(at_risk=at_risk, **row)


def load_page(tx: Connection, wanted: LetterFilter, *, after: int = 0, limit: int) -> list[Letter]:
    """Open letters with an id above `after`, oldest first."""
    with tx.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(LETTERS["list"], {**wanted.named(), **steps_by_subject(), "after": after, "limit": limit})
        return [Letter(**_with_money(row)) for row in rows]


def count_letters(tx: Connection, wanted: LetterFilter) -> int:
    """How many open letters a filter has."""
    row = tx.execute(LETTERS["count"], wanted.named()).fetchone()
    assert row is not None
    return int(row[0])


def of_one_cause(tx: Connection, wanted: LetterFilter) -> LetterFilter:
    """A filter with the whole fingerprint of the open letters that its cause means.

    Raises Refused ``cause_ambiguous`` when it means several: who acts must know on what.
    """
    if wanted.cause is None:
        return wanted
    meant = [row[0] for row in tx.execute(LETTERS["fingerprints"], {"cause": wanted.cause})]
    if len(meant) > 1:
        more = f" and {len(meant) - _CAUSES_NAMED} more" if len(meant) > _CAUSES_NAMED else ""
        raise Refused("cause_ambiguous", f"{wanted.cause} means {', '.join(meant[:_CAUSES_NAMED])}{more}: say which")
    return replace(wanted, cause=meant[0]) if meant else wanted


def load_letter(tx: Connection, letter_id: int) -> WholeLetter | None:
    with tx.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(LETTERS["show"], {"id": letter_id, **steps_by_subject()}).fetchone()
    return WholeLetter(**_with_money(row)) if row else None


def _with_money(row: dict[str, Any]) -> dict[str, Any]:
    minor, currency = row.pop("at_risk_minor"), row.pop("currency")
    return {**row, "at_risk": None if minor is None else Money(minor, currency)}


def load_standings(tx: Connection, letter_ids: Sequence[int]) -> dict[int, Standing]:
    """Where the subjects of open letters stand now, by letter id.

    One statement for all, and for each step among them those that the step asks. A letter of no known step has none: a
    message stands for no order, and of a step that only another version knows nothing can be said.
    """
    named = {"ids": list(letter_ids), "steps": list(STEPS)}
    rows = tx.execute(LETTERS["standings"], named).fetchall()
    subjects: dict[str, list[int]] = {}
    for _, step, subject_id, *_ in rows:
        subjects.setdefault(step, []).append(subject_id)
    done, calls = _ask_steps(tx, subjects)
    return {row[0]: _standing(row, done, calls) for row in rows}


_Asked = tuple[set[tuple[str, int]], dict[tuple[str, int], OpenCall]]


def _ask_steps(tx: Connection, subjects: Mapping[str, Sequence[int]]) -> _Asked:
    """What is done, and which calls are open, by step and subject."""
    done: set[tuple[str, int]] = set()
    calls: dict[tuple[str, int], OpenCall] = {}
    for name, ids in subjects.items():
        step = STEPS[name]
        if step.done:
            done |= {(name, id_) for id_ in step.done(tx, ids)}
        if step.open_calls:
            calls |= {(name, id_): call for id_, call in step.open_calls(tx, ids).items()}
    return done, calls


def _standing(
    row: tuple[Any, ...], done: Collection[tuple[str, int]], calls: Mapping[tuple[str, int], OpenCall]
) -> Standing:
    _, step, subject_id, state, resume_state, holds, is_one_of_many, replays = row
    call = calls.get((step, subject_id))
    return Standing(
        STEPS[step],
        State(state) if state else None,
        State(resume_state) if resume_state else None,
        tuple(holds),
        is_done=(step, subject_id) in done,
        is_one_of_many=is_one_of_many,
        reference=call.reference if call else "",
        replays=replays,
        is_unresolved=call is not None and call.is_unresolved,
    )


def load_waivers(tx: Connection, fulfillment_order_ids: Sequence[int]) -> dict[int, tuple[Waiver, ...]]:
    """What people let pass of the content that an order has now, by fulfillment order."""
    found: dict[int, tuple[Waiver, ...]] = {}
    for id_, hold_id, code, facts in tx.execute(LETTERS["waived"], {"ids": list(fulfillment_order_ids)}):
        found[id_] = (*found.get(id_, ()), Waiver(hold_id, HoldCode(code), read_named(facts)))
    return found


def load_waybill_owner(tx: Connection, reference: str, waybill: str) -> str | None:
    """The order whose package has this waybill of the same courier under another reference; None: nobody's."""
    row = tx.execute(LETTERS["waybill_owner"], {"reference": reference, "waybill": waybill}).fetchone()
    return None if row is None else str(row[0])


class Ending(StrEnum):
    """Where a letter is that cannot be acted on."""

    CLOSED = "letter_closed"
    OPEN = "letter_open"
    OPEN_MESSAGE = "message_open"
    UNKNOWN = "letter_unknown"


def endings(tx: Connection, letter_ids: Sequence[int]) -> dict[int, Reason]:
    """How letters ended, each by an `Ending` and its facts."""
    rows = tx.execute(LETTERS["ends"], {"ids": list(letter_ids)}).fetchall()
    known = {id_: _ending(*rest) for id_, *rest in rows}
    return {id_: known.get(id_, Reason(Ending.UNKNOWN)) for id_ in letter_ids}


def _ending(closed_as: str | None, by: str | None, at: datetime | None, step: str) -> Reason:
    if at is None:
        return Reason(Ending.OPEN_MESSAGE if step == MESSAGE else Ending.OPEN)
    return Reason(
        Ending.CLOSED, {"as": closed_as or "closed", "by": by or "engine", "at": f"{at:%Y-%m-%d %H:%M:%S %Z}"}
    )
