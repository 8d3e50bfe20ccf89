"""A Pinduoduo order in our words. Pure: bytes in, canonical order or Poison out. Source: the vendor's order pages.

A payload is the whole answer to `pdd.order.information.get`, a listing with one order, or a bare order. Amounts are
yuan, as numbers or as texts; times are texts of China.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from adapters.china_time import CST, read_cst
from adapters.payload import Fields, read_payload
from adapters.platforms.pinduoduo import describe
from adapters.platforms.pinduoduo.fulfiller import tags_of
from adapters.platforms.pinduoduo.lines import ZERO, read_lines, services_of
from adapters.platforms.pinduoduo.receivers import read_receiver
from adapters.platforms.pinduoduo.refunds import refund_of, unknown_state
from domain.errors import Malformed, Poison
from domain.money import Money
from domain.order import (
    LaneFacts,
    MemberLevel,
    Order,
    OrderKey,
    OrderSource,
    OrderType,
    PlatformState,
    RawOrder,
    Totals,
)

_LISTINGS = ("order_list_get_response", describe.ENVELOPES[describe.LIST_CHANGES])
_LISTS = ("order_list", "order_sn_list")
_ID = re.compile(r"[0-9]{1,12}(?:-[0-9]{1,24})?|[0-9]{1,32}", re.ASCII)
_FLAG_MAX = 99
# What the buyer does not pay besides the discount that the order names: the sums of the order show whether.
_PAID_BY_OTHERS = ("duo_duo_pay_reduction", "trade_in_national_subsidy_amount")


def read_order(body: bytes, shop: str) -> Order:
    """Read a stored payload.

    Raises Poison: ``payload_too_large``, ``payload_truncated``, ``payload_unreadable``, ``payload_is_error``,
    ``field_missing``, ``field_invalid`` or ``status_unknown``, each naming the field.
    """
    return order_of(Fields(found_order(read_payload(body)), "order"), shop)


def order_of(order: Fields, shop: str) -> Order:
    """The canonical order of an order object; `shop` is the shop's name. Raises Poison as `read_order` does."""
    state = state_of(order)
    payable, freight = order.amount("pay_amount", describe.CURRENCY), _yuan(order, "postage")
    services = sum((fee for _, fee in services_of(order)), ZERO)
    lines = read_lines(order, state, payable - freight - services)
    paid_at = order.moment_or_none("pay_time", read_cst)
    balance_open = _balance_open(order, state)
    is_owed = paid_at is None and state in {PlatformState.UNPAID, PlatformState.CLOSED}
    return Order(
        key=OrderKey(describe.NAME, shop, order_id(order)),
        state=state,
        order_type=_order_type(order),
        source=OrderSource.SHELF,
        member_level=MemberLevel.NONE,
        buyer_id="",
        receiver=read_receiver(order),
        lines=lines,
        totals=_totals(
            order, payable, freight, services, _paid(order, payable, balance_open=balance_open, is_owed=is_owed)
        ),
        created_at=order.moment("created_time", read_cst),
        updated_at=order.moment("updated_at", read_cst),
        paid_at=paid_at,
        ship_by=order.moment_or_none("last_ship_time", read_cst),
        ship_from=_ship_from(order),
        balance_open=balance_open,
        platform_hold=state is PlatformState.HOLD or is_marked(order),
        buyer_memo=order.text_or("buyer_memo", ""),
        seller_memo=order.text_or("remark", ""),
        seller_flag=order.whole("remark_tag", 0, _FLAG_MAX) if order.has("remark_tag") else 0,
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

    What has the shape of such an answer but no order, or no id that can be read, is this order's content with a
    `fault`. Raises Malformed ``answer_not_ours`` for another order, ``answer_unreadable`` for no answer about an order.
    """
    if describe.ENVELOPES[describe.READ_ORDER] not in tree and "order_info" not in tree and "order_sn" not in tree:
        raise Malformed("answer_unreadable", "neither an order nor an error")
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
    if error_in(tree) is not None:
        raise Poison("payload_is_error", "the payload is an error answer")
    inner = next((tree[name] for name in (describe.ENVELOPES[describe.READ_ORDER], *_LISTINGS) if name in tree), tree)
    for name in _LISTS:
        if isinstance(inner, dict) and name in inner:
            listed = Fields(inner).entries(name)
            inner = {"order_info": listed[0][1] if len(listed) == 1 else None}
    if isinstance(inner, dict) and "order_sn" not in inner:
        inner = inner.get("order_info")
    if not isinstance(inner, dict):
        raise Poison("field_missing", "order_info is missing", {"field": "order_info"})
    return inner


def error_in(tree: Mapping[str, Any]) -> object:
    """The `error_response` of an answer; None where there is none, or where a relay has added an empty one."""
    told = tree.get("error_response")
    if isinstance(told, dict) and not any(told.values()):
        return None
    return told or None


def order_id(order: Fields) -> str:
    """`order_sn`: a date and a number. Raises the fault of `order`."""
    text = order.key("order_sn")
    return text if is_order_id(text) else order.invalid("order_sn")


def is_order_id(text: str) -> bool:
    """Whether the text has the form of an `order_sn`."""
    return _ID.fullmatch(text) is not None


def state_of(order: Fields) -> PlatformState:
    """The state of the whole order in our words.

    An order that was refunded before it left is closed. Raises Poison ``status_unknown``.
    """
    confirmed = order.word("confirm_status") or order.missing("confirm_status")
    if confirmed == describe.CANCELLED:
        return PlatformState.CLOSED
    if confirmed == describe.NOT_FORMED:
        # A group that is not complete yet, or nothing was paid.
        return PlatformState.HOLD if order.moment_or_none("pay_time", read_cst) else PlatformState.UNPAID
    if confirmed != describe.FORMED:
        raise unknown_state("confirm_status", confirmed)
    status = order.word("order_status") or order.missing("order_status")
    if status not in describe.STATES:
        raise unknown_state("order_status", status)
    state = describe.STATES[status]
    if state is PlatformState.TO_SHIP and refund_of(order).is_over:
        return PlatformState.CLOSED
    return state


def is_marked(order: Fields) -> bool:
    """Whether the platform holds an order that waits to be shipped: its group, its review, a pause, a code to be
    checked, a gift that is not decided. An unreadable mark is no mark of freedom.
    """
    return (
        order.word("group_status") not in describe.GROUP_FREE
        or order.word("risk_control_status") not in describe.RISK_CLEAR
        or order.word("identification_status") not in describe.IDENTIFIED
        or describe.TAG_SHIP_HOLD in tags_of(order)
        or (order.word("gift_order_status") == describe.GIFT_WAITS and bool(order.entries("gift_list")))
    )


def lane_facts(order: Fields) -> LaneFacts:
    """What sets the provisional lane. Nothing tells a live stream or a member's level."""
    return LaneFacts(order_type=_order_type(order), receiver_city=order.text_or("city", ""))


def _order_type(order: Fields) -> OrderType:
    is_presale = order.word("is_pre_sale") == "1" or _is_deposit(order)
    return OrderType.PRESALE if is_presale else OrderType.NORMAL


def _is_deposit(order: Fields) -> bool:
    return order.word("trade_type") == "1" or order.has("step_order_info")


def _content(platform_order_id: str, order: Mapping[str, Any], body: bytes) -> RawOrder:
    """The version covers the order alone: an answer carries a new request id each time."""
    try:
        content = msgspec.json.encode(order, order="sorted")
    except (ValueError, TypeError, OverflowError, ArithmeticError, RecursionError):
        content = body
    try:
        hints = lane_facts(Fields(order, "order"))
    except Exception:  # noqa: BLE001 - a hint never keeps a payload from being stored
        hints = LaneFacts()
    return RawOrder(platform_order_id, hashlib.sha256(content).digest(), body, hints)


def _balance_open(order: Fields, state: PlatformState) -> bool:
    """Whether goods wait for a final payment. While not even the deposit is paid the order is an unpaid one."""
    if not _is_deposit(order):
        return False
    step = order.child("step_order_info")
    status = step.word("step_trade_status") or step.missing("step_trade_status")
    if status not in describe.STEP_BALANCE_OPEN:
        raise unknown_state("step_trade_status", status)
    if state is PlatformState.CLOSED or (status == describe.STEP_NOTHING_PAID and state is PlatformState.UNPAID):
        return False
    return describe.STEP_BALANCE_OPEN[status]


def _paid(order: Fields, payable: Money, *, balance_open: bool, is_owed: bool) -> Money:
    if balance_open:
        step = order.child("step_order_info")
        return step.amount_or("step_paid_fee", describe.CURRENCY, _yuan(step, "advanced_paid_fee"))
    return ZERO if is_owed else payable


def _totals(order: Fields, payable: Money, freight: Money, services: Money, paid: Money) -> Totals:
    """The sums as the order names them: whether they add up is judged later.

    A reduction of the payment, or a subsidy, counts as a discount where the sums agree only with it.
    """
    goods, discount = order.amount("goods_amount", describe.CURRENCY), _yuan(order, "discount_amount")
    rest = goods - discount + freight + services - payable
    if rest.minor > 0:
        others = [_yuan(order, name) for name in _PAID_BY_OTHERS]
        if rest in {*others, sum(others, ZERO)}:
            discount = discount + rest
    return Totals(
        goods=goods,
        discount=discount,
        freight=freight,
        tax=ZERO,
        payable=payable,
        paid=paid,
        services=services,
        fees=ZERO,
    )


def _ship_from(order: Fields) -> datetime | None:
    """The beginning, in China, of the day until which the goods of a presale are there."""
    if order.word("is_pre_sale") != "1":
        return None
    day = order.moment_or_none("pre_sale_time", read_cst)
    return None if day is None else day.astimezone(CST).replace(hour=0, minute=0, second=0, microsecond=0)


def _yuan(order: Fields, name: str) -> Money:
    return order.amount_or(name, describe.CURRENCY, ZERO)
