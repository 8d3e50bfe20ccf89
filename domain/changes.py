"""What a newer content of an order asks of the fulfillment order that is under way."""

from dataclasses import dataclass

from domain.holds import HoldCode
from domain.order import Order, PlatformState
from domain.states import State

# States in which closing takes back no more than a promise of stock.
_CLOSABLE = frozenset({State.PENDING_PAYMENT, State.PAID, State.APPROVED})
# States in which review looks at the order again by itself.
_REVIEWED_AGAIN = frozenset({State.PENDING_PAYMENT, State.PAID})
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
    if new.state is PlatformState.CLOSED:
        if at in _CLOSABLE:
            return Change(closes=True)
        return Change(hold=HoldCode.REFUND_REQUESTED) if at in _STOPPABLE else Change()
    if now is State.PENDING_PAYMENT:
        return Change(becomes_paid=True) if new.state is not PlatformState.UNPAID else Change()
    if at in _REVIEWED_AGAIN:
        return Change(review=True)
    if at not in _STOPPABLE:
        return Change()
    if _refund_open(new) and not _refund_open(old):
        return Change(hold=HoldCode.REFUND_REQUESTED)
    if new.receiver != old.receiver or new.lines != old.lines or new.totals != old.totals:
        return Change(hold=HoldCode.BUYER_CHANGED)
    return Change()


def _refund_open(order: Order) -> bool:
    return any(line.refund_open or line.refunded for line in order.lines)
