"""A TOP trade in our words. Pure: bytes in, canonical order or Poison out. Source: TOP trade pages.

A payload is the whole answer (`trade_fullinfo_get_response`), its simplified form, or a bare trade.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from adapters.china_time import read_cst
from adapters.payload import Fields, read_payload
from adapters.platforms.taobao import describe
from adapters.platforms.taobao.lines import (
    read_gifts,
    read_lines,
    read_services,
    service_orders,
    sub_orders,
    unknown_status,
)
from adapters.platforms.taobao.places import province_and_city
from adapters.platforms.taobao.promises import ship_by_of, ship_from_of
from adapters.platforms.taobao.sums import ZERO, Sums, read_sums, totals_of
from domain.errors import FulfilmentError, Malformed, Poison
from domain.money import Money
from domain.order import (
    Address,
    LaneFacts,
    MemberLevel,
    Order,
    OrderKey,
    OrderSource,
    OrderType,
    Pii,
    PlatformState,
    RawOrder,
)

_ENVELOPES = ("trade_fullinfo_get_response", "trade_get_response")
_ID = re.compile(r"[0-9]{1,32}", re.ASCII)
_FLAG_MAX = 99


def read_order(body: bytes, shop: str) -> Order:
    """Read a stored payload.

    Raises Poison: ``payload_too_large``, ``payload_truncated``, ``payload_unreadable``, ``payload_is_error``,
    ``field_missing``, ``field_invalid`` or ``status_unknown``, each naming the field.
    """
    return order_of(Fields(trade_of(read_payload(body)), "trade"), shop)


def order_of(trade: Fields, shop: str) -> Order:
    """The canonical order of a trade object; `shop` is the shop's name. Raises Poison as `read_order` does."""
    state = state_of(trade)
    facts = lane_facts(trade)
    paid_at = trade.moment_or_none("pay_time", read_cst)
    created_at = trade.moment("created", read_cst)
    balance_open = _balance_open(trade, state)
    subs, service_subs = sub_orders(trade), service_orders(trade)
    services = read_services(service_subs, subs)
    sums = read_sums(trade, services, facts.order_type)
    lines = (*read_lines(trade, subs, service_subs, sums, state), *services)
    by_id = {line.line_id: sub for line, sub in zip(lines, subs, strict=False)}
    is_cod = facts.order_type is OrderType.COD
    # Of cash on delivery `pay_time` says when the parcel was booked, not that the courier has the money.
    is_owed = is_cod or (paid_at is None and state in {PlatformState.UNPAID, PlatformState.CLOSED})
    return Order(
        key=OrderKey(describe.NAME, shop, trade_id(trade)),
        state=state,
        order_type=facts.order_type,
        source=facts.source,
        member_level=facts.member_level,
        buyer_id=_buyer(trade),
        receiver=read_receiver(trade),
        lines=lines + read_gifts(trade, lines),
        totals=totals_of(trade, sums, lines, _paid(trade, sums, balance_open=balance_open, is_owed=is_owed)),
        created_at=created_at,
        updated_at=trade.moment("modified", read_cst),
        paid_at=paid_at,
        ship_by=ship_by_of(trade, by_id, lines, created_at if is_cod else paid_at),
        ship_from=ship_from_of(trade, by_id, lines, created_at if is_cod else paid_at),
        balance_open=balance_open,
        platform_hold=state is PlatformState.HOLD or any(_is_marked(trade, mark) for mark in describe.HOLD_MARKS),
        buyer_memo=trade.text_or("buyer_message", "") or trade.text_or("buyer_memo", ""),
        seller_memo=trade.text_or("seller_memo", ""),
        seller_flag=trade.whole("seller_flag", 0, _FLAG_MAX) if trade.has("seller_flag") else 0,
    )


def read_facts(body: bytes) -> LaneFacts:
    """The lane facts of any payload; the defaults where it cannot be read. Raises nothing."""
    try:
        return lane_facts(Fields(trade_of(read_payload(body)), "trade"))
    except Exception:  # noqa: BLE001 - a hint never keeps a payload from being stored
        return LaneFacts()


