"""What a replay does with a dead letter, and at which step a released order continues."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.reasons import Reason
from domain.states import RANK, State, may_resume
from domain.steps import Step, Steps
from domain.stock import Reservation


@dataclass(frozen=True, slots=True)
class LetterSubject:
    """The present state of a letter's subject.

    `state` is None before there is an order. `holds` are the open holds beside the letter's own; `is_one_of_many`: the
    order has other open letters. `reference`: the reference under which the courier may know the package. `replays`:
    how often the letter was replayed before. `is_unresolved`: the outcome of one of its calls is unknown.
    """

    step: Step
    state: State | None = None
    resume_state: State | None = None
    holds: tuple[str, ...] = ()
    is_done: bool = False
    is_one_of_many: bool = False
    reference: str = ""
    replays: int = 0
    is_unresolved: bool = False

    @property
    def reached(self) -> State | None:
        """The state of the order, or the state that its hold interrupts."""
        return self.resume_state if self.state is State.ON_HOLD else self.state


class NoReplay(StrEnum):
    """Why a letter is not replayed, or why a bulk replay is in its state."""

    STEP_DONE = "step_done"
    ORDER_CLOSED = "order_closed"
    ORDER_WENT_ON = "order_went_on"
    ORDER_WENT_BACK = "order_went_back"
    ALSO_HELD = "also_held"
    REPLAYED_BEFORE = "replayed_before"
    REPLAYED_BEFORE_IN_BULK = "replayed_before_in_bulk"
    WORKER_KILLED = "worker_killed"
    MEMBERS_DIED_IN_A_ROW = "members_died_in_a_row"
    MANY_MEMBERS_DIED = "many_members_died"
    CANARY_DIED = "canary_died"
    DEFECT = "defect"
    TURNED_BY_PERSON = "turned_by_person"


@dataclass(frozen=True, slots=True)
class PutBack:
    """The step becomes due again; a held order resumes at `resume`, unless something else holds it."""

    resume: State | None = None


@dataclass(frozen=True, slots=True)
class Superseded:
    """The order moved on, so there is nothing to replay. An order that only this letter held resumes at `resume`."""

    why: Reason
    resume: State | None = None


@dataclass(frozen=True, slots=True)
class NotYet:
    """Something else must be decided first; the letter stays open."""

    why: Reason


Prospect = PutBack | Superseded | NotYet


# The step of a letter about a message that the broker rejected. Such a letter belongs to no order and is never
# replayed.
MESSAGE = "queue"
# The code of a letter whose subject killed its workers.
KILLED = "worker_killed"
# After this number of replays, a person must request another one explicitly (`--again`).
REPLAYS_MAX = 3


def prospect(now: LetterSubject, *, again: bool = False) -> Prospect:
    """What a replay would do.

    `again`: also replay a letter that already had the most replays. A call with an unknown outcome is asked about in
    every state of the order and under every other hold.
    """
    asks = now.is_unresolved and not now.is_done
    if (why := _moved_on(now)) is not None and not asks:
        return Superseded(why, _resumes(now, by_step=False))
    works_in = now.step.works_in
    if now.state is State.ON_HOLD and now.holds and works_in and State.ON_HOLD not in works_in and not asks:
        return NotYet(Reason(NoReplay.ALSO_HELD, {"holds": ", ".join(now.holds)}))
    if now.replays >= REPLAYS_MAX and not again:
        return NotYet(Reason(NoReplay.REPLAYED_BEFORE, {"replays": now.replays}))
    return PutBack(_resumes(now, by_step=bool(works_in)) if why is None else None)


def _moved_on(now: LetterSubject) -> Reason | None:
    if now.is_done:
        return Reason(NoReplay.STEP_DONE, {"step": now.step.name})
    reached = now.reached
    if reached is None:
        return None
    if reached is State.CLOSED:
        return Reason(NoReplay.ORDER_CLOSED)
    works_in = now.step.works_in
    if works_in and reached not in works_in:
        is_on = RANK[reached] > max(RANK[state] for state in works_in)
        return Reason(NoReplay.ORDER_WENT_ON if is_on else NoReplay.ORDER_WENT_BACK, {"state": reached})
    return None


def _resumes(now: LetterSubject, *, by_step: bool) -> State | None:
    """The state a held order returns to when this letter is closed.

    `by_step`: the step needs the order out of its hold even though other letters are open.
    """
    if now.state is not State.ON_HOLD or now.resume_state is None or now.holds:
        return None
    if now.is_one_of_many and not by_step:
        return None
    return now.resume_state if may_resume(now.resume_state, now.resume_state) else None


_HAS_STOCK = frozenset({Reservation.RESERVED, Reservation.ALLOCATED, Reservation.CONSUMED})


@dataclass(frozen=True, slots=True)
class Resumption:
    """The state that an order returns to, and the steps that may follow; none if no step of ours does."""

    state: State
    steps: tuple[str, ...]


def resumption(interrupted: State, reservation: Reservation, steps: Steps, *, is_empty: bool = False) -> Resumption:
    """Where an order continues after its last hold was released.

    An order without reserved stock starts again at the reservation. `is_empty`: no piece of it is left to ship; the
    step that resumes paid orders closes it.
    """
    if interrupted in {State.PAID, State.APPROVED} and is_empty:
        return Resumption(State.PAID, steps.leads_on(State.PAID))
    if interrupted in {State.PAID, State.APPROVED} and reservation not in _HAS_STOCK:
        return Resumption(State.PAID, (steps.promising,) if steps.promising else ())
    return Resumption(interrupted, steps.leads_on(interrupted))


def why_not_in_bulk(code: str, replays: int, *, again: bool) -> Reason | None:
    """Why a letter must stay out of a bulk replay; None: it may go."""
    if code == KILLED:
        return Reason(NoReplay.WORKER_KILLED)
    if replays >= REPLAYS_MAX and not again:
        return Reason(NoReplay.REPLAYED_BEFORE_IN_BULK, {"replays": replays})
    return None


# A bulk replay checks this number of its latest results. It stops when the newest few all ended dead, or half of all
# checked ones did.
ENDS_SEEN = 20
_DIED_IN_A_ROW = 5
_ENDS_LEAST = 10


def why_stop(died: Sequence[bool]) -> Reason | None:
    """Why a bulk replay must not go on: whether its latest members died, the newest first; None: it may."""
    newest = died[:_DIED_IN_A_ROW]
    if len(newest) == _DIED_IN_A_ROW and all(newest):
        return Reason(NoReplay.MEMBERS_DIED_IN_A_ROW, {"members": _DIED_IN_A_ROW})
    seen = died[:ENDS_SEEN]
    if len(seen) >= _ENDS_LEAST and 2 * sum(seen) >= len(seen):
        return Reason(NoReplay.MANY_MEMBERS_DIED, {"died": sum(seen), "members": len(seen)})
    return None
