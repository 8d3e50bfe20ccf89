"""What a platform may be told about the goods of a case. Pure rules.

*Stopped* pays the buyer back, so it is told only when nothing of the case's lines can leave: every fulfillment order
with pieces of them is closed, or on hold for a refund and unbound; no package of theirs has left, no
waybill of theirs lives, and no warehouse has them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.states import State
from domain.stops import StopCode, StopGoal, StopStatus

# Stops that are asked for because of a refund.
_OF_REFUNDS = frozenset({StopCode.REFUND_ASKED, StopCode.REFUND_PAID})
_OUTSIDE = frozenset({StopStatus.TOO_LATE, StopStatus.COMING_BACK})
# Nothing of an order has gone out in these states. A label is booked only after the platform was asked once more.
_UNBOUND = frozenset({State.PAID, State.APPROVED, State.ALLOCATED})
# Every stop has ended, and what is left of the order is not held yet.
SETTLING = "settling"
# Of a case whose deadline comes before any end.
NOT_YET = "not_yet"


class AnswerKind(StrEnum):
    """`NOTHING`: all has left without a stop, so there is nothing to tell. `WAIT`: nothing has ended."""

    NOTHING = "nothing"
    WAIT = "wait"
    STOPPED = "stopped"
    NOT_STOPPED = "not_stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartOfCase:
    """A fulfillment order with pieces of the case's lines. `at`: its state, or what a hold interrupts.

    `stop`, `goal`, `code`: of its newest stop, None without one. `waits`: it is on hold for a refund. `has_waybill`:
    one lives, or may. `has_document`: a warehouse has it, or may have. `has_left`: one of its packages was handed over
    or collected, also after its stop was confirmed.
    """

    state: State
    at: State
    has_left: bool
    has_waybill: bool
    has_document: bool
    waits: bool = False
    stop: StopStatus | None = None
    goal: StopGoal | None = None
    code: StopCode | None = None

    @property
    def is_kept(self) -> bool:
        """Whether nothing of it can leave any more."""
        if self.has_left or self.has_waybill or self.has_document:
            return False
        return self.state is State.CLOSED or (self.waits and self.state is State.ON_HOLD and self.at in _UNBOUND)

    @property
    def is_asked(self) -> bool:
        """Whether a stop was asked for that nobody took back, because of a refund or for good."""
        is_for_it = self.goal is StopGoal.CLOSE or self.code in _OF_REFUNDS
        return is_for_it and self.stop not in {None, StopStatus.WITHDRAWN}

    @property
    def is_lost(self) -> bool:
        """Whether it has left, or nothing keeps it from leaving."""
        return self.has_left or (self.is_asked and self.stop in _OUTSIDE)

    @property
    def stage(self) -> str:
        """Where it is, of what is lost. Goods that were proven to be back had left: whether to pay is decided by what
        of them was counted.
        """
        if self.is_asked and self.stop is StopStatus.STOPPED:
            return StopStatus.COMING_BACK
        return self.stop if self.is_asked and self.stop in _OUTSIDE else self.at


@dataclass(frozen=True, slots=True)
class StopVerdict:
    """`code`: the stage that the platform is told with it."""

    verdict: AnswerKind
    code: str = ""


def verdict_of(parts: Sequence[PartOfCase], *, is_due: bool) -> StopVerdict:
    """What may be told now. `is_due`: the platform decides by itself soon, so that silence ends."""
    is_asked = any(one.is_asked for one in parts)
    if not is_asked and all(one.has_left for one in parts):
        return StopVerdict(AnswerKind.NOTHING)
    if all(one.is_kept for one in parts):
        return StopVerdict(AnswerKind.STOPPED, StopStatus.STOPPED)
    waiting = [one for one in parts if one.is_asked and one.stop is StopStatus.ASKED]
    if waiting and not is_due:
        return StopVerdict(AnswerKind.WAIT)
    lost = [one for one in parts if one.is_lost]
    if lost and not waiting:
        return StopVerdict(AnswerKind.NOT_STOPPED, lost[0].stage)
    if is_due:
        slowest = max((one for one in parts if not one.is_kept), key=lambda one: (one.has_left, one.has_document))
        return StopVerdict(AnswerKind.NOT_STOPPED, slowest.at if slowest.has_left else NOT_YET)
    # What nothing binds is held by its content, or closed, when that is read.
    return StopVerdict(AnswerKind.WAIT, SETTLING if is_asked else "")