def raw_order(body: bytes) -> RawOrder:
    """A payload as it will be stored, under the id that it names itself. Raises Poison."""
    trade = trade_of(read_payload(body))
    return _content(trade_id(Fields(trade, "trade")), trade, body)


def answered_order(tree: Mapping[str, Any], body: bytes, asked: str) -> RawOrder:
    """The answer `body`, decoded as `tree`, about the order `asked`, as it will be stored.

    What has the shape of such an answer but no trade, or no id that can be read, is this order's content with a
    `fault`. Raises Malformed ``answer_not_ours`` for another order's trade, ``answer_unreadable`` for what is no
    answer about an order.
    """
    if not ("trade" in tree or "tid" in tree or "tid_str" in tree or any(name in tree for name in _ENVELOPES)):
        raise Malformed("answer_unreadable", "neither a trade nor an error")
    try:
        trade = trade_of(tree)
        named = trade_id(Fields(trade, "trade"))
    except Poison as error:
        return unread_order(body, asked, error.code)
    if named != asked:
        raise Malformed("answer_not_ours", "another order than the one asked for")
    return _content(asked, trade, body)


def unread_order(body: bytes, asked: str, fault: str) -> RawOrder:
    """Bytes that came for the order `asked` and cannot be read as an order."""
    return RawOrder(asked, hashlib.sha256(body).digest(), body, LaneFacts(), fault)


def _content(platform_order_id: str, trade: Mapping[str, Any], body: bytes) -> RawOrder:
    """The version covers the trade alone: an answer's envelope carries a new request id each time."""
    try:
        content = msgspec.json.encode(trade, order="sorted")
    except (ValueError, TypeError, OverflowError, ArithmeticError, RecursionError):
        content = body
    try:
        hints = lane_facts(Fields(trade, "trade"))
    except Exception:  # noqa: BLE001 - a hint never keeps a payload from being stored
        hints = LaneFacts()
    return RawOrder(platform_order_id, hashlib.sha256(content).digest(), body, hints)


def lane_facts(trade: Fields) -> LaneFacts:
    """What sets the provisional lane.

    [assumption] TOP publishes no fixed field for a live stream or a membership. They are read from
    `trade_attr`, a JSON text of tags (``live`` = 1, ``vip`` = ``plus`` or ``vip``), and ``LIVE`` in `trade_from`.
    """
    tags = _tags(trade)
    is_live = _tag(tags, "live") in {"1", "true"} or "LIVE" in trade.text_or("trade_from", "").split(",")
    level = _tag(tags, "vip")
    return LaneFacts(
        source=OrderSource.LIVE if is_live else OrderSource.SHELF,
        order_type=_order_type(trade),
        member_level=MemberLevel(level) if level in {"plus", "vip"} else MemberLevel.NONE,
        receiver_city=trade.text_or("receiver_city", ""),
    )


def trade_of(tree: object) -> Mapping[str, Any]:
    """The trade object inside a payload. Raises Poison."""
    if not isinstance(tree, dict):
        raise Poison("payload_unreadable", "not a JSON object")
    if error_in(tree) is not None:
        raise Poison("payload_is_error", "the payload is an error answer")
    answer = next((tree[name] for name in _ENVELOPES if isinstance(tree.get(name), dict)), tree)
    trade = answer if "tid" in answer or "tid_str" in answer else answer.get("trade")
    if not isinstance(trade, dict):
        raise Poison("field_missing", "trade is missing", {"field": "trade"})
    return trade


def error_in(tree: Mapping[str, Any]) -> object:
    """The `error_response` of an answer; None where there is none.

    Relays add an empty one to every answer, or one whose members are all empty.
    """
    told = tree.get("error_response")
    if isinstance(told, dict) and not any(told.values()):
        return None
    return told or None


