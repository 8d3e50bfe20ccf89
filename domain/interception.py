"""The interception of a parcel that has left: when its courier is asked, and what proves how it ends. Pure rules.

A courier that has taken an interception has confirmed nothing. The parcel comes back when its events say that it has
turned, or when the courier says so. It does not come back when its receiver signs for it, or when nothing is heard
until the clock ends.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.clocks import CLOCKS, ClockName
from domain.stops import InterceptStatus
from domain.tracking import ParcelEvent, ParcelKind

# The parcel is on its way back to its sender, or was there.
TURNED = frozenset({ParcelKind.INTERCEPTED, ParcelKind.RETURNING, ParcelKind.RETURNED})
# After an interception was taken, these tell that it has not worked so far.
_GOES_ON = frozenset({ParcelKind.INTERCEPT_FAILED, ParcelKind.OUT_FOR_DELIVERY, ParcelKind.AT_LOCKER})
# Reasons that end an interception, as stored and shown.
TURNED_BACK, CONFIRMED_BY_COURIER = "turned_back", "confirmed_by_courier"
DELIVERED, NO_RESULT, CANNOT_BE_ASKED = "delivered", "no_result", "cannot_be_asked"


class InterceptAct(StrEnum):
    """What to do about a parcel: ask for its interception, ask what became of it, wait, or end."""

    ASK = "ask"
    ASK_RESULT = "ask_result"
    WAIT = "wait"
    CONFIRM = "confirm"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class InterceptPace:
    """Seconds between two tries, between two questions what became of one, and between two looks at the parcel.

    `unclear_s`: until a call is repeated that the courier may have taken.
    """

    retry_s: float = 1_800.0
    result_s: float = 1_800.0
    look_s: float = 600.0
    unclear_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ParcelWay:
    """What the events of a parcel say of its interception. `turned`: it comes back. `delivered`: its receiver has it.

    `goes_on_at`: when it was last seen going on to its receiver.
    """

    turned: bool = False
    delivered: bool = False
    goes_on_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InterceptFacts:
    """A parcel whose interception is wanted.

    `can_ask`: its courier is ours to ask, and takes interceptions. `can_ask_result`, `repeats`: as the courier says.
    `is_tracked`: the courier tells its events. `has_left`: it was handed over. `is_collected`: the courier has it.
    `is_unclear`: a call may have been taken. `asked_at`: of the last call. `since`: when its clock began.
    """

    status: InterceptStatus
    can_ask: bool
    can_ask_result: bool
    repeats: bool
    is_tracked: bool
    has_left: bool
    is_collected: bool
    is_unclear: bool
    asked_at: datetime | None
    since: datetime
    way: ParcelWay = ParcelWay()

    @property
    def ends_at(self) -> datetime:
        return self.since + CLOCKS[ClockName.INTERCEPT].span


@dataclass(frozen=True, slots=True)
class InterceptVerdict:
    """What comes next, and why. `after_s`: of WAIT, until the next look."""

    act: InterceptAct
    why: str = ""
    after_s: float = 0.0


def way_of(events: Iterable[ParcelEvent], delivered_at: datetime | None) -> ParcelWay:
    """What the events of a parcel say of its interception. `delivered_at`: when its receiver signed, if so."""
    known = list(events)
    going_on = [one.at for one in known if one.kind in _GOES_ON]
    return ParcelWay(
        turned=any(one.kind in TURNED for one in known),
        delivered=delivered_at is not None,
        goes_on_at=max(going_on, default=None),
    )


def judge(facts: InterceptFacts, now: datetime, pace: InterceptPace) -> InterceptVerdict:
    """What comes next for a parcel whose interception is wanted and has not ended.

    What is seen of the parcel wins over every answer about its interception, and over the clock.
    """
    end = _end(facts, now)
    if end is not None:
        return end
    left_s = (facts.ends_at - now).total_seconds()
    if not (facts.is_collected or (facts.has_left and not facts.is_tracked)):
        return InterceptVerdict(InterceptAct.WAIT, "not_collected", min(pace.look_s, left_s))
    asked_s = None if facts.asked_at is None else (now - facts.asked_at).total_seconds()
    if facts.status is InterceptStatus.TAKEN or facts.is_unclear:
        return _of_taken(facts, asked_s, left_s, pace)
    if asked_s is None or asked_s >= pace.retry_s:
        return InterceptVerdict(InterceptAct.ASK)
    return InterceptVerdict(InterceptAct.WAIT, "not_taken", min(pace.retry_s - asked_s, left_s))


def _end(facts: InterceptFacts, now: datetime) -> InterceptVerdict | None:
    if facts.way.turned:
        return InterceptVerdict(InterceptAct.CONFIRM, TURNED_BACK)
    if facts.way.delivered:
        return InterceptVerdict(InterceptAct.FAIL, DELIVERED)
    if now >= facts.ends_at:
        return InterceptVerdict(InterceptAct.FAIL, NO_RESULT)
    return None if facts.can_ask else InterceptVerdict(InterceptAct.FAIL, CANNOT_BE_ASKED)


def _of_taken(facts: InterceptFacts, asked_s: float | None, left_s: float, pace: InterceptPace) -> InterceptVerdict:
    """A courier that tries is asked again only where a second interception does no harm."""
    has_gone_on = facts.way.goes_on_at is not None and (facts.asked_at is None or facts.way.goes_on_at > facts.asked_at)
    may_repeat = facts.repeats and (asked_s is None or asked_s >= pace.retry_s)
    if facts.can_ask_result:
        return InterceptVerdict(InterceptAct.ASK_RESULT)
    if (facts.is_unclear and facts.repeats) or (has_gone_on and may_repeat):
        return InterceptVerdict(InterceptAct.ASK)
    return InterceptVerdict(InterceptAct.WAIT, "taken", min(pace.look_s, left_s))
