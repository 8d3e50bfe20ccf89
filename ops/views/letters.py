"""Dead letters as people look at them: causes, pages, one letter, and what a replay would do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.dead_letters import LetterSubject, NotYet, Prospect, PutBack, Superseded, prospect, why_not_in_bulk
from domain.errors import FulfilmentError, Refused
from domain.reasons import Reason
from infra.engine.replay import ReplayAnswer
from infra.tables.letters import (
    Letter,
    LetterCause,
    LetterFilter,
    WholeLetter,
    count_letters,
    endings,
    load_causes,
    load_letter,
    load_page,
    load_subjects,
    of_one_cause,
)
from infra.tables.pool import Database
from infra.tables.shipments import waybill_owner
from ops.views.looking import looking

# What the courier shows under a reference: the waybill, or None if it knows none. (account, reference) -> waybill.
Ask = Callable[[str, str], str | None]


class ForeseenTry(StrEnum):
    """What the next try of a step would do."""

    RUNS_AGAIN = "runs_again"
    ASKS_FIRST = "asks_first"
    COURIER_NOT_ASKED = "courier_not_asked"
    BOOKS = "books"
    BOOKS_NOTHING = "books_nothing"
    WAYBILL_OF_ANOTHER = "waybill_of_another"
    ADOPTS = "adopts"
    RECORDS = "records"


@dataclass(frozen=True, slots=True)
class Preview:
    """What a replay of one letter would do, as things stand.

    `why` is set for a letter that would close as superseded, or be refused; `resume` and `next_try` for one that would
    be replayed: the state that its order resumes at, and a `Foreseen` with its facts.
    """

    letter_id: int
    state: str | None
    answer: ReplayAnswer
    why: Reason | None = None
    resume: str | None = None
    next_try: Reason | None = None


def causes(db: Database) -> list[LetterCause]:
    """Open dead letters by cause, the largest first."""
    with looking(db) as connection:
        return load_causes(connection)


def page(db: Database, wanted: LetterFilter, *, after: int, limit: int) -> list[Letter]:
    """A page of open dead letters, oldest first; `after` is the number of the last letter of the page before."""
    with looking(db) as connection:
        return load_page(connection, wanted, after=after, limit=limit)


def actable(db: Database, wanted: LetterFilter) -> LetterFilter:
    """The filter as a replay would take it. Raises Refused ``cause_ambiguous``."""
    with looking(db) as connection:
        return of_one_cause(connection, wanted)


def count(db: Database, wanted: LetterFilter) -> int:
    """How many open letters a filter has."""
    with looking(db) as connection:
        return count_letters(connection, wanted)


def letter(db: Database, letter_id: int) -> WholeLetter:
    """One letter, open or closed. Raises Refused ``letter_unknown``."""
    with looking(db) as connection:
        found = load_letter(connection, letter_id)
    if found is None:
        raise Refused("letter_unknown", facts={"letter": letter_id})
    return found


def preview(
    db: Database, letter_ids: Sequence[int], ask: Ask | None = None, *, again: bool = False, in_bulk: bool = False
) -> list[Preview]:
    """What a replay would do now. Changes nothing; with `ask` the courier is asked what it has already."""
    with looking(db) as connection:
        subjects = load_subjects(connection, letter_ids)
        gone = endings(connection, [id_ for id_ in letter_ids if id_ not in subjects])
        found = {id_: letter for id_ in subjects if (letter := load_letter(connection, id_))}

    def owner_of(reference: str, waybill: str) -> str | None:
        with looking(db) as connection:
            return waybill_owner(connection, reference, waybill)

    previews: list[Preview] = []
    for id_ in letter_ids:
        if id_ not in found:
            previews.append(Preview(id_, None, ReplayAnswer.REFUSED, gone[id_]))
            continue
        letter, now = found[id_], subjects[id_]
        kept_out = why_not_in_bulk(letter.code, letter.replays, again=again) if in_bulk else None
        would = NotYet(kept_out) if kept_out else prospect(now, again=again)
        asked = _LookedUp(letter.account, ask, owner_of)
        previews.append(_preview(id_, would, now, asked))
    return previews


@dataclass(frozen=True, slots=True)
class _LookedUp:
    """How to foresee what label will find. `owner_of`: the order of another package that has this waybill already."""

    account: str
    ask: Ask | None
    owner_of: Callable[[str, str], str | None]


def _preview(letter_id: int, would: Prospect, now: LetterSubject, asked: _LookedUp) -> Preview:
    match would:
        case Superseded(why=why):
            return Preview(letter_id, now.state, ReplayAnswer.SUPERSEDED, why)
        case NotYet(why=why):
            return Preview(letter_id, now.state, ReplayAnswer.REFUSED, why)
        case PutBack(resume=resume):
            books = resume is not None or now.state in now.step.works_in
            return Preview(
                letter_id, now.state, ReplayAnswer.REPLAYED, resume=resume, next_try=_next_try(now, asked, books=books)
            )


def _next_try(now: LetterSubject, asked: _LookedUp, *, books: bool) -> Reason:
    """`books`: the order still wants a label; otherwise asking is all."""
    step, reference = {"step": now.step.name}, {"reference": now.reference}
    if not now.reference:
        return Reason(ForeseenTry.RUNS_AGAIN, step)
    if asked.ask is None:
        return Reason(ForeseenTry.ASKS_FIRST, {**step, **reference})
    try:
        waybill = asked.ask(asked.account, now.reference)
    except FulfilmentError as error:
        return Reason(ForeseenTry.COURIER_NOT_ASKED, {**step, "error": error.code})
    if waybill is None:
        return Reason(ForeseenTry.BOOKS if books else ForeseenTry.BOOKS_NOTHING, reference)
    if (owner := asked.owner_of(now.reference, waybill)) is not None:
        return Reason(ForeseenTry.WAYBILL_OF_ANOTHER, {"waybill": waybill, "order": owner})
    return Reason(ForeseenTry.ADOPTS if books else ForeseenTry.RECORDS, {"waybill": waybill})
