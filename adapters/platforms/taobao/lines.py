"""The lines of a TOP trade: its sub-orders, the services sold beside them, and gifts that only a promotion names."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from adapters.china_time import read_cst
from adapters.foreign import code_of
from adapters.payload import Fields
from adapters.platforms.taobao import describe
from adapters.platforms.taobao.fulfiller import Fulfillers, fulfiller_of_gifts
from adapters.platforms.taobao.sums import ZERO, Sums, share_of
from domain.errors import FulfilmentError, Poison
from domain.order import FulfilledBy, OrderLine, PlatformState

# Ids of lines without a sub-order: a shipment cannot name them.
_GIFT_PREFIX, _SERVICE_PREFIX = "gift:", "service:"
_QUANTITY_MAX = 1_000_000
# Lines of a trade, services and promotions of one. With pieces and amounts at their limits the sums still fit their
# columns.
LINES_MAX = 1_000
_CODE = re.compile(r"[A-Z][A-Z0-9_]{1,63}", re.ASCII)
_NO_ID = frozenset({"", "0"})


class Refund(NamedTuple):
    """Of one line. `is_over`: granted, or the line is closed. `is_unknown`: the platform does not say."""

    is_open: bool
    is_over: bool
    is_unknown: bool


def line_id_of(row: Fields) -> str:
    """The id of a sub-order or service. As text where it is given as text: a number of its length may be rounded."""
    return row.key_or("oid_str", "") or row.key("oid")


def waybills_of(sub: Fields) -> list[str]:
    """The numbers under which a sub-order was shipped: one as a rule; several, with commas, of a divided one."""
    shown = sub.key_or("invoice_no", "").replace("，", ",")
    return [number for each in shown.split(",") if (number := each.strip())]


def is_sub_order(line_id: str) -> bool:
    """Whether a shipment may name the line."""
    return not line_id.startswith((_GIFT_PREFIX, _SERVICE_PREFIX))


def sub_orders(trade: Fields) -> tuple[Fields, ...]:
    """The sub-orders of a trade, at least one. Raises Poison if there is none."""
    return trade.listed("orders", "order", limit=LINES_MAX) or trade.missing("orders")


def read_lines(
    trade: Fields, subs: Sequence[Fields], services: Sequence[Fields], sums: Sums, state: PlatformState
) -> tuple[OrderLine, ...]:
    """The trade's sub-orders. Raises Poison when two share one id."""
    fulfillers = Fulfillers(trade, subs)
    service_ids = {line_id_of(service) for service in services}
    lines: list[OrderLine] = []
    seen: set[str] = set()
    for sub in subs:
        line_id = line_id_of(sub)
        if line_id in seen:
            sub.invalid("oid")
        seen.add(line_id)
        has_left = _has_left(sub, state)
        ships = FulfilledBy.NOBODY if line_id in service_ids else fulfillers.of(sub, has_left=has_left)
        lines.append(_line(sub, line_id, sums, ships, is_only=len(subs) == 1, has_left=has_left))
    return tuple(lines)


def service_orders(trade: Fields) -> tuple[Fields, ...]:
    """The services that are sold beside the goods of a trade; empty if there are none."""
    return trade.listed("service_orders", "service_order", limit=LINES_MAX)


def read_services(services: Sequence[Fields], subs: Sequence[Fields]) -> tuple[OrderLine, ...]:
    """Services that are sold beside the goods, as installation is: nobody ships them, and they are a part of the sum.

    One that is a sub-order as well is a line already. Raises Poison when two share one id.
    """
    known = {line_id_of(sub) for sub in subs}
    lines: list[OrderLine] = []
    for service in services:
        oid = line_id_of(service)
        if oid in known:
            continue
        lines.append(_service(service, oid))
    if len({line.line_id for line in lines}) < len(lines):
        services[0].invalid("oid")
    return tuple(lines)


def read_gifts(trade: Fields, lines: Sequence[OrderLine]) -> tuple[OrderLine, ...]:
    """Gifts that a promotion promises without a line of their own.

    Their SKU comes from the listing map: an unmapped gift is held, not forgotten. With the last of the
    trade's lines its gifts go too.
    """
    promotions = trade.listed("promotion_details", "promotion_detail", limit=LINES_MAX)
    as_lines = {line.product_id for line in lines if line.is_gift}
    gifts: list[OrderLine] = []
    for promotion in promotions:
        product = promotion.key_or("gift_item_id", "")
        if product in _NO_ID or product in as_lines:
            continue
        quantity = promotion.whole("gift_item_num", 0, _QUANTITY_MAX) if promotion.has("gift_item_num") else 1
        if quantity:
            gifts.append(
                OrderLine(
                    line_id=f"{_GIFT_PREFIX}{len(gifts) + 1}:{product}",
                    product_id=product,
                    platform_sku="",
                    sku="",
                    title=promotion.text_or("gift_item_name", ""),
                    quantity=quantity,
                    unit_price=ZERO,
                    paid=ZERO,
                    is_gift=True,
                    refunded=all(line.refunded for line in lines),
                    fulfilled_by=fulfiller_of_gifts(lines),
                )
            )
    return tuple(gifts)


