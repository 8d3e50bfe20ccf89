"""The clocks of an order: what runs from when until when, whose a clock is, and what happens at its end.

Each clock is one row of `CLOCKS`. What reads and acts on them asks the row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from domain.cases import CASES, CaseKind
from domain.tracking import ParcelStage


class ClockName(StrEnum):
    SHIP_FROM = "ship_from"
    SHIP_BY = "ship_by"
    FIRST_SCAN = "first_scan"
    NO_MOVEMENT = "no_movement"
    DECIDE_BY = "decide_by"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockRule:
    """What a clock is.

    `starts`, `ends`: from when it runs, and what stops it in time. `lasts`: how long, or by which promise. `owner`:
    who acts when it runs out. `then`: what happens at its end. `hours`, `opens`: of a parcel's clock, after so many
    hours a case of this kind is opened.
    """

    starts: str
    ends: str
    lasts: str
    owner: str
    then: str
    hours: int = 0
    opens: CaseKind | None = None


CLOCKS: Mapping[ClockName, ClockRule] = {
    ClockName.SHIP_FROM: ClockRule(
        starts="the order comes in",
        ends="nothing: the order waits",
        lasts="until the day that the platform names, where the shop has `presale_waits`",
        owner="logistics",
        then="its packages get their labels, and its warehouse hears of it, by themselves",
    ),
    ClockName.SHIP_BY: ClockRule(
        starts="payment, or the day from which the order ships",
        ends="the hand-over of its packages",
        lasts="until the time that the platform names, else the hours of the rules",
        owner="logistics",
        then="alarms `ship_by_50`, `ship_by_80`, `ship_by_100`, once each; late orders again every day",
    ),
    ClockName.FIRST_SCAN: ClockRule(
        starts="the ship time that the platform was told, of a parcel that is followed",
        ends="the first event that tells that the courier has the parcel",
        lasts="20 hours",
        owner=CASES[CaseKind.NOT_COLLECTED].owner,
        then="case `not_collected`, once the courier was asked after that time; closed when the parcel is collected",
        hours=20,
        opens=CaseKind.NOT_COLLECTED,
    ),
    ClockName.DECIDE_BY: ClockRule(
        starts="a platform's after-sale case needs the seller",
        ends="the case needs somebody else, or nobody",
        lasts="until the time that the platform names",
        owner=CASES[CaseKind.PRE_SHIP].owner,
        then="the platform decides by itself; `answer_margin_s` before, it hears whether the goods were stopped",
    ),
    ClockName.NO_MOVEMENT: ClockRule(
        starts="the last event of a parcel that moves or is out for delivery",
        ends="the next event",
        lasts="72 hours",
        owner=CASES[CaseKind.NOT_MOVING].owner,
        then="case `not_moving`, once the courier was asked after that time",
        hours=72,
        opens=CaseKind.NOT_MOVING,
    ),
}

# Stages in which a parcel's events must go on: in a locker, on its way back or at its end it may rest.
MOVES_ON = frozenset({ParcelStage.MOVING, ParcelStage.OUT_FOR_DELIVERY})
