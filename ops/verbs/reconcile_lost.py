"""Orders that came in and left after a backup that was restored: the platform shows them as shipped, by us.

They come in again as new orders and are held ``shipped_elsewhere``, because no package of ours is known. The references
at the courier are derived from the order, so the courier can still be asked whether the shipment was ours.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from adapters.ports import Courier
from domain.errors import Conflict
from domain.holds import HoldCode
from domain.order import OrderKey
from domain.references import reference
from infra.engine.author import Author
from infra.tables.holds import shipped_without_package
from infra.tables.pool import Database
from ops.verbs.holds import release
from ops.views.looking import looking


@dataclass(frozen=True, slots=True)
class LostOrder:
    """An order that is held as shipped by somebody else. `shown`: the waybills that its platform shows."""

    order_id: int
    key: OrderKey
    shown: frozenset[str]


def lost_orders(db: Database, since: datetime) -> list[LostOrder]:
    """Held orders that came in since then and have no package of ours."""
    with looking(db) as tx:
        rows = shipped_without_package(tx, since)
    return [
        LostOrder(id_, OrderKey(platform, shop, number), frozenset(shown))
        for id_, platform, shop, number, shown in rows
    ]


async def find_ours(couriers: Iterable[Courier], order: LostOrder) -> str:
    """The living waybill that a courier gave for the order's first package and that the platform shows; or empty.

    Where the platform shows no number, a living waybill under our reference is proof enough. Raises what the courier's
    look-up raises.
    """
    for courier in couriers:
        if not courier.can_find:
            continue
        generation = 1
        while found := await courier.find(reference(order.key, 1, generation)):
            if found.alive and (found.number in order.shown or not order.shown):
                return found.number
            generation += 1
    return ""


def let_go(db: Database, order: LostOrder, author: Author) -> bool:
    """Release the hold, so that the order closes as shipped; False if it was released meanwhile."""
    try:
        release(db, order.order_id, HoldCode.SHIPPED_ELSEWHERE, author)
    except Conflict:
        return False
    return True
