"""The clocks of an order: what runs from when until when, whose a clock is, and what happens at its end.

Each clock is one row of `CLOCKS`. What reads and acts on them asks the row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from domain.cases import CASES, CaseKind
from domain.tracking import ParcelStage


class ClockName(StrEnum):
    SHIP_FROM = "ship_from"
    SHIP_BY = "ship_by"
    FIRST_SCAN = "first_scan"
    NO_MOVEMENT = "no_movement"
    DELIVERY = "delivery"
    STOP_ANSWER = "stop_answer"
    INTERCEPT = "intercept"
    EXPECTED_RETURN = "expected_return"
    DECIDE_BY = "decide_by"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockRule:
    """What a clock is.

    `starts`, `ends`: from when it runs, and what stops it in time. `promise`: until which promised time; empty where it
    lasts so many `hours`. `owner`: who acts when it runs out. `then`: what happens at its end. `opens`: the kind of the
    case that is opened then.
    """

    starts: str
    ends: str
    owner: str
    then: str
    promise: str = ""
    hours: int = 0
    opens: CaseKind | None = None

    @property
    def lasts(self) -> str:
        """How long it runs, in words."""
        return self.promise or f"{self.hours} hours"

    @property
    def span(self) -> timedelta:
        return timedelta(hours=self.hours)


CLOCKS: Mapping[ClockName, ClockRule] = {
    ClockName.SHIP_FROM: ClockRule(
        starts="the order comes in",
        ends="nothing: the order waits",
        promise="until the day that the platform names, where the shop has `presale_waits`",
        owner="logistics",
        then="its packages get their labels, and its warehouse hears of it, by themselves",
    ),
    ClockName.SHIP_BY: ClockRule(
        starts="payment, or the day from which the order ships",
        ends="the hand-over of its packages",
        promise="until the time that the platform names, else the hours of the rules",
        owner="logistics",
        then="alarms `ship_by_50`, `ship_by_80`, `ship_by_100`, once each; late orders again every day",
    ),
    ClockName.FIRST_SCAN: ClockRule(
        starts="the ship time that the platform was told, of a parcel that is followed",
        ends="the first event that tells that the courier has the parcel",
        owner=CASES[CaseKind.NOT_COLLECTED].owner,
        then="case `not_collected`, once the courier was asked after that time; closed when the parcel is collected",
        hours=20,
        opens=CaseKind.NOT_COLLECTED,
    ),
    ClockName.DECIDE_BY: ClockRule(
        starts="a platform's after-sale case needs the seller",
        ends="the case needs somebody else, or nobody",
        promise="until the time that the platform names",
        owner=CASES[CaseKind.PRE_SHIP].owner,
        then="the platform decides by itself; `answer_margin_s` before, it hears whether the goods were stopped",
    ),
    ClockName.NO_MOVEMENT: ClockRule(
        starts="the last event of a parcel that moves or is out for delivery",
        ends="the next event",
        owner=CASES[CaseKind.NOT_MOVING].owner,
        then="case `not_moving`, once the courier was asked after that time; closed when the parcel is signed for",
        hours=72,
        opens=CaseKind.NOT_MOVING,
    ),
    ClockName.DELIVERY: ClockRule(
        starts="the first event that tells that the courier has the parcel",
        ends="its signing, its return, its loss",
        owner=CASES[CaseKind.NOT_DELIVERED].owner,
        then="case `not_delivered`, once the courier was asked after that time; closed when the parcel is signed for",
        hours=168,
        opens=CaseKind.NOT_DELIVERED,
    ),
    ClockName.STOP_ANSWER: ClockRule(
        starts="a stop is asked for by somebody who must have an answer until a time",
        ends="the end of the stop",
        promise="until that time",
        owner="service",
        then="whoever asked is told the truth as it stands then",
    ),
    ClockName.INTERCEPT: ClockRule(
        starts="the interception of a parcel is wanted, or the courier collects the parcel",
        ends="the proof that the parcel comes back, or its delivery: the point of no return",
        owner=CASES[CaseKind.STOP_TOO_LATE].owner,
        then="the interception counts as failed, and its stop as too late: case `stop_too_late`",
        hours=72,
    ),
    ClockName.EXPECTED_RETURN: ClockRule(
        starts="it is known that a parcel comes back",
        ends="the count of its pieces, by `orderlane package receive` or by the warehouse's feed",
        owner=CASES[CaseKind.RETURN_OVERDUE].owner,
        then="case `return_overdue`; closed when the parcel is counted",
        hours=240,
        opens=CaseKind.RETURN_OVERDUE,
    ),
}

# Stages in which a parcel's events must go on: in a locker, on its way back or at its end it may rest.
MOVES_ON = frozenset({ParcelStage.MOVING, ParcelStage.OUT_FOR_DELIVERY})
# Stages in which a parcel is still to be signed for by its receiver.
TO_BE_SIGNED = MOVES_ON | {ParcelStage.AT_LOCKER}
