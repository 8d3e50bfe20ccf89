"""Which open orders run out of time, what they are worth, and what each of them waits for."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.money import Money
from domain.ship_by import ON_THE_CLOCK, used_percent
from infra.tables.clock import ClockRow, orders_with_clock
from infra.tables.pool import Database
from ops.views.looking import looking

# Steps that wait for the day from which an order ships.
_OUTWARD = frozenset({"label", "dispatch"})


class NextMover(StrEnum):
    """What would move an order: first a person, then a day from which it ships, a step, the warehouse."""

    PERSON = "person"
    DAY = "day"
    STEP = "step"
    SCANS = "scans"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class DueOrder:
    """An open order with a clock. `at_risk` is what the buyer owes or has paid; `seen_at` the database's time.

    `owner` and `holds` say whom it waits for and why; `step` is the step that is due.
    """

    id: int
    platform: str
    shop: str
    platform_order_id: str
    state: str
    lane: str
    at_risk: Money
    ship_by: datetime
    ship_from: datetime | None
    seen_at: datetime
    used_percent: int
    waits_for: NextMover
    owner: str | None
    holds: tuple[str, ...]
    step: str | None

    @property
    def is_late(self) -> bool:
        return self.ship_by <= self.seen_at


def due_orders(db: Database, shop: str | None = None, within_h: float | None = None) -> list[DueOrder]:
    """Open orders with a clock, the most money first.

    `shop` is a shop's name or its account; `within_h` keeps those that are late or must leave within so many hours.
    """
    with looking(db) as tx:
        return [_due(row) for row in orders_with_clock(tx, sorted(ON_THE_CLOCK), shop, within_h)]


def sums(orders: Iterable[DueOrder]) -> list[Money]:
    """Money at risk by currency, the most first."""
    total: dict[str, Money] = {}
    for one in orders:
        currency = one.at_risk.currency
        total[currency] = total.get(currency, Money(0, currency)) + one.at_risk
    return sorted(total.values(), key=lambda money: money.minor, reverse=True)


def _due(row: ClockRow) -> DueOrder:
    return DueOrder(
        id=row.id,
        platform=row.platform,
        shop=row.shop,
        platform_order_id=row.platform_order_id,
        state=row.state,
        lane=row.lane,
        at_risk=Money(row.payable_minor, row.currency),
        ship_by=row.ship_by,
        ship_from=row.ship_from,
        seen_at=row.seen_at,
        used_percent=used_percent(row.started_at, row.ship_by, row.seen_at),
        waits_for=_waits_for(row),
        owner=row.owner,
        holds=tuple(row.holds),
        step=row.step,
    )


def _waits_for(row: ClockRow) -> NextMover:
    if row.holds:
        return NextMover.PERSON
    if row.step in _OUTWARD and row.ship_from is not None and row.ship_from > row.seen_at:
        return NextMover.DAY
    if row.step:
        return NextMover.STEP
    return NextMover.SCANS if row.is_booked else NextMover.NOTHING
