"""The lines of a Pinduoduo order: its goods, services sold beside them, and gifts that ship with it.

Goods have no ids of their own: a line is named by its SKU, or by its product where there is no SKU.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate

from adapters.foreign import is_waybill
from adapters.payload import Fields
from adapters.platforms.pinduoduo import describe
from adapters.platforms.pinduoduo.fulfiller import fulfiller_of, gift_ships
from adapters.platforms.pinduoduo.refunds import OrderRefund, refund_of
from domain.errors import Poison
from domain.money import Money
from domain.order import FulfilledBy, OrderLine, PlatformState

ZERO = Money(0, describe.CURRENCY)
_GIFT_PREFIX, _SERVICE_PREFIX = "gift:", "service:"
_QUANTITY_MAX = 1_000_000
# Goods, gifts and services of one order. With pieces and amounts at their limits the sums still fit their columns.
LINES_MAX = 1_000
_NO_ID = frozenset({"", "0"})
_LEFT = frozenset({PlatformState.SHIPPED, PlatformState.DONE})


def read_lines(order: Fields, state: PlatformState, owed: Money) -> tuple[OrderLine, ...]:
    """All lines; `owed`: what the goods cost together, without freight and services. Raises Poison."""
    refund, ships = refund_of(order), fulfiller_of(order)
    items = order.listed("item_list", limit=LINES_MAX) or order.missing("item_list")
    lines = list(_goods(order, items, state, owed, refund=refund, ships=ships))
    lines += _services(order, refund)
    lines += _gifts(order, state, refund, ships)
    return tuple(lines)


def services_of(order: Fields) -> tuple[tuple[str, Money], ...]:
    """Name and price of each service sold beside the goods."""
    rows = order.listed("service_fee_detail", limit=LINES_MAX)
    found = ((row.key_or("service_name", ""), row.amount_or("service_fee", describe.CURRENCY, ZERO)) for row in rows)
    return tuple((name, fee) for name, fee in found if fee.minor)


def main_waybill(order: Fields) -> str:
    """The number of the order's first parcel; empty where there is none."""
    number = order.key_or("tracking_number", "")
    return number if is_waybill(number) else ""


def goods_line_ids(order: Fields) -> tuple[str, ...]:
    """Ids of the lines of goods, in their order. Raises the fault of `order`."""
    return tuple(_ids(_item_id(item) for item in order.listed("item_list", limit=LINES_MAX)))


def _goods(
    order: Fields,
    items: Sequence[Fields],
    state: PlatformState,
    owed: Money,
    *,
    refund: OrderRefund,
    ships: FulfilledBy,
) -> Iterator[OrderLine]:
    quantities = [item.whole("goods_count", 1, _QUANTITY_MAX) for item in items]
    prices = [item.amount("goods_price", describe.CURRENCY) for item in items]
    shares = _shares(owed, [price.minor * count for price, count in zip(prices, quantities, strict=True)])
    ids = _ids(_item_id(item) for item in items)
    has_left, waybill = state in _LEFT, main_waybill(order)
    is_gift = any(row.word("relation_type") == describe.GIFT_OF for row in order.listed("related_order_list"))
    for item, line_id, quantity, price, paid in zip(items, ids, quantities, prices, shares, strict=True):
        yield OrderLine(
            line_id=line_id,
            product_id=item.key_or("goods_id", ""),
            platform_sku=_known(item, "sku_id"),
            sku=item.key_or("outer_id", "") or item.key_or("outer_goods_id", ""),
            title=item.text_or("goods_name", ""),
            quantity=quantity,
            unit_price=price,
            paid=paid,
            is_gift=is_gift,
            refund_open=refund.is_open,
            refunded=refund.is_over,
            refund_unknown=refund.is_unknown,
            fulfilled_by=ships,
            shipped=quantity if has_left else 0,
            waybill=waybill if has_left else "",
        )


def _services(order: Fields, refund: OrderRefund) -> Iterator[OrderLine]:
    rows = services_of(order)
    for line_id, (name, fee) in zip(_ids(f"{_SERVICE_PREFIX}{name}" for name, _ in rows), rows, strict=True):
        yield OrderLine(
            line_id=line_id,
            product_id="",
            platform_sku="",
            sku="",
            title=name,
            quantity=1,
            unit_price=fee,
            paid=fee,
            refund_open=refund.is_open,
            refunded=refund.is_over,
            refund_unknown=refund.is_unknown,
            fulfilled_by=FulfilledBy.NOBODY,
        )


def _gifts(order: Fields, state: PlatformState, refund: OrderRefund, ships: FulfilledBy) -> Iterator[OrderLine]:
    """Gifts of this order, unless they ship in an order of their own.

    A gift that is shown without pieces is none. Whether a gift has left is not told apart from the goods.
    """
    rows = [row for row in order.listed("gift_list", limit=LINES_MAX) if not row.denies("goods_count")]
    who = gift_ships(order, rows, ships) if rows else None
    if who is None:
        return
    has_left = state in _LEFT
    for row, line_id in zip(rows, _ids(f"{_GIFT_PREFIX}{_item_id(row)}" for row in rows), strict=True):
        quantity = row.whole("goods_count", 1, _QUANTITY_MAX) if row.has("goods_count") else 1
        yield OrderLine(
            line_id=line_id,
            product_id=_known(row, "goods_id"),
            platform_sku=_known(row, "sku_id"),
            sku=row.key_or("outer_id", "") or row.key_or("outer_goods_id", ""),
            title=row.text_or("goods_name", ""),
            quantity=quantity,
            unit_price=ZERO,
            paid=ZERO,
            is_gift=True,
            refund_open=refund.is_open,
            refunded=refund.is_over,
            refund_unknown=refund.is_unknown,
            fulfilled_by=who,
            shipped=quantity if has_left else 0,
            waybill=main_waybill(order) if has_left else "",
        )


def _shares(total: Money, weights: Sequence[int]) -> list[Money]:
    """`total` in proportion to the weights, whole minor units that make it exactly."""
    whole = sum(weights) or len(weights)
    parts = weights if sum(weights) else [1] * len(weights)
    ends = [total.minor * upto // whole for upto in accumulate(parts)]
    return [Money(end - start, describe.CURRENCY) for start, end in zip([0, *ends], ends, strict=False)]


def _item_id(item: Fields) -> str:
    return _known(item, "sku_id") or _known(item, "goods_id") or item.missing("sku_id")


def _known(item: Fields, name: str) -> str:
    text = item.key_or(name, "")
    return "" if text in _NO_ID else text


def _ids(names: Iterator[str]) -> list[str]:
    """The names, with a number behind each repetition."""
    seen: Counter[str] = Counter()
    ids = []
    for name in names:
        seen[name] += 1
        ids.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    if len(set(ids)) < len(ids):
        raise Poison("field_invalid", "two lines have one name", {"field": "item_list"})
    return ids
