"""What a newer content of an order asks of the fulfillment order that is under way."""

from dataclasses import dataclass

from domain.holds import HoldCode
from domain.order import Order, PlatformState
from domain.states import State

# States in which closing takes back no more than a promise of stock.
_CLOSABLE = frozenset({State.PENDING_PAYMENT, State.PAID, State.APPROVED})
_STOPPABLE = frozenset({State.APPROVED, State.ALLOCATED, State.IN_WAREHOUSE, State.PACKED})


@dataclass(frozen=True, slots=True)
class Change:
    """At most one of these: close it, hold it, mark it paid, or review it again. All empty: nothing to do."""

    closes: bool = False
    hold: HoldCode | None = None
    becomes_paid: bool = False
    review: bool = False


def change(old: Order, new: Order, now: State, resume: State | None) -> Change:
    """Decide by the two contents and the state (`resume`: what a hold interrupted).

    A platform that shows the order as shipped after we shipped it tells us nothing new.
    """
    at = resume if now is State.ON_HOLD and resume is not None else now
    if new.state is PlatformState.CLOSED and at in _CLOSABLE:
        return Change(closes=True)
    if at is State.PENDING_PAYMENT:
        return Change(becomes_paid=new.state is not PlatformState.UNPAID)
    if at is State.PAID:
        return Change(review=True)
    return Change(hold=_why_stop(old, new) if at in _STOPPABLE else None)


def _why_stop(old: Order, new: Order) -> HoldCode | None:
    """Why an order that was reviewed before must not go on by itself."""
    if new.state is PlatformState.CLOSED or (_refund_open(new) and not _refund_open(old)):
        return HoldCode.REFUND_REQUESTED
    is_same = new.receiver == old.receiver and new.lines == old.lines and new.totals == old.totals
    return None if is_same else HoldCode.BUYER_CHANGED


def _refund_open(order: Order) -> bool:
    return any(line.refund_open or line.refunded for line in order.lines)