def refund_of(sub: Fields) -> Refund:
    """Whether a line may still go. Raises Poison ``status_unknown``.

    Both fields are asked for with every line, so a line without one of them is unknown, not without a refund.

    Compensation (price protection, cash back) shows in a trade as `special_refund_type` of a line, and its state as the
    line's `refund_status`. No goods are stopped for it. A special refund of another kind, or in a state in which goods
    come back, may be anything. A refund of freight alone is a case of its own and shows in no line.
    """
    refund = sub.text_or("refund_status", "")
    if refund and refund not in describe.REFUND_OPEN | describe.REFUND_NONE | {describe.REFUND_DONE}:
        raise unknown_status("refund_status", refund)
    status = sub.text_or("status", "")
    if status and status not in describe.STATES:
        raise unknown_status("orders.order.status", status)
    is_closed = describe.STATES.get(status) is PlatformState.CLOSED
    is_done = refund == describe.REFUND_DONE
    special = sub.word("special_refund_type").lower()
    if special and not is_closed and refund not in describe.REFUND_NONE:
        is_money_only = special in describe.COMPENSATIONS and refund not in describe.REFUND_OF_GOODS
        return Refund(False, False, not is_money_only or "" in {refund, status})
    is_over = is_done or is_closed
    return Refund(refund in describe.REFUND_OPEN, is_over, not is_over and "" in {refund, status})


def unknown_status(field: str, status: str) -> Poison:
    """A status outside the tables is never guessed. The message names the status only if it looks like a code, because
    other text may be personal data.
    """
    return Poison("status_unknown", f"unknown {field}", {"field": field, "status": code_of(status, _CODE)})


def _line(sub: Fields, line_id: str, sums: Sums, ships: FulfilledBy, *, is_only: bool, has_left: bool) -> OrderLine:
    refund = refund_of(sub)
    quantity = sub.whole("num", 1, _QUANTITY_MAX)
    return OrderLine(
        line_id=line_id,
        product_id=sub.key_or("num_iid", ""),
        platform_sku=sub.key_or("sku_id", ""),
        sku=sub.key_or("outer_sku_id", "") or sub.key_or("outer_iid", ""),
        title=sub.text_or("title", ""),
        quantity=quantity,
        unit_price=sub.amount("price", describe.CURRENCY),
        paid=share_of(sub, sums, is_only=is_only),
        is_gift=sub.flag("is_free_gift"),
        refund_open=refund.is_open,
        refunded=refund.is_over,
        refund_unknown=refund.is_unknown,
        fulfilled_by=ships,
        # A sub-order is shown as shipped whole: TOP says nothing of its pieces here.
        shipped=quantity if has_left else 0,
        waybill=next(iter(waybills_of(sub)), ""),
    )


def _has_left(sub: Fields, state: PlatformState) -> bool:
    """By the line's own state, number and time. Where it has no state the trade's counts."""
    if sub.has("invoice_no") or _is_dated(sub, "consign_time"):
        return True
    status = sub.text_or("status", "")
    if status:
        return describe.STATES.get(status) in describe.LEFT_STATES
    return state in {PlatformState.SHIPPED, PlatformState.DONE}


def _is_dated(sub: Fields, name: str) -> bool:
    """Whether a time is present. A text that means "no date" counts as absent; an unreadable text counts as present."""
    try:
        return sub.moment_or_none(name, read_cst) is not None
    except FulfilmentError:
        return True


def _service(service: Fields, oid: str) -> OrderLine:
    refund = service.text_or("refund_status", "")
    if refund and refund not in describe.REFUND_OPEN | describe.REFUND_NONE | {describe.REFUND_DONE}:
        raise unknown_status("service_orders.refund_status", refund)
    paid = service.amount("total_fee" if not service.has("payment") else "payment", describe.CURRENCY)
    return OrderLine(
        line_id=f"{_SERVICE_PREFIX}{oid}",
        product_id=service.key_or("service_id", ""),
        platform_sku="",
        sku="",
        title=service.text_or("title", ""),
        quantity=service.whole("num", 1, _QUANTITY_MAX) if service.has("num") else 1,
        unit_price=service.amount_or("price", describe.CURRENCY, paid),
        paid=paid,
        refund_open=refund in describe.REFUND_OPEN,
        refunded=refund == describe.REFUND_DONE,
        # The field names the last refund of the service, but not its result.
        refund_unknown=not refund and service.key_or("refund_id", "") not in _NO_ID,
        fulfilled_by=FulfilledBy.NOBODY,
    )
