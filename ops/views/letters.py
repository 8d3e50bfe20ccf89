"""Dead letters as people look at them: causes, pages, one letter, and what a replay would do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from domain.dead_letters import NotYet, Prospect, PutBack, Standing, Superseded, prospect, why_not_in_bulk
from domain.errors import FulfilmentError, Refused
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
    load_standings,
    load_waybill_owner,
    of_one_cause,
)
from infra.tables.pool import Database

# What the courier shows under a reference: the waybill, or None if it knows none. (account, reference) -> waybill.
Ask = Callable[[str, str], str | None]


@dataclass(frozen=True, slots=True)
class Preview:
    """What a replay of one letter would do, as things stand. `answer`: replayed, superseded or refused."""

    letter_id: int
    state: str | None
    answer: str
    what: str


def causes(db: Database) -> list[LetterCause]:
    with db.connection() as connection:
        return load_causes(connection)


def page(db: Database, wanted: LetterFilter, *, after: int, limit: int) -> list[Letter]:
    with db.connection() as connection:
        return load_page(connection, wanted, after=after, limit=limit)


def actable(db: Database, wanted: LetterFilter) -> LetterFilter:
    """The filter as a replay would take it. Raises Refused ``cause_ambiguous``."""
    with db.connection() as connection:
        return of_one_cause(connection, wanted)


def count(db: Database, wanted: LetterFilter) -> int:
    """How many open letters a filter has."""
    with db.connection() as connection:
        return count_letters(connection, wanted)


def letter(db: Database, letter_id: int) -> WholeLetter:
    """One letter, open or closed. Raises Refused ``letter_unknown``."""
    with db.connection() as connection:
        found = load_letter(connection, letter_id)
    if found is None:
        raise Refused("letter_unknown", f"there is no dead letter {letter_id}")
    return found


def preview(
    db: Database, letter_ids: Sequence[int], ask: Ask | None = None, *, again: bool = False, in_bulk: bool = False
) -> list[Preview]:
    """What a replay would do now. Changes nothing; with `ask` the courier is asked what it has already."""
    with db.connection() as connection:
        standings = load_standings(connection, letter_ids)
        gone = endings(connection, [id_ for id_ in letter_ids if id_ not in standings])
        found = {id_: letter for id_ in standings if (letter := load_letter(connection, id_))}

    def owner_of(reference: str, waybill: str) -> str | None:
        with db.connection() as connection:
            return load_waybill_owner(connection, reference, waybill)

    previews: list[Preview] = []
    for id_ in letter_ids:
        if id_ not in found:
            previews.append(Preview(id_, None, "refused", gone.get(id_, "")))
            continue
        letter, now = found[id_], standings[id_]
        kept_out = why_not_in_bulk(letter.code, letter.replays, again=again) if in_bulk else None
        would = NotYet(kept_out) if kept_out else prospect(now, again=again)
        asked = _Asked(letter.account, ask, owner_of)
        previews.append(_preview(id_, would, now, asked))
    return previews


@dataclass(frozen=True, slots=True)
class _Asked:
    """How to foresee what label will find. `owner_of`: the order of another package that has this waybill already."""

    account: str
    ask: Ask | None
    owner_of: Callable[[str, str], str | None]


def _preview(letter_id: int, would: Prospect, now: Standing, asked: _Asked) -> Preview:
    match would:
        case Superseded(why=why):
            return Preview(letter_id, now.state, "superseded", f"{why}: closes as superseded")
        case NotYet(why=why):
            return Preview(letter_id, now.state, "refused", why)
        case PutBack(resume=resume):
            resumes = f"resumes as {resume}, " if resume else ""
            books = resume is not None or now.state in now.step.works_in
            return Preview(letter_id, now.state, "replayed", f"{resumes}{_next_try(now, asked, books=books)}")


def _next_try(now: Standing, asked: _Asked, *, books: bool) -> str:
    """`books`: the order still wants a label; otherwise asking is all."""
    if not now.reference:
        return f"{now.step.name} runs again"
    if asked.ask is None:
        return f"{now.step.name} runs again and asks the courier for {now.reference} first"
    try:
        waybill = asked.ask(asked.account, now.reference)
    except FulfilmentError as error:
        return f"{now.step.name} runs again; the courier could not be asked now: {error.code}"
    if waybill is None:
        return f"the courier has nothing under {now.reference}: {'will book' if books else 'books nothing'}"
    if (owner := asked.owner_of(now.reference, waybill)) is not None:
        return f"the courier shows waybill {waybill}, which {owner} has already: cannot be recorded, a person must ask"
    return f"will {'adopt' if books else 'record'} waybill {waybill}, books nothing"
