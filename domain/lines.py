"""Pieces of an order's lines: what we still have to ship, and how a newer content changes the plan.

The sums of one line, at every commit: planned + cancelled + elsewhere <= quantity. *Planned* pieces are in fulfillment
orders that are not closed, *cancelled* pieces are no longer shipped, and pieces *elsewhere* were shipped by somebody
else.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from domain.order import FulfilledBy, Order, OrderLine, PlatformState

# Lines that we plan. If it is unknown who ships a line, its stock stays reserved and the order is held.
_OURS = frozenset({FulfilledBy.MERCHANT, FulfilledBy.UNKNOWN})


def is_ours(line: OrderLine) -> bool:
    """Whether we ship the line, as far as we know."""
    return line.fulfilled_by in _OURS


def is_gone(line: OrderLine) -> bool:
    """Whether we no longer have to ship the line: refunded, closed, or shipped by somebody else.

    A line that the newest content leaves out is not gone: its state is unknown, so the order is held.
    """
    return line.refunded or not is_ours(line)


def refunded(order: Order) -> frozenset[str]:
    """Lines whose refund was paid, or that the platform closed."""
    return frozenset(line.line_id for line in order.lines if line.refunded)


def with_missing(old: Order, new: Order) -> Order:
    """The newer content, plus the lines that it leaves out, marked as missing: their state is unknown."""
    shown = {line.line_id for line in new.lines}
    missing = tuple(replace(line, is_missing=True) for line in old.lines if line.line_id not in shown)
    return replace(new, lines=(*new.lines, *missing)) if missing else new


@dataclass(frozen=True, slots=True)
class Tally:
    """How many pieces of one line are planned, cancelled, and shipped by somebody else."""

    planned: int
    cancelled: int
    elsewhere: int


def first_tally(order: Order, line: OrderLine) -> Tally:
    """The tally of a line seen for the first time: shipped pieces were not shipped by us."""
    elsewhere = min(line.shipped, line.quantity) if is_ours(line) else 0
    if order.state is PlatformState.CLOSED or is_gone(line):
        return Tally(0, line.quantity - elsewhere if is_ours(line) else 0, elsewhere)
    return Tally(line.quantity - elsewhere, 0, elsewhere)


@dataclass(frozen=True, slots=True)
class Planned:
    """Pieces of one line in one fulfillment order. `bound`: those in a package that has, or may have, a label."""

    fulfillment_order_id: int
    line_id: str
    quantity: int
    bound: int = 0
    is_closed: bool = False


@dataclass(frozen=True, slots=True)
class Replan:
    """What a newer content leaves of the plan of an order.

    `quantities`: new pieces by (fulfillment order, line), only where they change. `added`: pieces by line that no
    fulfillment order has yet. `tallies`: by line. `excess`: pieces by line that are bound though nobody wants them.
    """

    quantities: Mapping[tuple[int, str], int]
    added: Mapping[str, int]
    tallies: Mapping[str, Tally]
    excess: Mapping[str, int]


def replan(order: Order, planned: Sequence[Planned], own: Mapping[str, int], *, may_grow: bool) -> Replan:
    """`own`: pieces by line that the platform shows as shipped under a number of ours.

    `may_grow`: some fulfillment order is still open; to an ended order no pieces are added.

    Pieces are taken only from pieces that are not bound, from the youngest fulfillment order first. A closed
    fulfillment order stays closed.
    """
    quantities: dict[tuple[int, str], int] = {}
    added: dict[str, int] = {}
    tallies: dict[str, Tally] = {}
    excess: dict[str, int] = {}
    for line in order.lines:
        mine = [one for one in planned if one.line_id == line.line_id]
        live = [one for one in mine if not one.is_closed]
        closed = sum(one.quantity for one in mine if one.is_closed)
        elsewhere = max(0, line.shipped - own.get(line.line_id, 0)) if is_ours(line) else 0
        gone = order.state is PlatformState.CLOSED or is_gone(line)
        target = 0 if gone else max(0, line.quantity - elsewhere - closed)
        now = sum(one.quantity for one in live)
        bound = sum(one.bound for one in live)
        after = max(target, bound) if may_grow else max(min(target, now), bound)
        if bound > target:
            excess[line.line_id] = bound - target
        if after > now:
            added[line.line_id] = after - now
        surplus = now - after
        for one in sorted(live, key=lambda one: one.fulfillment_order_id, reverse=True):
            taken = min(max(0, surplus), one.quantity - one.bound)
            if taken:
                quantities[one.fulfillment_order_id, one.line_id] = one.quantity - taken
                surplus -= taken
        room = max(0, line.quantity - after)
        elsewhere = min(elsewhere, room)
        is_over = is_ours(line) and (gone or not may_grow)
        cancelled = min(room - elsewhere, room if is_over else closed)
        tallies[line.line_id] = Tally(after, cancelled, elsewhere)
    return Replan(quantities, added, tallies, excess)


def pieces_by_sku(order: Order, quantities: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Pieces by SKU of (line, pieces) pairs; a line without a SKU counts under ``""``."""
    skus = {line.line_id: line.sku for line in order.lines}
    pieces: dict[str, int] = {}
    for line_id, quantity in quantities:
        if quantity > 0:
            sku = skus.get(line_id, "")
            pieces[sku] = pieces.get(sku, 0) + quantity
    return pieces