def state_of(trade: Fields) -> PlatformState:
    """The state of the whole trade in our words. Raises Poison ``status_unknown``."""
    status = trade.text("status")
    if status not in describe.STATES:
        raise unknown_status("status", status)
    return describe.STATES[status]


def trade_id(trade: Fields) -> str:
    """`tid`, which exceeds what a double can hold; as text where the platform gives it as text."""
    name = "tid_str" if trade.has("tid_str") else "tid"
    text = trade.text(name)
    return text if is_trade_id(text) else trade.invalid(name)


def is_trade_id(text: str) -> bool:
    """Whether the text has the form of a `tid`."""
    return _ID.fullmatch(text) is not None


def read_receiver(trade: Fields) -> Address:
    """Receiver as the platform shows it, usually masked; the oaid is the platform's handle to the hidden receiver.

    The city is empty where the district hangs directly under the province.
    """
    name = trade.text_or("receiver_name", "")
    phone = trade.text_or("receiver_mobile", "") or trade.text_or("receiver_phone", "")
    detail = trade.text_or("receiver_address", "")
    province, city = province_and_city(
        trade.text_or("receiver_country", ""),
        trade.text_or("receiver_state", ""),
        trade.text_or("receiver_city", ""),
    )
    return Address(
        name=name,
        phone=phone,
        province=province,
        city=city,
        district=trade.text_or("receiver_district", ""),
        town=trade.text_or("receiver_town", ""),
        detail=detail,
        zip_code=trade.text_or("receiver_zip", ""),
        pii=_pii(name + phone + detail),
        merge_token=trade.text_or("oaid", ""),
    )


def _pii(shown: str) -> Pii:
    if not shown:
        return Pii.ABSENT
    return Pii.MASKED if "*" in shown else Pii.PLAIN


def _tags(trade: Fields) -> Mapping[str, Any]:
    """Tags only influence the lane, so an unreadable tag does not stop an order."""
    if not trade.has("trade_attr"):
        return {}
    try:
        tags = read_payload(trade.text("trade_attr").encode())
    except FulfilmentError:
        return {}
    return tags if isinstance(tags, dict) else {}


def _tag(tags: Mapping[str, Any], name: str) -> str:
    """A tag in lower case; empty where it is neither a text nor a number."""
    value = tags.get(name)
    return str(value).lower() if isinstance(value, str | bool) or value in (0, 1) else ""


def _order_type(trade: Fields) -> OrderType:
    kind = trade.text_or("type", "")
    if kind == "step" or trade.flag("new_presell") or trade.flag("general_new_presell"):
        return OrderType.PRESALE
    return OrderType.COD if kind in describe.COD_TYPES else OrderType.NORMAL


def _balance_open(trade: Fields, state: PlatformState) -> bool:
    """Whether goods wait for a final payment. While not even the deposit is paid the order is an unpaid one."""
    # Otherwise a deposit trade without a type would count as paid.
    is_step = trade.text("type") == "step"
    if not (is_step or trade.has("step_trade_status")):
        return False
    status = trade.text("step_trade_status")
    if status not in describe.STEP_BALANCE_OPEN:
        raise unknown_status("step_trade_status", status)
    if status == describe.STEP_NOTHING_PAID and state is PlatformState.UNPAID:
        return False
    return describe.STEP_BALANCE_OPEN[status]


def _is_marked(trade: Fields, mark: str) -> bool:
    """An absent mark is a no: the platform sends a mark only with trades that it holds. An unreadable mark is not a
    no.
    """
    return trade.has(mark) and not trade.denies(mark)


def _buyer(trade: Fields) -> str:
    # A masked nick is shared by many buyers and identifies none.
    nick = trade.text_or("buyer_nick", "")
    return trade.text_or("buyer_open_uid", "") or ("" if "*" in nick else nick)


def _paid(trade: Fields, sums: Sums, *, balance_open: bool, is_owed: bool) -> Money:
    if balance_open:
        return trade.amount_or("step_paid_fee", describe.CURRENCY, ZERO)
    return ZERO if is_owed else sums.payable
