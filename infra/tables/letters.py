"""Dead letters as values: causes, pages, one letter, and the present state of its subject."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from psycopg.rows import dict_row

from domain.dead_letters import MESSAGE, LetterSubject
from domain.errors import Refused
from domain.money import Money
from domain.reasons import Reason
from domain.states import State
from domain.steps import OpenCall
from infra.process.steps import STEPS, steps_by_subject
from infra.tables.pool import Connection
from infra.tables.rows import Row, rows_json
from infra.tables.sql import load

LETTERS = load("letters")
# The beginning of a fingerprint. An empty text is refused, because a shell variable that was not set would choose all
# letters.
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
    """A filter of letters; None: any value. `cause` is a fingerprint, or its beginning.

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
    """A letter with all its details. `causes`: one entry for each attempt, with its chain of causes."""

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

    Raises Refused ``cause_ambiguous`` when it means several causes, because a person must know which letters change.
    """
    if wanted.cause is None:
        return wanted
    meant = [row[0] for row in tx.execute(LETTERS["fingerprints"], {"cause": wanted.cause})]
    if len(meant) > 1:
        more = f" and {len(meant) - _CAUSES_NAMED} more" if len(meant) > _CAUSES_NAMED else ""
        raise Refused("cause_ambiguous", f"{wanted.cause} means {', '.join(meant[:_CAUSES_NAMED])}{more}: say which")
    return replace(wanted, cause=meant[0]) if meant else wanted


def load_letter(tx: Connection, letter_id: int) -> WholeLetter | None:
    """One letter, open or closed; None: there is no such letter."""
    with tx.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(LETTERS["show"], {"id": letter_id, **steps_by_subject()}).fetchone()
    return WholeLetter(**_with_money(row)) if row else None


def _with_money(row: dict[str, Any]) -> dict[str, Any]:
    minor, currency = row.pop("at_risk_minor"), row.pop("currency")
    return {**row, "at_risk": None if minor is None else Money(minor, currency)}


def load_subjects(tx: Connection, letter_ids: Sequence[int]) -> dict[int, LetterSubject]:
    """The present states of the subjects of open letters, by letter id.

    One statement for all, and for each step among them the statements of that step. A letter without a known step has
    no standing: a message belongs to no order, and a step that only another version knows cannot be asked.
    """
    beside = [name for name, step in STEPS.items() if not step.stops_order]
    named = {"ids": list(letter_ids), "steps": list(STEPS), "beside": beside}
    rows = tx.execute(LETTERS["subjects"], named).fetchall()
    subjects: dict[str, list[int]] = {}
    for _, step, subject_id, *_ in rows:
        subjects.setdefault(step, []).append(subject_id)
    done, calls = _ask_steps(tx, subjects)
    return {row[0]: _subject(row, done, calls) for row in rows}


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


def _subject(
    row: tuple[Any, ...], done: Collection[tuple[str, int]], calls: Mapping[tuple[str, int], OpenCall]
) -> LetterSubject:
    _, step, subject_id, state, resume_state, holds, is_one_of_many, replays = row
    call = calls.get((step, subject_id))
    return LetterSubject(
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


class Ending(StrEnum):
    """Why a dead letter cannot be acted on."""

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


class OpenLetter(NamedTuple):
    """An open letter whose row this transaction has locked."""

    id: int
    step: str
    subject_id: int
    lane: str
    account: str
    crashes: int
    order_id: int | None
    fulfillment_order_id: int | None


class ClosedLetter(NamedTuple):
    """How a letter ends, and why."""

    letter_id: int
    closed_as: str
    reason: str


class ReopenedLetter(NamedTuple):
    """A letter that is open again."""

    id: int
    step: str
    subject_id: int
    lane: str
    order_id: int | None
    fulfillment_order_id: int | None
    code: str


def add_letters(tx: Connection, letters: Iterable[Row]) -> None:
    """Open dead letters; a subject that has an open one keeps that.

    Rows of the columns of `dead_letter`: `step`, `subject_id`, `lane`, `account`, `order_id`, `fulfillment_order_id`,
    `code`, `fingerprint`, `causes`, `attempts`, `crashes`, `owner`, `worker`, `code_version`, `rules_version`, and
    `due_h`, hours until the owner should have settled it.
    """
    tx.execute(LETTERS["add_letters"], {"rows": rows_json(letters)})


def lock_open(tx: Connection, letter_ids: Sequence[int]) -> list[OpenLetter]:
    """Lock those of the letters that are open, by id."""
    return [OpenLetter(*row) for row in tx.execute(LETTERS["lock_open"], {"ids": list(letter_ids)}).fetchall()]


def close(tx: Connection, closed: Iterable[ClosedLetter], by: str) -> None:
    """Close letters that are open, and take them off the tally of their causes."""
    rows = rows_json({"id": one.letter_id, "closed_as": one.closed_as, "reason": one.reason} for one in closed)
    tx.execute(LETTERS["close"], {"rows": rows, "by": by})


def reopen(tx: Connection, letter_id: int) -> ReopenedLetter | None:
    """Open a discarded letter again; None where it was not discarded, or a newer one is open for its subject."""
    row = tx.execute(LETTERS["reopen"], {"id": letter_id}).fetchone()
    return None if row is None else ReopenedLetter(*row)


def open_letters_of(tx: Connection, fulfillment_order_id: int) -> list[int]:
    """Open letters of a fulfillment order, by id."""
    return [row[0] for row in tx.execute(LETTERS["open_letters_of"], {"id": fulfillment_order_id})]


def open_after(connection: Connection, letter_id: int, limit: int) -> list[int]:
    """A stretch of the open letters behind an id."""
    rows = connection.execute(LETTERS["open_after"], {"after": letter_id, "limit": limit})
    return [row[0] for row in rows]


def fold_tally(connection: Connection, rows_max: int) -> None:
    """Make one row of each cause's tally again, once there are more than `rows_max` rows."""
    connection.execute(LETTERS["fold_tally"], {"rows_max": rows_max})


def letters_of_subjects(tx: Connection, faulty: Sequence[tuple[str, int]]) -> list[int]:
    """Open letters of (step, subject) pairs that ended for their account's fault."""
    named = {"steps": [step for step, _ in faulty], "subject_ids": [id_ for _, id_ in faulty]}
    return [row[0] for row in tx.execute(LETTERS["letters_of_subjects"], named)]


def count_open(connection: Connection) -> int:
    """How many letters are open."""
    row = connection.execute(LETTERS["dead_letters"]).fetchone()
    return 0 if row is None else int(row[0])


class LastReport(NamedTuple):
    """The last report of a cause: how many letters it had, and how long ago."""

    letters: int
    age: timedelta


def alarms_raised(tx: Connection) -> dict[str, LastReport]:
    """The last report of each cause, by fingerprint; locked."""
    return {fingerprint: LastReport(*rest) for fingerprint, *rest in tx.execute(LETTERS["alarms_raised"])}


def note_alarms(tx: Connection, letters: Mapping[str, int]) -> None:
    """Record a report of causes with these numbers of letters, by fingerprint. No statement for none."""
    if letters:
        rows = rows_json({"fingerprint": cause, "letters": count} for cause, count in letters.items())
        tx.execute(LETTERS["note_alarms"], {"rows": rows})


def forget_alarms(tx: Connection, open_causes: Sequence[str]) -> None:
    """Remove reports of causes that are not among the open ones, given by fingerprint."""
    tx.execute(LETTERS["forget_alarms"], {"open": list(open_causes)})
