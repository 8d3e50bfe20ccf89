"""Which lines a write-back is for, and which write-backs the platform refuses.

Source: TOP open platform documentation of `taobao.logistics.offline.send`, `taobao.logistics.dummy.send` and
`alibaba.ascp.logistics.offline.send`, and public tables of their sub-codes. In the first two a sub-order goes once and
whole: they know no quantities. The third names pieces, and says of each sub-order whether more of it is to come.

What the public pages leave open, chosen here, each time the stricter reading:

- What has been shipped or closed before is B04, for a trade and for each line; what may not be shipped now is B02:
  unpaid, in a refund that is open, or stopped by one of the platform's hold marks.
- Once a part has been shipped, a call without the split mark is CD27, even when one line alone is left.
- A part of a line that has gone whole, of more pieces than are left, or under a number that has a part of it, is
  refused. A line of which a part has gone cannot be sent whole.
- A line of the platform's warehouse is B98 like a virtual one: not of this kind of shipping.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from sandbox import top
from sandbox.model import Ships
from sandbox.trades import ENDED, OPEN_REFUNDS, PART_SHIPPED, TO_SHIP, Trade

OFFLINE, DUMMY = "isv.logistics-offline-service-error:", "isv.logistics-dummy-service-error:"
HOLD_MARKS = ("top_hold", "forbid_consign", "team_buy_hold", "share_group_hold", "ofp_hold")

Params = Mapping[str, str]


def lines_to_send(trade: Trade, params: Params) -> tuple[int, ...]:
    """The lines an `offline.send` is for. Raises TopError when their state forbids it."""
    _check_state(trade, OFFLINE)
    listed = params.get("sub_tid", "")
    if bool(listed) != is_split(params):
        raise top.business(OFFLINE + "CD25", "拆单标记和子订单列表两者必须都填或者都不填")
    if listed:
        line_ids = _listed(trade, listed)
    elif trade.status == PART_SHIPPED:
        raise top.business(OFFLINE + "CD27", "订单已经被拆单,is_split必须是1")
    else:
        line_ids = trade.waiting()
    if any(line.ships is not Ships.MERCHANT for oid, line in trade.lines if oid in line_ids):
        raise top.business(OFFLINE + "B98", "发货类型不匹配")
    if any(oid in trade.parts for oid in line_ids):
        raise top.business(OFFLINE + "P38", "拆单校验未通过")
    _check_refunds(trade, line_ids, OFFLINE)
    return line_ids


class _Good(msgspec.Struct, frozen=True):
    sub_tid: int | str
    num: int | None = None
    item_type: int = 0


class _Package(msgspec.Struct, frozen=True):
    out_sid: str
    company_code: str
    goods: list[_Good]


class _LineStatus(msgspec.Struct, frozen=True):
    sub_tid: int | str
    is_part_consign: bool


@dataclass(frozen=True, slots=True)
class PiecesSent:
    """One package: pieces by line, and the lines of which more is to come."""

    number: str
    company: str
    pieces: dict[int, int]
    open_lines: frozenset[int]


def pieces_to_send(trade: Trade, params: Params) -> PiecesSent:
    """The package of a shipment by pieces. Raises TopError as `lines_to_send` does."""
    _check_state(trade, OFFLINE)
    if params.get("consign_type") != "1":
        raise top.invalid("consign_type")
    try:
        (package,) = msgspec.json.decode(params.get("consign_pkgs", ""), type=list[_Package])
        statuses = msgspec.json.decode(params.get("consign_status", ""), type=list[_LineStatus])
    except (msgspec.DecodeError, ValueError):
        raise top.invalid("consign_pkgs") from None
    lines = dict(trade.lines)
    pieces: dict[int, int] = {}
    for good in package.goods:
        oid = _whole(str(good.sub_tid))
        if oid not in lines or good.item_type or oid in pieces:
            raise top.business(OFFLINE + "P38", "拆单校验未通过")
        left = lines[oid].quantity - trade.sent(oid)
        count = left if good.num is None else good.num
        is_told = any(shipment.number == package.out_sid for shipment, _ in trade.parts.get(oid, ()))
        if oid not in trade.waiting() or is_told:
            raise top.business(OFFLINE + "B04", "子订单已经发货或者关闭,不能重复发货")
        if not 0 < count <= left:
            raise top.business(OFFLINE + "P38", "拆单校验未通过")
        pieces[oid] = count
    _check_refunds(trade, tuple(pieces), OFFLINE)
    more = frozenset(_whole(str(one.sub_tid)) for one in statuses if one.is_part_consign)
    if any((lines[oid].quantity - trade.sent(oid) > count) is not (oid in more) for oid, count in pieces.items()):
        raise top.business(OFFLINE + "P38", "拆单校验未通过")
    return PiecesSent(package.out_sid, package.company_code, pieces, more)


def lines_to_hand_out(trade: Trade) -> tuple[int, ...]:
    """The lines a `dummy.send` is for: all that are left. Raises TopError when their state or their kind forbids it."""
    _check_state(trade, DUMMY)
    line_ids = trade.waiting()
    if any(line.ships is not Ships.NOBODY for oid, line in trade.lines if oid in line_ids):
        raise top.business(DUMMY + "B98", "发货类型不匹配")
    _check_refunds(trade, line_ids, DUMMY)
    return line_ids


def is_split(params: Params) -> bool:
    """The split mark. Raises TopError for one that is neither 0 nor 1."""
    mark = params.get("is_split", "")
    if mark not in {"", "0", "1"}:
        raise top.invalid("is_split")
    return mark == "1"


def _check_state(trade: Trade, service: str) -> None:
    if trade.status in ENDED:
        raise top.business(service + "B04", "该订单已经发货或者关闭,不能重复发货")
    if trade.status not in {TO_SHIP, PART_SHIPPED} or any(trade.marks.get(mark) for mark in HOLD_MARKS):
        raise top.business(service + "B02", "订单状态不允许发货")


def _listed(trade: Trade, text: str) -> tuple[int, ...]:
    line_ids = tuple(dict.fromkeys(_whole(part) for part in text.split(",")))
    if not set(line_ids) <= set(trade.line_ids):
        raise top.business(OFFLINE + "P38", "拆单校验未通过")
    if not set(line_ids) <= set(trade.waiting()):
        raise top.business(OFFLINE + "B04", "子订单已经发货或者关闭,不能重复发货")
    return line_ids


def _check_refunds(trade: Trade, line_ids: tuple[int, ...], service: str) -> None:
    if any(trade.refunds.get(oid) in OPEN_REFUNDS for oid in line_ids):
        raise top.business(service + "B02", "订单正在退款,不允许发货")


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise top.invalid("sub_tid")
    return int(text)
