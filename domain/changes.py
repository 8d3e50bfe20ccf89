"""What a newer content of an order asks of the fulfillment order that is under way."""

from dataclasses import dataclass

from domain.holds import HoldCode
from domain.order import Order, PlatformState
from domain.states import State
from domain.stock import pieces_of
from domain.waivers import ordered, refunds_of, unknown_refunds_of

# States in which closing takes back no more than a promise of stock.
_CLOSABLE = frozenset({State.PENDING_PAYMENT, State.PAID, State.APPROVED})
_STOPPABLE = frozenset({State.APPROVED, State.ALLOCATED, State.IN_WAREHOUSE, State.PACKED})


@dataclass(frozen=True, slots=True)
class Change:
    """At most one of these: close it, hold it, mark it paid, or review it again. All empty: nothing to do.

    `refunds`: the lines that the hold is for. `reserves_again`: what was promised is no longer what is wanted;
    review follows by itself.
    """

    closes: bool = False
    hold: HoldCode | None = None
    refunds: frozenset[str] = frozenset()
    becomes_paid: bool = False
    review: bool = False
    reserves_again: bool = False


def change(
    old: Order,
    new: Order,
    now: State,
    resume: State | None,
    waived_refunds: frozenset[str] = frozenset(),
    *,
    waived_unknown: frozenset[str] = frozenset(),
) -> Change:
    """Decide by the two contents and the state (`resume`: what a hold interrupted).

    `waived_refunds` a person has let pass, though the old content may not have shown them yet; `waived_unknown` are
    lines of which the platform does not say whether a refund is open.
    A platform that shows the order as shipped after we shipped it tells us nothing new.
    """
    at = resume if now is State.ON_HOLD and resume is not None else now
    if new.state is PlatformState.CLOSED and at in _CLOSABLE:
        return Change(closes=True)
    wants_other = pieces_of(new.lines) != pieces_of(old.lines)
    if at is State.PENDING_PAYMENT:
        if new.state is not PlatformState.UNPAID:
            return Change(becomes_paid=True, reserves_again=wants_other)
        deposit_paid = new.balance_open and not old.balance_open
        return Change(hold=HoldCode.PRESALE_BALANCE_OPEN if deposit_paid else None, reserves_again=wants_other)
    if at is State.PAID:
        return Change(review=True, reserves_again=wants_other)
    return _stop(old, new, waived_refunds, waived_unknown) if at in _STOPPABLE else Change()


def _stop(old: Order, new: Order, waived_refunds: frozenset[str], waived_unknown: frozenset[str]) -> Change:
    """Whether an order that was reviewed before must not go on by itself. Another line's refund is another reason."""
    refunds = refunds_of(new)
    if refunds - refunds_of(old) - waived_refunds:
        return Change(hold=HoldCode.REFUND_REQUESTED, refunds=refunds)
    unknown = unknown_refunds_of(new)
    if unknown - unknown_refunds_of(old) - waived_unknown:
        return Change(hold=HoldCode.REFUND_UNKNOWN, refunds=unknown)
    is_same = new.receiver == old.receiver and new.totals == old.totals and ordered(new) == ordered(old)
    return Change(hold=None if is_same else HoldCode.BUYER_CHANGED)
