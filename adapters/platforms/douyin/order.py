"""A Douyin order in our words. Pure: bytes in, canonical order or Poison out. Source: the vendor's generated clients.

A payload is the whole answer to `order.orderDetail`, its data, a listing with one order, or a bare order.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from adapters.china_time import CST
from adapters.instants import read_epoch_s
from adapters.payload import Fields, read_payload
from adapters.platforms.douyin import describe
from adapters.platforms.douyin.lines import line_id_of, lines_in, order_id_of, read_lines, state_in
from adapters.platforms.douyin.receivers import read_receiver
from adapters.platforms.douyin.sums import ZERO, DouyinSums, fen_or, read_sums, totals_of
from domain.errors import Malformed, Poison
from domain.lines import is_gone
from domain.money import Money
from domain.order import LaneFacts, Order, OrderKey, OrderLine, OrderSource, OrderType, PlatformState, RawOrder

_ID = re.compile(r"[0-9]{1,32}", re.ASCII)
_STARS_MAX = 99
_PHASES_MAX = 100


def read_order(body: bytes, shop: str) -> Order:
    """Read a stored payload.

    Raises Poison: ``payload_too_large``, ``payload_truncated``, ``payload_unreadable``, ``payload_is_error``,
    ``field_missing``, ``field_invalid`` or ``status_unknown``, each naming the field.
    """
    return order_of(Fields(found_order(read_payload(body)), "order"), shop)


def order_of(order: Fields, shop: str) -> Order:
    """The canonical order of an order object; `shop` is the shop's name. Raises Poison as `read_order` does."""
    state, rows, facts = state_in(order), lines_in(order), lane_facts(order)
    sums = read_sums(order, rows)
    lines = read_lines(order, rows, sums.shares, state)
    paid_at = order.moment_or_none("pay_time", read_epoch_s)
    balance_open = _balance_open(order, state)
    is_owed = facts.order_type is OrderType.COD or (
        paid_at is None and state in {PlatformState.UNPAID, PlatformState.CLOSED}
    )
    by_id = {line_id_of(row): row for row in rows}
    return Order(
        key=OrderKey(describe.NAME, shop, order_id(order)),
        state=state,
        order_type=facts.order_type,
        source=facts.source,
        member_level=facts.member_level,
        buyer_id=order.text_or("doudian_open_id", "") or order.text_or("open_id", ""),
        receiver=read_receiver(order),
        lines=lines,
        totals=totals_of(rows, sums, _paid(order, sums, balance_open=balance_open, is_owed=is_owed)),
        created_at=order.moment("create_time", read_epoch_s),
        updated_at=order.moment("update_time", read_epoch_s),
        paid_at=paid_at,
        ship_by=min(_times(order, by_id, lines, "exp_ship_time"), default=None),
        ship_from=_ship_from(order, by_id, lines),
        balance_open=balance_open,
        platform_hold=state is PlatformState.HOLD,
        buyer_memo=order.text_or("buyer_words", ""),
        seller_memo=order.text_or("seller_words", ""),
        seller_flag=order.whole("seller_remark_stars", 0, _STARS_MAX) if order.has("seller_remark_stars") else 0,
    )


def read_facts(body: bytes) -> LaneFacts:
    """The lane facts of any payload; the defaults where it cannot be read. Raises nothing."""
    try:
        return lane_facts(Fields(found_order(read_payload(body)), "order"))
    except Exception:  # noqa: BLE001 - a hint never keeps a payload from being stored
        return LaneFacts()


def raw_order(body: bytes) -> RawOrder:
    """A payload as it will be stored, under the id that it names itself. Raises Poison."""
    found = found_order(read_payload(body))
    return _content(order_id(Fields(found, "order")), found, body)


def answered_order(tree: Mapping[str, Any], body: bytes, asked: str) -> RawOrder:
    """The answer `body`, decoded as `tree`, about the order `asked`, as it will be stored.

    A success without an order, or without an id that can be read, is this order's content with a `fault`. Raises
    Malformed ``answer_not_ours`` for another order.
    """
    try:
        found = found_order(tree)
        named = order_id(Fields(found, "order"))
    except Poison as error:
        return unread_order(body, asked, error.code)
    if named != asked:
        raise Malformed("answer_not_ours", "another order than the one asked for")
    return _content(asked, found, body)


def unread_order(body: bytes, asked: str, fault: str) -> RawOrder:
    """Bytes that came for the order `asked` and cannot be read as an order."""
    return RawOrder(asked, hashlib.sha256(body).digest(), body, LaneFacts(), fault)


def found_order(tree: object) -> Mapping[str, Any]:
    """The order object inside a payload. Raises Poison."""
    if not isinstance(tree, dict):
        raise Poison("payload_unreadable", "not a JSON object")
    if "code" in tree and "order_id" not in tree:
        if Fields(tree).word("code") != describe.SUCCESS:
            raise Poison("payload_is_error", "an answer without success, not an order")
        tree = _inner(tree, "data")
    if "shop_order_list" in tree:
        listed = Fields(tree).entries("shop_order_list")
        tree = {"shop_order_detail": listed[0][1] if len(listed) == 1 else None}
    return tree if "order_id" in tree else _inner(tree, "shop_order_detail")


