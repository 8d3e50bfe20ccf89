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

# Packages that were numbered before those that the platform shows, and never left.
_PACKAGES_UNSHOWN_MAX = 2


@dataclass(frozen=True, slots=True)
class LostOrder:
    """An order that is held as shipped by somebody else. `shown`: the waybills that its platform shows.

    `is_part`: some of its pieces are still wanted of us.
    """

    order_id: int
    key: OrderKey
    shown: frozenset[str]
    is_part: bool


def lost_orders(db: Database, since: datetime) -> list[LostOrder]:
    """Held orders that came in since then and have no package of ours."""
    with looking(db) as tx:
        rows = shipped_without_package(tx, since)
    return [
        LostOrder(
            one.order_id, OrderKey(one.platform, one.shop, one.platform_order_id), frozenset(one.shown), one.is_part
        )
        for one in rows
    ]


async def find_ours(couriers: Iterable[Courier], order: LostOrder) -> str:
    """A living waybill that a courier gave for one of the order's packages, if all that the platform shows are such.

    Empty otherwise: then somebody else has shipped some of the order. Where the platform shows no number, a living
    waybill of the first package is proof enough. Raises what the courier's look-up raises.
    """
    found: list[str] = []
    for courier in couriers:
        if courier.can_find:
            for number in range(1, max(1, len(order.shown)) + 1 + _PACKAGES_UNSHOWN_MAX):
                found += await _living(courier, order.key, number)
    ours = [waybill for waybill in found if waybill in order.shown or not order.shown]
    return ours[0] if ours and order.shown <= set(found) else ""


async def _living(courier: Courier, key: OrderKey, number: int) -> list[str]:
    """The living waybills of one package, in all its generations."""
    living: list[str] = []
    generation = 1
    while found := await courier.find(reference(key, number, generation)):
        if found.alive:
            living.append(found.number)
        generation += 1
    return living


def release_lost(db: Database, order: LostOrder, author: Author) -> bool:
    """Release the hold, so that the order ends as what left already; False where somebody has done so meanwhile.

    Not for an order of which a part is still wanted: its packages would be numbered from one again, as those that have
    left were.
    """
    if order.is_part:
        return False
    try:
        release(db, order.order_id, HoldCode.SHIPPED_ELSEWHERE, author)
    except Conflict:
        return False
    return True
