"""The lines of a Douyin order: its SKU orders, what has left of each, and whether a refund is open."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from adapters.foreign import code_of
from adapters.payload import Fields
from adapters.platforms.douyin import describe
from adapters.platforms.douyin.fulfiller import fulfiller_of
from adapters.platforms.douyin.sums import fen, fen_or
from domain.errors import Poison
from domain.money import Money
from domain.order import OrderLine, PlatformState

_QUANTITY_MAX = 1_000_000
# Lines of an order, and parcels of one. With pieces and amounts at their limits the sums still fit their columns.
LINES_MAX = 1_000
_CODE = re.compile(r"[A-Za-z0-9_-]{1,16}", re.ASCII)


class LineRefund(NamedTuple):
    """Of one line. `is_over`: paid, or the line is closed. `is_unknown`: the platform does not say."""

    is_open: bool
    is_over: bool
    is_unknown: bool


@dataclass(slots=True)
class ShownParcel:
    """What an order shows of one parcel. `pieces` by line; empty: the order does not say which."""

    company: str
    waybill: str
    pieces: Counter[str] = field(default_factory=Counter)


def order_id_of(text: str) -> str:
    """An order's id without the letter that some interfaces write after it."""
    return text.removesuffix("A")


def line_id_of(row: Fields) -> str:
    """The id of a line. One line of an order may have the order's own id."""
    return order_id_of(row.key("order_id"))


def lines_in(order: Fields) -> tuple[Fields, ...]:
    """The lines of an order, at least one. Raises Poison if there is none."""
    return order.listed("sku_order_list", limit=LINES_MAX) or order.missing("sku_order_list")


def parcels_in(order: Fields) -> list[ShownParcel]:
    """The parcels that an order shows, each number once."""
    shown: dict[tuple[str, str], ShownParcel] = {}
    for row in order.listed("logistics_info", limit=LINES_MAX):
        number, company = row.key_or("tracking_no", ""), row.key_or("company", "")
        if not number:
            continue
        parcel = shown.setdefault((company, number), ShownParcel(company, number))
        for part in row.listed("product_info", limit=LINES_MAX):
            line_id = order_id_of(part.key_or("sku_order_id", ""))
            if line_id not in describe.NO_ID:
                count = part.whole("product_count", 0, _QUANTITY_MAX) if part.has("product_count") else 0
                parcel.pieces[line_id] += count
    return list(shown.values())


def read_lines(
    order: Fields, rows: Sequence[Fields], shares: Sequence[Money], state: PlatformState
) -> tuple[OrderLine, ...]:
    """`shares`: what was paid for each line. Raises Poison when two lines share one id."""
    parcels = parcels_in(order)
    lines: dict[str, OrderLine] = {}
    for row, paid in zip(rows, shares, strict=True):
        line_id = line_id_of(row)
        if line_id in lines:
            row.invalid("order_id")
        lines[line_id] = _line(order, row, line_id, paid, parcels=parcels, of_order=state)
    return tuple(lines.values())


def state_in(fields: Fields, otherwise: PlatformState | None = None) -> PlatformState:
    """The state of an order or a line, by both of its numbers. Raises Poison ``status_unknown``.

    `otherwise`: where neither number is there; without it the first one is required.
    """
    status, main = fields.word("order_status"), fields.word("main_status")
    if not status:
        if otherwise is not None and not main:
            return otherwise
        fields.missing("order_status")
    for name, word in (("order_status", status), ("main_status", main)):
        if word and word not in describe.STATES:
            raise unknown_status(name, word)
    if main and describe.STATES[main] in describe.DECIDES:
        return describe.STATES[main]
    return describe.STATES[status]


