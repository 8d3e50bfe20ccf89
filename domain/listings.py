"""The SKU of a line: the one that the platform names, else the one that the listing map has for the line's listing.

The map is used for a line without a SKU, and for a line whose SKU is unknown to stock while its order waits for that
SKU. It never replaces a SKU that stock knows: two lines of one listing may be two things, such as goods and their
warranty.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from domain.lines import is_ours
from domain.order import FulfilledBy, Order, OrderLine

# What the map says of a listing with nothing to pick, such as a printed voucher or a warranty.
NOTHING = ""
# The variant of an entry that holds for every variant without an entry of its own.
EVERY = ""


@dataclass(frozen=True, slots=True, order=True)
class Listing:
    """A product of a shop, or one variant of it, by the platform's own ids."""

    platform: str
    shop: str
    product_id: str
    platform_sku: str = EVERY

    @property
    def account(self) -> str:
        return f"{self.platform}/{self.shop}"

    @property
    def product(self) -> "Listing":
        """The listing of every variant."""
        return replace(self, platform_sku=EVERY)


ListingMap = Mapping[Listing, str]


def listing_of(order: Order, line: OrderLine) -> Listing:
    """The listing of a line, by the ids that its platform gives."""
    return Listing(order.key.platform, order.key.shop, line.product_id, line.platform_sku)


def sku_of(listing: Listing, listing_map: ListingMap) -> str | None:
    """The SKU of a listing, or `NOTHING`; an entry of its variant counts before one of the product. None: no entry."""
    if not listing.product_id:
        return None
    return listing_map.get(listing, listing_map.get(listing.product))


def unnamed(order: Order) -> tuple[OrderLine, ...]:
    """The lines of ours for which the platform gives no SKU, and that name their product."""
    return tuple(line for line in order.lines if not line.sku and line.product_id and is_ours(line))


def with_sku(line: OrderLine, sku: str) -> OrderLine:
    """The line with the SKU that the map or a person chose; with `NOTHING` the line is not shipped. The platform's own
    SKU is kept beside it.
    """
    given = line.sku if line.replaced_sku is None else line.replaced_sku
    if sku == NOTHING:
        return replace(line, fulfilled_by=FulfilledBy.NOBODY, replaced_sku=given)
    return replace(line, sku=sku, replaced_sku=given)


def mapped(order: Order, listing_map: ListingMap) -> Order:
    """The order with the SKUs that its platform does not give and the map knows."""
    found = {line.line_id: sku_of(listing_of(order, line), listing_map) for line in unnamed(order)}
    return _replaced(order, {line_id: sku for line_id, sku in found.items() if sku is not None})


def keep_skus(old: Order, new: Order) -> Order:
    """A newer content with the SKUs that were decided before.

    A decision holds as long as the platform says the same about the line. So a change of the map does not change an
    order that has its SKUs, and a line that a person let go stays out.
    """
    before = {line.line_id: line for line in old.lines if _is_decided(line)}
    kept = {
        line.line_id: _decided_as(before[line.line_id], line)
        for line in new.lines
        if line.line_id in before
        and _given(line) == _given(before[line.line_id])
        # The platform may say that somebody else ships the line.
        and (is_ours(line) or line.replaced_sku is not None)
    }
    if not kept:
        return new
    # The map may meanwhile say that there is nothing to ship, and then the order has no clock.
    with_clock = new if new.is_ours else replace(new, ship_by=old.ship_by, ship_from=old.ship_from)
    return _with_lines(with_clock, tuple(kept.get(line.line_id, line) for line in new.lines))


def _decided_as(old: OrderLine, new: OrderLine) -> OrderLine:
    """A line of a newer content as it was decided before; the map may have decided otherwise meanwhile."""
    fulfilled_by = old.fulfilled_by if FulfilledBy.NOBODY in {old.fulfilled_by, new.fulfilled_by} else new.fulfilled_by
    return replace(new, sku=old.sku, fulfilled_by=fulfilled_by, replaced_sku=old.replaced_sku)


def _is_decided(line: OrderLine) -> bool:
    """Whether a decision still stands: a worker of an earlier version may have stored the platform's SKU again."""
    return line.replaced_sku is not None and (line.fulfilled_by is FulfilledBy.NOBODY or line.sku != line.replaced_sku)


def _given(line: OrderLine) -> tuple[str, str, str]:
    """What the platform says that the line is."""
    return line.sku if line.replaced_sku is None else line.replaced_sku, line.product_id, line.platform_sku


def _replaced(order: Order, skus: Mapping[str, str]) -> Order:
    if not skus:
        return order
    lines = (with_sku(line, skus[line.line_id]) if line.line_id in skus else line for line in order.lines)
    return _with_lines(order, tuple(lines))


def _with_lines(order: Order, lines: tuple[OrderLine, ...]) -> Order:
    """An order of which we ship nothing has no ship-by time."""
    changed = replace(order, lines=lines)
    return changed if changed.is_ours else replace(changed, ship_by=None, ship_from=None)


@dataclass(frozen=True, slots=True)
class OpenLine:
    """A line that a fulfillment order works on. `is_known`: stock knows its SKU."""

    fulfillment_order_id: int
    order_id: int
    line_id: str
    listing: Listing
    sku: str
    is_known: bool


@dataclass(frozen=True, slots=True)
class NewSku:
    """The new SKU of a line of a waiting order, or `NOTHING`."""

    line: OpenLine
    sku: str


def new_skus(lines: Iterable[OpenLine], listing_map: ListingMap) -> list[NewSku]:
    """What the map changes of waiting orders: lines without a SKU that stock knows, for which it has another."""
    found: list[NewSku] = []
    for line in lines:
        sku = None if line.is_known else sku_of(line.listing, listing_map)
        if sku is not None and (sku == NOTHING or sku != line.sku):
            found.append(NewSku(line, sku))
    return found


@dataclass(frozen=True, slots=True)
class WaitingOrders:
    """What is left of waiting orders, by fulfillment order.

    `ready`: stock knows every SKU, so that they can be promised their pieces. `empty`: nothing is left to pick.
    """

    ready: frozenset[int]
    empty: frozenset[int]


def waiting_orders(lines: Iterable[OpenLine], changed: Iterable[NewSku], unknown: frozenset[str]) -> WaitingOrders:
    """`lines` as they were before `changed`; `unknown`: new SKUs that stock does not know."""
    new = {one.line: one.sku for one in changed}
    left: dict[int, list[bool]] = {}
    for line in lines:
        have = left.setdefault(line.fulfillment_order_id, [])
        sku = new.get(line)
        if sku != NOTHING:
            have.append(line.is_known if sku is None else sku not in unknown)
    return WaitingOrders(
        frozenset(id_ for id_, known in left.items() if known and all(known)),
        frozenset(id_ for id_, known in left.items() if not known),
    )


def lines_without_sku(lines: Iterable[OpenLine], listing_map: ListingMap) -> list[NewSku]:
    """The lines of one fulfillment order that its release leaves out: those without a SKU, in the map too.

    A SKU that stock does not know means goods, so its line stays: count the SKU, or map its listing.
    """
    return [NewSku(line, NOTHING) for line in lines if not line.sku and sku_of(line.listing, listing_map) is None]
