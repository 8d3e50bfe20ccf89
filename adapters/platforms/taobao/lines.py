"""The lines of a TOP trade, gifts included."""

import re
from typing import NamedTuple

from adapters.foreign import code_of
from adapters.payload import Fields
from adapters.platforms.taobao import describe
from domain.errors import Poison
from domain.money import Money
from domain.order import OrderLine, PlatformState

# Marks lines that the platform knows only as a promotion: its write-back must not name them.
GIFT_PREFIX = "gift:"
_QUANTITY_MAX = 1_000_000
# Lines of a trade, and promotions of one. With pieces and amounts at their limits the sums still fit their columns.
LINES_MAX = 1_000
_CODE = re.compile(r"[A-Z][A-Z0-9_]{1,63}", re.ASCII)


class Refund(NamedTuple):
    """Of one line. `is_over`: granted, or the line is closed. `is_unknown`: the platform does not say."""

    is_open: bool
    is_over: bool
    is_unknown: bool


def read_lines(trade: Fields) -> tuple[OrderLine, ...]:
    """The trade's sub-orders. Raises Poison when there is none, or two share one id."""
    subs = trade.listed("orders", "order", limit=LINES_MAX)
    if not subs:
        trade.missing("orders")
    freight = trade.amount_or("post_fee", describe.CURRENCY, Money(0, describe.CURRENCY))
    lines = tuple(_line(sub, freight if len(subs) == 1 else None) for sub in subs)
    seen: set[str] = set()
    for sub, line in zip(subs, lines, strict=True):
        if line.line_id in seen:
            sub.invalid("oid")
        seen.add(line.line_id)
    return lines


def read_gifts(trade: Fields, lines: tuple[OrderLine, ...]) -> tuple[OrderLine, ...]:
    """Gifts that a promotion promises without a line of their own.

    Their SKU is left open for the catalogue: a gift that nobody mapped is held, not forgotten.
    """
    as_lines = {line.product_id for line in lines if line.is_gift}
    zero = Money(0, describe.CURRENCY)
    gifts: list[OrderLine] = []
    for promotion in trade.listed("promotion_details", "promotion_detail", limit=LINES_MAX):
        product = promotion.key_or("gift_item_id", "")
        if product in {"", "0"} or product in as_lines:
            continue
        quantity = promotion.whole("gift_item_num", 0, _QUANTITY_MAX) if promotion.has("gift_item_num") else 1
        if quantity:
            title = promotion.text_or("gift_item_name", "")
            line_id = f"{GIFT_PREFIX}{len(gifts) + 1}:{product}"
            gifts.append(OrderLine(line_id, product, "", "", title, quantity, zero, zero, is_gift=True))
    return tuple(gifts)


def refund_of(sub: Fields) -> Refund:
    """Whether a line may still go. Raises Poison ``status_unknown``.

    Both fields are asked for with every line, so a line without one of them is unknown, not without a refund.
    """
    refund = sub.text_or("refund_status", "")
    if refund and refund not in describe.REFUND_OPEN | describe.REFUND_NONE | {describe.REFUND_DONE}:
        raise unknown_status("refund_status", refund)
    status = sub.text_or("status", "")
    if status and status not in describe.STATES:
        raise unknown_status("orders.order.status", status)
    is_over = refund == describe.REFUND_DONE or describe.STATES.get(status) is PlatformState.CLOSED
    return Refund(refund in describe.REFUND_OPEN, is_over, not is_over and "" in {refund, status})


def unknown_status(field: str, status: str) -> Poison:
    """A status outside the tables is never guessed. It is named where it looks like a code: else it may be anything."""
    return Poison("status_unknown", f"unknown {field}", {"field": field, "status": code_of(status, _CODE)})


def _line(sub: Fields, freight_inside: Money | None) -> OrderLine:
    refund = refund_of(sub)
    return OrderLine(
        line_id=sub.key("oid"),
        product_id=sub.key_or("num_iid", ""),
        platform_sku=sub.key_or("sku_id", ""),
        sku=sub.key_or("outer_sku_id", "") or sub.key_or("outer_iid", ""),
        title=sub.text_or("title", ""),
        quantity=sub.whole("num", 1, _QUANTITY_MAX),
        unit_price=sub.amount("price", describe.CURRENCY),
        paid=_paid(sub, freight_inside),
        is_gift=sub.flag("is_free_gift"),
        refund_open=refund.is_open,
        refunded=refund.is_over,
        refund_unknown=refund.is_unknown,
    )


def _paid(sub: Fields, freight_inside: Money | None) -> Money:
    """The line's share of the final amount; the `payment` of an only line carries the freight as well."""
    if sub.has("divide_order_fee"):
        return sub.amount("divide_order_fee", describe.CURRENCY)
    payment = sub.amount("payment", describe.CURRENCY)
    if freight_inside is None or freight_inside > payment:
        return payment
    return payment - freight_inside
