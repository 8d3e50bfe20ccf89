"""Alarms about orders near their ship-by time, and orders that have a ship-by clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from psycopg.rows import class_row

from domain.clocks import CLOCKS, ClockName
from domain.tracking import ParcelKind
from infra.process.steps import steps_by_subject
from infra.tables.pool import Connection
from infra.tables.sql import load

CLOCK = load("clock")

# Of orders with a ship-by time to come so many are looked at for a list, the first due first.
_LOOKED_MAX = 500_000
_RUNNING = {
    ClockName.SHIP_FROM: CLOCK["running_ship_from"],
    ClockName.SHIP_BY: CLOCK["running_ship_by"],
    ClockName.FIRST_SCAN: CLOCK["running_first_scan"],
    ClockName.NO_MOVEMENT: CLOCK["running_no_movement"],
    ClockName.DELIVERY: CLOCK["running_delivery"],
    ClockName.DECIDE_BY: CLOCK["running_decide_by"],
    ClockName.STOP_ANSWER: CLOCK["running_stop_answer"],
    ClockName.INTERCEPT: CLOCK["running_intercept"],
    ClockName.EXPECTED_RETURN: CLOCK["running_expected_return"],
}

# Of parcels under way so many are looked at for a list, those followed longest first.
_FOLLOWED_MAX = 20_000
# A parcel of which one of these was told is on its way to its receiver no more.
_TURNED = (ParcelKind.RETURNING, ParcelKind.RETURNED, ParcelKind.LOST)
# A parcel of which one of these was told may rest where it is.
_RESTING = (ParcelKind.AT_LOCKER, *_TURNED)


class RaisedAlarm(NamedTuple):
    """Orders of one currency that have just reached a mark, in percent of their clock."""

    percent: int
    currency: str
    orders: int
    at_risk_minor: int


class RepeatedAlarm(NamedTuple):
    """Late orders of one currency: how many were checked, and how many must be reported again."""

    currency: str
    looked_at: int
    orders: int
    at_risk_minor: int
    days_late: int


class RecentQuery(NamedTuple):
    """Orders that are looked at: late for at most so many days, or among the newest."""

    days: int
    newest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockRow:
    """An open order with a clock. `holds`, `owner`: of its open holds. `step`, `due_at`: of its next due work."""

    id: int
    platform: str
    shop: str
    platform_order_id: str
    state: str
    lane: str
    currency: str
    payable_minor: int
    started_at: datetime
    ship_by: datetime
    ship_from: datetime | None
    seen_at: datetime
    holds: list[str]
    owner: str | None
    step: str | None
    due_at: datetime | None
    is_booked: bool


def raise_alarms(
    tx: Connection, percents: Sequence[int], states: Sequence[str], recent: RecentQuery, limit: int
) -> list[RaisedAlarm]:
    """Raise each mark that an order in these states has reached, once, `limit` at most, and note it as an event."""
    named = {"percents": list(percents), "states": list(states), **recent._asdict(), "limit": limit}
    return [RaisedAlarm(*row) for row in tx.execute(CLOCK["raise_alarms"], named).fetchall()]


def repeat_alarms(tx: Connection, states: Sequence[str], limit: int) -> list[RepeatedAlarm]:
    """Raise the last mark again of orders that are late for another day, `limit` at most, and note it as an event."""
    named = {"states": list(states), "limit": limit}
    return [RepeatedAlarm(*row) for row in tx.execute(CLOCK["repeat_alarms"], named).fetchall()]


def orders_with_clock(
    tx: Connection, states: Sequence[str], shop: str | None, within_h: float | None
) -> list[ClockRow]:
    """Open orders in these states that have a ship-by time, the most money first; of one shop, or due within hours."""
    named = {"states": list(states), "shop": shop, "within_h": within_h, **steps_by_subject()}
    with tx.cursor(row_factory=class_row(ClockRow)) as cursor:
        return cursor.execute(CLOCK["due_orders"], named).fetchall()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningRow:
    """A clock that runs for an order, or for one of its parcels: then `waybill` is set.

    `order_id`: None where the order of a platform's case is not stored yet; `state` is empty then.
    """

    order_id: int | None
    order_name: str
    state: str
    waybill: str | None
    since: datetime
    until: datetime
    seen_at: datetime


def load_running(
    tx: Connection, clock: ClockName, states: Sequence[str], *, shop: str | None, within_h: float | None, limit: int
) -> list[RunningRow]:
    """The clocks of a kind that run, the first due first, `limit` at most. A bounded read by index.

    `states`: in which an order's ship-by clock runs. `shop`, `within_h`: as `orders_with_clock` takes them.
    """
    named = {
        "states": list(states),
        "shop": shop,
        "within_h": within_h,
        "limit": limit,
        "looked_max": _LOOKED_MAX,
        "hours": CLOCKS[clock].hours,
        "followed_max": _FOLLOWED_MAX,
        "resting": list(_RESTING),
        "turned": list(_TURNED),
    }
    with tx.cursor(row_factory=class_row(RunningRow)) as cursor:
        return cursor.execute(_RUNNING[clock], named).fetchall()
