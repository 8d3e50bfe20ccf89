"""What people let pass although a rule holds it, and for how long: while the fact is the one they saw."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from domain.errors import Facts
from domain.holds import HoldCode
from domain.order import Order, OrderLine, PlatformState

# Beside the ids of lines in refund: the platform closed the whole order, or shows a refund without its line.
CLOSED, SOME_LINE = "closed", "some_line"
# The fact of a hold that names them all.
REFUNDS = "refunds"
# Codes whose facts name lines.
_OF_LINES = frozenset({HoldCode.REFUND_REQUESTED, HoldCode.REFUND_UNKNOWN})


@dataclass(frozen=True, slots=True)
class Waiver:
    """A hold that a person released for the content that the order has. `refunds`: those that were seen."""

    hold_id: int
    code: HoldCode
    refunds: frozenset[str] = frozenset()


def covers(waivers: Iterable[Waiver], code: HoldCode, facts: Facts) -> bool:
    """Whether a person has let this finding pass. Another refund, or another line, is another fact."""
    ours = [waiver for waiver in waivers if waiver.code is code]
    if code in _OF_LINES:
        asked = read_refunds(facts)
        return bool(asked) and asked <= refunds_waived(ours, code)
    return bool(ours)


def refunds_waived(waivers: Iterable[Waiver], code: HoldCode = HoldCode.REFUND_REQUESTED) -> frozenset[str]:
    """Every refund, or by `code` every line whose refund is unknown, that a person has let pass."""
    return frozenset().union(*(one.refunds for one in waivers if one.code is code))


def refunds_of(order: Order) -> frozenset[str]:
    """What of an order is, or was, in refund."""
    lines = frozenset(line.line_id for line in order.lines if line.refund_open or line.refunded)
    return lines | {CLOSED} if order.state is PlatformState.CLOSED else lines


def unknown_refunds_of(order: Order) -> frozenset[str]:
    """The lines of which the platform does not say whether a refund is open."""
    return frozenset(line.line_id for line in order.lines if line.refund_unknown)


def refund_facts(refunds: Iterable[str]) -> Facts:
    return {REFUNDS: ",".join(sorted(refunds))}


def read_refunds(facts: Mapping[str, object]) -> frozenset[str]:
    return frozenset(filter(None, str(facts.get(REFUNDS, "")).split(",")))


def stays(waiver: Waiver, old: Order, new: Order) -> bool:
    """Whether a waiver outlives a newer content of its order: the fact it speaks of must be the same."""
    if waiver.code is HoldCode.REFUND_REQUESTED:
        return refunds_of(old) <= refunds_of(new) <= waiver.refunds
    if waiver.code is HoldCode.REFUND_UNKNOWN:
        return unknown_refunds_of(new) <= waiver.refunds
    seen = _SEEN.get(waiver.code)
    return seen is not None and seen(old) == seen(new)


def ordered(order: Order) -> tuple[OrderLine, ...]:
    """What the buyer ordered, whatever became of refunds: a withdrawn one changes nothing."""
    return tuple(replace(line, refund_open=False, refunded=False, refund_unknown=False) for line in order.lines)


def _receiver(order: Order) -> object:
    return order.receiver


def _sums(order: Order) -> object:
    return order.totals, ordered(order)


def _texts(order: Order) -> object:
    return order.receiver, order.buyer_memo, order.seller_memo


# What of an order a rule looks at. A code that is not here is asked again with every newer content.
_SEEN: dict[HoldCode, Callable[[Order], object]] = {
    HoldCode.ADDRESS_MISSING: _receiver,
    HoldCode.ADDRESS_VAGUE: _receiver,
    HoldCode.REMOTE_COURIER: _receiver,
    HoldCode.SENSITIVE_WORD: _texts,
    HoldCode.AMOUNT_MISMATCH: _sums,
    HoldCode.APPROVAL_NEEDED: _sums,
}
