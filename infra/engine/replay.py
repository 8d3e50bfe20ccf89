"""Puts the work of dead letters back, closes letters whose order moved on, and lets released orders continue.

Everything happens in the caller's transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from domain.dead_letters import NotYet, Prospect, PutBack, Superseded, prospect, resumption
from domain.order import Lane
from domain.outcomes import Done
from domain.reasons import Reason
from domain.states import Cause, State
from domain.steps import Subject
from domain.stock import Reservation
from infra.engine.author import ActSource, Author, machine
from infra.engine.results import Finished, NewWork, SubjectRef
from infra.engine.write_outcomes import Writes, add_move, add_work, event, write
from infra.process.steps import STEPS
from infra.queue.keys import BellKey
from infra.tables.audit import Act, Verb, record_acts
from infra.tables.gaps import retry_gaps
from infra.tables.holds import open_holds, release_blocks
from infra.tables.letters import ClosedLetter, OpenLetter, close, endings, load_subjects, lock_open
from infra.tables.orders import Locked, lock_fulfillment, shop_of
from infra.tables.pool import Connection
from infra.tables.work import ReturnedWork, lock_work, put_back


class ReplayAnswer(StrEnum):
    REPLAYED = "replayed"
    SUPERSEDED = "superseded"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Replayed:
    """The result for one letter."""

    letter_id: int
    answer: ReplayAnswer
    why: Reason | None = None


@dataclass(frozen=True, slots=True)
class _Case:
    """An open letter whose row, work and fulfillment order this transaction holds."""

    id: int
    step: str
    subject_id: int
    lane: Lane
    account: str
    crashes: int
    ref: SubjectRef
    reservation: Reservation
    prospect: Prospect

    @property
    def is_gap(self) -> bool:
        """Whether it is about one order of a shop, which has no work of its own: those subjects are below zero."""
        return STEPS[self.step].subject is Subject.SHOP and self.subject_id < 0


@dataclass(frozen=True, slots=True)
class _BackToWork:
    """Work that starts again without attempts. A subject that once killed its worker runs alone."""

    case: _Case
    lane: Lane

    def bell(self) -> BellKey:
        return BellKey(self.case.step, self.lane, self.case.account, self.case.crashes > 0)

    def returned(self) -> ReturnedWork:
        step, lane, account, is_suspect = self.bell()
        return ReturnedWork(step, self.case.subject_id, lane, account, self.case.ref.order_id, is_suspect)


def replay(
    tx: Connection, letter_ids: Sequence[int], author: Author, *, lane: Lane | None = None, again: bool = False
) -> tuple[list[Replayed], set[BellKey]]:
    """Put letters back to work, each as far as its order allows; returns the bells to ring after the commit too.

    With `lane` the work runs in that lane instead of the order's lane; with `again` letters with the most replays are
    replayed too. A letter that somebody else has closed meanwhile is refused with the name of who did.
    """
    cases = _lock(tx, letter_ids, again=again)
    back = [case for case in cases if isinstance(case.prospect, PutBack)]
    over = [case for case in cases if isinstance(case.prospect, Superseded)]
    works = [_BackToWork(case, lane or case.ref.lane) for case in back]
    _put_back(tx, works)
    ended = [*((case, ReplayAnswer.REPLAYED, author.reason) for case in back), *_superseded(over)]
    rung = _close(tx, ended, author)
    found = {case.id: _answer(case) for case in cases}
    gone = endings(tx, [id_ for id_ in letter_ids if id_ not in found])
    answers = [found.get(id_) or Replayed(id_, ReplayAnswer.REFUSED, gone[id_]) for id_ in letter_ids]
    return answers, rung | {work.bell() for work in works}


def close_superseded(tx: Connection, letter_ids: Sequence[int]) -> tuple[int, set[BellKey]]:
    """Close those letters whose order moved on without them; how many, and the bells to ring after the commit."""
    subjects = load_subjects(tx, letter_ids)
    moved_on = [id_ for id_, subject in subjects.items() if isinstance(prospect(subject), Superseded)]
    if not moved_on:
        return 0, set()
    over = [case for case in _lock(tx, moved_on) if isinstance(case.prospect, Superseded)]
    return len(over), _close(tx, list(_superseded(over)), machine("the order moved on", ActSource.SWEEPER))


def holding_codes(tx: Connection, fulfillment_order_id: int) -> tuple[str, ...]:
    """Codes of the open holds that keep a fulfillment order on hold, sorted."""
    holds = open_holds(tx, [fulfillment_order_id]).get(fulfillment_order_id, ())
    return tuple(sorted(code for code, step in holds if keeps_on_hold(step)))


def keeps_on_hold(step: str) -> bool:
    """Whether a hold that `step` opened keeps its order on hold; *person* and *warehouse* do.

    The hold of a step that stops no order (a write-back, a notice) stands beside the order.
    """
    return step not in STEPS or STEPS[step].stops_order


def go_on(tx: Connection, locked: Locked, step: str, cause: Cause, facts: Mapping[str, Any]) -> set[BellKey]:
    """Return an order whose last hold was released to its interrupted state, and make the next step due."""
    assert locked.resume_state is not None
    reservation = Reservation(locked.reservation)
    to = resumption(locked.resume_state, reservation, STEPS.map(), is_empty=not locked.quantities)
    ref = SubjectRef(locked.id, locked.lane, locked.order_id, locked.id, None, locked.state)
    writes = Writes()
    add_move(step, Finished(ref, Done(), cause), (to.state,), writes, facts=facts)
    write(tx, step, writes)
    due = {bell for name in to.steps for bell in add_due(tx, locked, name)}
    return due | _wake(tx, locked.id)


def add_due(tx: Connection, locked: Locked, step: str) -> set[BellKey]:
    """Make a step due for whatever of a fulfillment order it works on; work that is there stays as it is."""
    shop = shop_of(tx, locked.id)
    due = [NewWork(step, locked.id, locked.lane, shop=shop)]
    if open_subjects := STEPS[step].open_subjects:
        due = [
            # A shop is named beside the account where the account does not say it.
            NewWork(step, one.subject_id, locked.lane, one.account, shop if one.account != shop else "")
            for one in open_subjects(tx, [locked.id])
        ]
    add_work(tx, due)
    return {BellKey(work.step, work.lane, work.account) for work in due}


def _wake(tx: Connection, fulfillment_order_id: int) -> set[BellKey]:
    """Make due the work of every step that waited for the end of the hold."""
    return {
        BellKey(step.name, lane, account)
        for step in STEPS.values()
        if step.on_release
        for lane, account in step.on_release(tx, fulfillment_order_id)
    }


def _lock(tx: Connection, letter_ids: Sequence[int], *, again: bool = False) -> list[_Case]:
    """Lock letters by id, then their work, then their fulfillment orders: with one order of locks there is no
    deadlock.
    """
    letters = lock_open(tx, letter_ids)
    lock_work(tx, [one.step for one in letters], [one.subject_id for one in letters])
    ids = {one.fulfillment_order_id for one in letters if one.fulfillment_order_id is not None}
    locked = {one.id: one for one in lock_fulfillment(tx, sorted(ids))}
    subjects = load_subjects(tx, [one.id for one in letters])
    return [
        _case(one, locked.get(one.fulfillment_order_id or 0), prospect(subjects[one.id], again=again))
        for one in letters
        if one.id in subjects
    ]


def _case(letter: OpenLetter, locked: Locked | None, found: Prospect) -> _Case:
    ref = SubjectRef(
        letter.subject_id,
        locked.lane if locked else Lane(letter.lane),
        letter.order_id,
        letter.fulfillment_order_id,
        None,
        locked.state if locked else None,
    )
    reservation = Reservation(locked.reservation) if locked else Reservation.NONE
    return _Case(
        letter.id,
        letter.step,
        letter.subject_id,
        Lane(letter.lane),
        letter.account,
        letter.crashes,
        ref,
        reservation,
        found,
    )


def _put_back(tx: Connection, works: Sequence[_BackToWork]) -> None:
    gaps = [work.case.subject_id for work in works if work.case.is_gap]
    if gaps:
        retry_gaps(tx, gaps)
    put_back(tx, [work.returned() for work in works if not work.case.is_gap])


def _superseded(cases: Iterable[_Case]) -> Iterable[tuple[_Case, ReplayAnswer, str]]:
    for case in cases:
        assert isinstance(case.prospect, Superseded)
        yield case, ReplayAnswer.SUPERSEDED, case.prospect.why.stored()


def _answer(case: _Case) -> Replayed:
    match case.prospect:
        case PutBack():
            return Replayed(case.id, ReplayAnswer.REPLAYED)
        case Superseded(why=why):
            return Replayed(case.id, ReplayAnswer.SUPERSEDED, why)
        case NotYet(why=why):
            return Replayed(case.id, ReplayAnswer.REFUSED, why)


def _close(tx: Connection, ended: Sequence[tuple[_Case, ReplayAnswer, str]], author: Author) -> set[BellKey]:
    """Close letters, lift the hold that they were, and move what may go on; the bells of what that makes due."""
    if not ended:
        return set()
    close(tx, [ClosedLetter(case.id, answer, reason) for case, answer, reason in ended], author.who)
    held = [case.ref.fulfillment_order_id for case, _, _ in ended if case.ref.fulfillment_order_id is not None]
    release_blocks(tx, held, author)
    writes = Writes()
    moved: set[int] = set()
    rung: set[BellKey] = set()
    for case, answer, reason in ended:
        facts = {"letter": case.id, "by": author.who, "reason": reason}
        writes.events.append(event(case.step, case.ref, f"letter_{answer}", _cause(author), facts=facts))
        rung |= _resume(tx, case, author, moved, writes)
    write(tx, ended[0][0].step, writes)
    acts = [Act(f"letter/{case.id}", {"state": "open"}, {"state": answer}) for case, answer, _ in ended]
    record_acts(tx, author, Verb.LETTER_CLOSED, acts)
    return rung


def _resume(tx: Connection, case: _Case, author: Author, moved: set[int], writes: Writes) -> set[BellKey]:
    fulfillment_order_id = case.ref.fulfillment_order_id
    if fulfillment_order_id is None or fulfillment_order_id in moved:
        return set()
    facts = {"letter": case.id, "by": author.who}
    match case.prospect:
        case PutBack(resume=State() as to):
            add_move(case.step, Finished(case.ref, Done(), _cause(author)), (to,), writes, facts=facts)
            moved.add(fulfillment_order_id)
            return _wake(tx, fulfillment_order_id)
        case Superseded(resume=State()):
            # No step continues from this state, because the step that would do so is the closed one.
            (locked,) = lock_fulfillment(tx, [fulfillment_order_id])
            moved.add(fulfillment_order_id)
            return go_on(tx, locked, case.step, _cause(author), facts)
    return set()


def _cause(author: Author) -> Cause:
    return Cause.PERSON if author.is_person else Cause.RULES