def refund_of(row: Fields, state: PlatformState) -> LineRefund:
    """Whether a line may still go. Raises Poison ``status_unknown``.

    A refused refund is open: the buyer may change the claim. A compensation stops no goods. After a refund that was
    withdrawn or failed its money may be shown as waiting for ever.
    """
    is_closed = state is PlatformState.CLOSED
    if not row.has("after_sale_info"):
        return LineRefund(False, is_closed, not is_closed)
    info = row.child("after_sale_info")
    status, kind, money = (info.word(name) for name in ("after_sale_status", "after_sale_type", "refund_status"))
    if status and status != describe.NO_CASE and status not in describe.CASE_STATES:
        raise unknown_status("after_sale_status", status)
    if kind and kind not in describe.CASE_KINDS:
        raise unknown_status("after_sale_type", kind)
    if money and money not in describe.REFUND_STATES:
        raise unknown_status("refund_status", money)
    if is_closed:
        return LineRefund(False, True, False)
    if kind == describe.COMPENSATION and status != describe.NO_CASE:
        return LineRefund(False, False, not status)
    returns_goods = describe.CASE_KINDS.get(kind) in describe.ENDS_WITH_GOODS
    is_over = (status in describe.REFUND_OVER or money == describe.REFUND_PAID) and not returns_goods
    # Money that waits or runs belongs to a case, and there is none, or the answer does not say.
    is_odd = not status or (status == describe.NO_CASE and money in describe.REFUND_RUNS)
    is_open = not is_over and status in describe.REFUND_OPEN
    return LineRefund(is_open, is_over, is_odd and not is_over)


def unknown_status(name: str, status: str) -> Poison:
    """A number outside the tables is never guessed."""
    return Poison("status_unknown", f"unknown {name}", {"field": name, "status": code_of(status, _CODE)})


def shipped_of(line_id: str, quantity: int, state: PlatformState, parcels: Sequence[ShownParcel]) -> tuple[int, str]:
    """Pieces of a line that have left, and the number of the first parcel that holds some."""
    holding = [one for one in parcels if line_id in one.pieces] or [one for one in parcels if not one.pieces]
    number = holding[0].waybill if holding else ""
    if state in describe.LEFT_WHOLE:
        return quantity, number
    named = [one.pieces[line_id] for one in parcels if line_id in one.pieces]
    # A parcel that does not say how many pieces of the line it holds may hold all of them.
    left = quantity if named and not all(named) else min(sum(named), quantity)
    return left, number if left else ""


def _line(
    order: Fields, row: Fields, line_id: str, paid: Money, *, parcels: Sequence[ShownParcel], of_order: PlatformState
) -> OrderLine:
    state = state_in(row, of_order)
    refund = refund_of(row, state)
    quantity = row.whole("item_num", 1, _QUANTITY_MAX)
    shipped, waybill = shipped_of(line_id, quantity, state, parcels)
    product, sku = row.key_or("product_id_str", "") or row.key_or("product_id", ""), row.key_or("sku_id", "")
    code, outer = row.key_or("code", ""), row.key_or("out_sku_id", "")
    return OrderLine(
        line_id=line_id,
        product_id="" if product in describe.NO_ID else product,
        platform_sku="" if sku in describe.NO_ID else sku,
        sku=code or ("" if outer in describe.NO_ID else outer),
        title=row.text_or("product_name", ""),
        quantity=quantity,
        unit_price=fen(row, "origin_amount") if row.has("origin_amount") else fen_or(row, "goods_price", paid),
        paid=paid,
        is_gift=row.word("given_product_type") == describe.FREE_GIFT,
        refund_open=refund.is_open,
        refunded=refund.is_over,
        refund_unknown=refund.is_unknown,
        fulfilled_by=fulfiller_of(order, row),
        shipped=shipped,
        waybill=waybill,
    )


def by_line(parcels: Sequence[ShownParcel]) -> Mapping[tuple[str, str], tuple[str, ...]]:
    """The lines of each parcel, by company and number; none: the platform does not say which."""
    return {(one.company, one.waybill): tuple(one.pieces) for one in parcels}
