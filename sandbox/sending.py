"""Which lines a write-back is for, and which write-backs the platform refuses.

Source: TOP open platform documentation of `taobao.logistics.offline.send` and `taobao.logistics.dummy.send`, and public
tables of their sub-codes. A sub-order goes once and whole: neither call knows quantities.

What the public pages leave open, chosen here, each time the stricter reading:

- What has been shipped or closed before is B04, for a trade and for each line; what may not be shipped now is B02:
  unpaid, in a refund that is open, or stopped by one of the platform's hold marks.
- Once a part has been shipped, a call without the split mark is CD27, even when one line alone is left.
- A line of the platform's warehouse is B98 like a virtual one: not of this kind of shipping.
"""

from collections.abc import Mapping

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
    _check_refunds(trade, line_ids, OFFLINE)
    return line_ids


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
