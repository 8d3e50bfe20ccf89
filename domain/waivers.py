"""Holds that people waived, and for how long a waiver counts: as long as the fact is the one that the person saw."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from domain.errors import Facts
from domain.holds import HoldCode
from domain.lines import is_gone
from domain.order import Order, OrderLine, PlatformState

# Beside the ids of lines: the platform closed the whole order, or shows a refund or shipment without its line.
CLOSED, SOME_LINE = "closed", "some_line"
# The facts of a hold that name its lines: those in refund, those shipped by somebody else.
REFUNDS, LINES = "refunds", "lines"
# Codes whose facts name lines.
_OF_LINES = frozenset(
    {HoldCode.FULFILLER_UNKNOWN, HoldCode.REFUND_REQUESTED, HoldCode.REFUND_UNKNOWN, HoldCode.SHIPPED_ELSEWHERE}
)


@dataclass(frozen=True, slots=True)
class Waiver:
    """A hold that a person released for the content that the order has. `lines`: the lines that the hold named."""

    hold_id: int
    code: HoldCode
    lines: frozenset[str] = frozenset()


def covers(waivers: Iterable[Waiver], code: HoldCode, facts: Facts) -> bool:
    """Whether a person has waived this finding. Another refund, or another line, is another fact and is not waived."""
    ours = [waiver for waiver in waivers if waiver.code is code]
    if code in _OF_LINES:
        asked = read_named(facts)
        return bool(asked) and asked <= lines_waived(ours, code)
    return bool(ours)


def lines_waived(waivers: Iterable[Waiver], code: HoldCode) -> frozenset[str]:
    """All lines of the holds of that code that a person has waived."""
    return frozenset().union(*(one.lines for one in waivers if one.code is code))


def refunds_of(order: Order) -> frozenset[str]:
    """The lines of ours for which a refund is asked, or refused by the seller; and whether the order is closed.

    A refund that was paid takes its line out of the order, and holds nothing.
    """
    lines = frozenset(line.line_id for line in order.lines if line.refund_open and not is_gone(line))
    return lines | {CLOSED} if order.state is PlatformState.CLOSED else lines


def unknown_refunds_of(order: Order) -> frozenset[str]:
    """The lines of ours of which the platform does not say whether a refund is open, or says nothing any more."""
    return frozenset(
        line.line_id for line in order.lines if (line.refund_unknown or line.is_missing) and not is_gone(line)
    )


def refund_facts(refunds: Iterable[str]) -> Facts:
    """The facts of a hold about a refund: the ids of its lines."""
    return {REFUNDS: ",".join(sorted(refunds))}


def line_facts(lines: Iterable[str]) -> Facts:
    """The facts of a hold about lines: their ids."""
    return {LINES: ",".join(sorted(lines))}


def read_named(facts: Mapping[str, object]) -> frozenset[str]:
    """The lines that the facts of a hold name."""
    return frozenset(filter(None, str(facts.get(REFUNDS) or facts.get(LINES) or "").split(",")))


def stays(waiver: Waiver, old: Order, new: Order) -> bool:
    """Whether a waiver still counts for a newer content of its order: the waived fact must be the same."""
    if waiver.code is HoldCode.REFUND_REQUESTED:
        return refunds_of(old) <= refunds_of(new) <= waiver.lines
    if waiver.code is HoldCode.REFUND_UNKNOWN:
        return unknown_refunds_of(new) <= waiver.lines
    if waiver.code is HoldCode.SHIPPED_ELSEWHERE:
        # The waiver names its lines, so a shipment of another line is another fact.
        return True
    seen = _SEEN.get(waiver.code)
    return seen is not None and seen(old) == seen(new)


def _ordered(order: Order) -> tuple[OrderLine, ...]:
    """What the buyer ordered, regardless of refunds and shipments: a withdrawn refund changes nothing."""
    return tuple(
        replace(line, refund_open=False, refunded=False, refund_unknown=False, shipped=0, waybill="", is_missing=False)
        for line in order.lines
    )


def _receiver(order: Order) -> object:
    return order.receiver


def _sums(order: Order) -> object:
    return order.totals, _ordered(order)


def _texts(order: Order) -> object:
    return order.receiver, order.buyer_memo, order.seller_memo


def _flag(order: Order) -> object:
    return order.seller_flag


def _fulfillers(order: Order) -> object:
    return {line.line_id: line.fulfilled_by for line in order.lines}


# The fields of an order that each rule reads. A code that is missing here is checked again with every newer content.
_SEEN: dict[HoldCode, Callable[[Order], object]] = {
    HoldCode.ADDRESS_MISSING: _receiver,
    HoldCode.ADDRESS_VAGUE: _receiver,
    HoldCode.REMOTE_COURIER: _receiver,
    HoldCode.SENSITIVE_WORD: _texts,
    HoldCode.SELLER_FLAG: _flag,
    HoldCode.AMOUNT_MISMATCH: _sums,
    HoldCode.APPROVAL_NEEDED: _sums,
    HoldCode.FULFILLER_UNKNOWN: _fulfillers,
}