def order_id(order: Fields) -> str:
    """The order's id, which exceeds what a double can hold. Raises Poison."""
    text = order_id_of(order.text("order_id"))
    return text if is_order_id(text) else order.invalid("order_id")


def is_order_id(text: str) -> bool:
    """Whether the text has the form of an order's id."""
    return _ID.fullmatch(text) is not None


def lane_facts(order: Fields) -> LaneFacts:
    """What sets the provisional lane. Douyin says of each line whether it was bought in a live room (`theme_type` 1);
    of a member's level it says nothing.
    """
    rows = [Fields(row, path) for path, row in order.entries("sku_order_list") if isinstance(row, dict)]
    trades = {word for row in rows if (word := row.word("trade_type"))} or {order.word("trade_type")}
    source = OrderSource.GROUP if describe.GROUP_TRADE in trades else OrderSource.SHELF
    if any(row.word("theme_type") == describe.LIVE_ROOM for row in rows):
        source = OrderSource.LIVE
    return LaneFacts(source=source, order_type=_order_type(order, rows, trades), receiver_city=_city(order))


def _order_type(order: Fields, rows: Sequence[Fields], trades: set[str]) -> OrderType:
    is_presale = trades & describe.PRESALE_TRADES or any(
        row.word("pre_sale_type") not in {"", describe.READY_GOODS} for row in rows
    )
    if is_presale or order.entries("order_phase_list"):
        return OrderType.PRESALE
    return OrderType.COD if order.word("pay_type") == describe.CASH_ON_DELIVERY else OrderType.NORMAL


def _city(order: Fields) -> str:
    if not order.has("post_addr"):
        return ""
    address = order.child("post_addr")
    return address.child("city").text_or("name", "") if address.has("city") else ""


def _inner(tree: dict[str, Any], name: str) -> dict[str, Any]:
    """A member that must be an object. Raises Poison."""
    inner = tree.get(name)
    if not isinstance(inner, dict):
        raise Poison("field_missing", f"{name} is missing", {"field": name})
    return inner


def _content(platform_order_id: str, order: Mapping[str, Any], body: bytes) -> RawOrder:
    """The version covers the order alone: an answer carries a new log id each time."""
    try:
        content = msgspec.json.encode(order, order="sorted")
    except (ValueError, TypeError, OverflowError, ArithmeticError, RecursionError):
        content = body
    try:
        hints = lane_facts(Fields(order, "order"))
    except Exception:  # noqa: BLE001 - a hint never keeps a payload from being stored
        hints = LaneFacts()
    return RawOrder(platform_order_id, hashlib.sha256(content).digest(), body, hints)


def _phases(order: Fields) -> tuple[Fields, ...]:
    return order.listed("order_phase_list", limit=_PHASES_MAX)


def _balance_open(order: Fields, state: PlatformState) -> bool:
    """Whether goods wait for a final payment. While not even the deposit is paid the order is an unpaid one.

    A phase that does not say whether it was paid is open.
    """
    if state is PlatformState.CLOSED:
        return False
    if describe.PART_PAID in {order.word("order_status"), order.word("main_status")}:
        return True
    paid = [phase.word("pay_success") in {"true", "1"} for phase in _phases(order)]
    return not all(paid) and (any(paid) or state is not PlatformState.UNPAID)


def _paid(order: Fields, sums: DouyinSums, *, balance_open: bool, is_owed: bool) -> Money:
    if balance_open:
        paid = (phase for phase in _phases(order) if phase.word("pay_success") in {"true", "1"})
        return sum((fen_or(phase, "phase_pay_amount", ZERO) for phase in paid), ZERO)
    return ZERO if is_owed else sums.payable


def _times(order: Fields, rows: Mapping[str, Fields], lines: Sequence[OrderLine], name: str) -> list[datetime]:
    """What a field says of the order and of the lines that we still owe; of all lines where none is left to ship."""
    owed = [line for line in lines if not is_gone(line)]
    owed = [line for line in owed if line.shipped < line.quantity] or owed
    if not owed:
        return []
    named = [row.moment_or_none(name, read_epoch_s) for row in (order, *(rows[line.line_id] for line in owed))]
    return [moment for moment in named if moment is not None]


def _ship_from(order: Fields, rows: Mapping[str, Fields], lines: Sequence[OrderLine]) -> datetime | None:
    """The beginning, in China, of the last day for which goods are booked. What the platform suggests does not bind."""
    booked = _times(order, rows, lines, "appointment_ship_time")
    if not booked:
        return None
    last = max(booked).astimezone(CST)
    return last.replace(hour=0, minute=0, second=0)
