"""What buyers, the seller and the platform change about a trade, on demand: see the levers in `sandbox.control`."""

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from domain.errors import Refused
from sandbox.happenings import foreign_shipment
from sandbox.model import Expected, Person
from sandbox.sending import HOLD_MARKS
from sandbox.trades import (
    OPEN_REFUNDS,
    REFUND_ASKED,
    REFUND_REFUSED,
    REFUND_WITHDRAWN,
    TO_SHIP,
    UNPAID,
    Sender,
    Shipment,
    Trade,
)

if TYPE_CHECKING:
    from sandbox.world import World


class Receiver(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who the order is for, in the clear."""

    name: str
    mobile: str
    detail: str
    town: str = ""

    def person(self) -> Person:
        return Person(self.name, self.mobile, self.town, self.detail)


class _OfLines(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`lines`: ids (`oid`) of the lines meant; empty for every line that may be."""

    tid: str
    lines: tuple[str, ...] = ()


class AskRefund(_OfLines, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="ask_refund"):
    pass


class WithdrawRefund(_OfLines, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="withdraw_refund"):
    pass


class RefuseRefund(_OfLines, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="refuse_refund"):
    pass


class PayRefund(_OfLines, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="pay_refund"):
    pass


class CloseLines(_OfLines, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="close_lines"):
    pass


class CloseOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="close_order"):
    tid: str


class ShipByHand(_OfLines, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="ship_by_hand"):
    """`number`: of a ZTO waybill; drawn if empty."""

    number: str = ""


class ChangeOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="change_order"):
    """What is None stays. `marks`: the platform's hold marks by name, as ``{"top_hold": 1}``; 0 takes one away."""

    tid: str
    message: str | None = None
    memo: str | None = None
    flag: int | None = None
    receiver: Receiver | None = None
    marks: dict[str, int] = {}


class ChangeCase(_OfLines, frozen=True, forbid_unknown_fields=True, tag_field="do", tag="change_case"):
    """`shows`: fields of the newest case of each line that are shown instead of its own; null leaves one out."""

    shows: dict[str, str | int | bool | dict[str, str | int | bool] | None] = {}


Refund = AskRefund | WithdrawRefund | RefuseRefund | PayRefund
Change = Refund | ChangeCase | CloseLines | CloseOrder | ShipByHand | ChangeOrder


def change(world: "World", command: Change, now: float) -> None:
    """Raises Refused for a trade or line that is not there, or whose state does not allow it."""
    trade = find_trade(world, command.tid)
    match command:
        case ChangeOrder():
            _change_order(trade, command)
        case CloseOrder():
            _close_order(trade, now)
        case ChangeCase():
            _change_case(world, trade, command, now)
            return
        case ShipByHand():
            _ship_by_hand(trade, command, now)
        case CloseLines():
            trade.close(_chosen(trade, command, trade.waiting(), "a line was shipped or closed"), now)
        case _:
            _change_refund(trade, command, now)
    world.book.touch(trade, now)


def find_trade(world: "World", tid: str) -> Trade:
    """A visible trade. Raises Refused."""
    trade = world.book.trades.get(int(tid)) if tid.isdecimal() else None
    if trade is None:
        raise Refused("control_invalid", "no such visible trade")
    return trade


def _chosen(trade: Trade, command: _OfLines, allowed: tuple[int, ...], otherwise: str) -> tuple[int, ...]:
    asked = tuple(int(text) for text in command.lines if text.isdecimal()) if command.lines else allowed
    if len(asked) < len(command.lines) or not set(asked) <= set(trade.line_ids):
        raise Refused("control_invalid", "no such line")
    if not asked or not set(asked) <= set(allowed):
        raise Refused("control_invalid", otherwise)
    return asked


def _change_refund(trade: Trade, command: Refund, now: float) -> None:
    standing = tuple(oid for oid in trade.line_ids if oid not in trade.closed)
    in_refund = tuple(oid for oid in standing if trade.refunds.get(oid) in OPEN_REFUNDS)
    match command:
        case AskRefund():
            line_ids = _chosen(trade, command, standing, "a line is closed")
            trade.refunds.update(dict.fromkeys(line_ids, REFUND_ASKED))
            if trade.status == TO_SHIP and not set(trade.waiting()) - set(line_ids):
                trade.order = replace(trade.order, expected=Expected.REFUND)
        case PayRefund():
            trade.close(_chosen(trade, command, in_refund, "no open refund"), now)
        case _:
            line_ids = _chosen(trade, command, in_refund, "no open refund")
            ends_as = REFUND_WITHDRAWN if isinstance(command, WithdrawRefund) else REFUND_REFUSED
            trade.refunds.update(dict.fromkeys(line_ids, ends_as))
            if ends_as == REFUND_WITHDRAWN and trade.order.expected is Expected.REFUND:
                trade.order = replace(trade.order, expected=Expected.SHIP)


def _close_order(trade: Trade, now: float) -> None:
    if trade.status not in {UNPAID, TO_SHIP}:
        raise Refused("control_invalid", "the trade has been shipped, or is closed")
    trade.close(trade.waiting(), now)


def _ship_by_hand(trade: Trade, command: ShipByHand, now: float) -> None:
    if trade.status == UNPAID:
        raise Refused("control_invalid", "the trade is not paid")
    line_ids = _chosen(trade, command, trade.waiting(), "a line was shipped or closed")
    shipment = foreign_shipment(trade, now)
    if command.number:
        shipment = Shipment("ZTO", "中通快递", command.number, int(now), Sender.HAND)
    trade.ship(line_ids, shipment)


def _change_case(world: "World", trade: Trade, command: ChangeCase, now: float) -> None:
    with_case = tuple(oid for oid in trade.line_ids if world.book.cases.of_line(oid) is not None)
    for oid in _chosen(trade, command, with_case, "no case"):
        case = world.book.cases.of_line(oid)
        assert case is not None
        case.odd |= command.shows
        world.book.cases.touch(trade, case, now)


def _change_order(trade: Trade, command: ChangeOrder) -> None:
    if not set(command.marks) <= set(HOLD_MARKS):
        raise Refused("control_invalid", "no such mark")
    if command.message is not None:
        trade.order = replace(trade.order, message=command.message)
    if command.receiver is not None:
        trade.order = replace(trade.order, person=command.receiver.person())
    texts: dict[str, object] = {"seller_memo": command.memo, "seller_flag": command.flag}
    trade.marks |= {name: value for name, value in texts.items() if value is not None} | command.marks
