"""The clocks of an order: what runs from when until when, whose a clock is, and what happens at its end.

Each clock is one row of `CLOCKS`. What reads and acts on them asks the row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class ClockName(StrEnum):
    SHIP_FROM = "ship_from"
    SHIP_BY = "ship_by"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """What a clock is.

    `starts`, `ends`: from when it runs, and what stops it in time. `lasts`: how long, or by which promise. `owner`:
    who acts when it runs out. `then`: what happens at its end.
    """

    starts: str
    ends: str
    lasts: str
    owner: str
    then: str


CLOCKS: Mapping[ClockName, Clock] = {
    ClockName.SHIP_FROM: Clock(
        starts="the order comes in",
        ends="nothing: the order waits",
        lasts="until the day that the platform names, where the shop has `presale_waits`",
        owner="logistics",
        then="its packages get their labels by themselves",
    ),
    ClockName.SHIP_BY: Clock(
        starts="payment, or the day from which the order ships",
        ends="the hand-over of its packages",
        lasts="until the time that the platform names, else the hours of the rules",
        owner="logistics",
        then="alarms `ship_by_50`, `ship_by_80`, `ship_by_100`, once each; late orders again every day",
    ),
}
