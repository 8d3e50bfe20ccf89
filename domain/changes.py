"""What a newer content of an order asks of a fulfillment order that is under way."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from domain.holds import Finding, HoldCode
from domain.lines import is_gone, is_ours, refunded
from domain.order import FulfilledBy, Order, OrderLine, PlatformState
from domain.states import State
from domain.stops import StopCode, StopGoal, StopWish
from domain.waivers import CLOSED, read_named

# Nothing is routed yet in these states, so stock is reserved again for the pieces that the newer content wants.
_BEFORE_REVIEW = frozenset({State.PENDING_PAYMENT, State.PAID})
_AFTER_REVIEW = frozenset({State.APPROVED, State.ALLOCATED, State.IN_WAREHOUSE, State.PACKED})
# An order that its platform shows so is never begun any more.
_NEVER_BEGUN = frozenset({PlatformState.SHIPPED, PlatformState.DONE, PlatformState.CLOSED})
# What the checks of a content find, a newer content may take back. Every other hold is somebody's to release: what a
# courier refused, what a waybill lives for, what the buyer changed after the review.
OF_CONTENT = frozenset(
    {
        HoldCode.ADDRESS_MISSING,
        HoldCode.ADDRESS_VAGUE,
        HoldCode.AMOUNT_MISMATCH,
        HoldCode.APPROVAL_NEEDED,
        HoldCode.CASH_ON_DELIVERY,
        HoldCode.FULFILLER_UNKNOWN,
        HoldCode.PAYMENT_UNCONFIRMED,
        HoldCode.PLATFORM_HOLD,
        HoldCode.PRESALE_BALANCE_OPEN,
        HoldCode.REFUND_REQUESTED,
        HoldCode.REFUND_UNKNOWN,
        HoldCode.SELLER_FLAG,
        HoldCode.SENSITIVE_WORD,
        HoldCode.SHIPPED_ELSEWHERE,
        HoldCode.SKU_UNMAPPED,
    }
)


# Steps whose holds follow the platform's content: the same rules opened them.
OF_THE_RULES = frozenset({"normalize", "review", "label", "dispatch"})


@dataclass(frozen=True, slots=True)
class ChangedPart:
    """A fulfillment order after the newer content has taken pieces from it, or added some.

    `at`: its state, or what a hold interrupts. `has_pieces`: something is left of it. `is_bound`: it has a label, or
    may have one. `pieces_changed`: other pieces by SKU than before. `held_by`: codes of open holds that the rules
    opened, and may take back. `lines`: ids of the lines that it works, or worked, on. `kept_out`: why it is not begun
    though it is paid now, as another system ships it; empty where it is ours. `held_while_closed`: codes of open holds
    that wait for the day on which a kept-out order is begun. `stopped_for`: why its open stop was asked for; None
    without one.
    """

    at: State
    has_pieces: bool
    is_bound: bool
    pieces_changed: bool
    held_by: frozenset[HoldCode] = frozenset()
    lines: frozenset[str] = frozenset()
    kept_out: str = ""
    held_while_closed: frozenset[HoldCode] = frozenset()
    stopped_for: StopCode | None = None


@dataclass(frozen=True, slots=True)
class ChangeActions:
    """What to do with the fulfillment order.

    All fields empty: nothing. `closes`: the reason why it closes. `reserves_again`: the reserved pieces are no longer
    the wanted ones; the review follows without a further request. `releases`: holds whose reason is gone.
    `becomes_paid`: it moves to `paid`, or back to `paid` if no line is ours to ship. `stops`: what is bound is not
    wanted any more, or must be made anew. `withdraws`: the platform's reason for the open stop is gone.
    """

    closes: str = ""
    holds: tuple[Finding, ...] = ()
    releases: frozenset[HoldCode] = frozenset()
    becomes_paid: bool = False
    review: bool = False
    reserves_again: bool = False
    stops: StopWish | None = None
    withdraws: bool = False


def change(old: Order, new: Order, now: ChangedPart, findings: Sequence[Finding]) -> ChangeActions:
    """Decide by the two contents, the standing, and what the checks find in the new content (`domain.review`).

    A platform that shows the order as shipped after we shipped it changes nothing.
    """
    if now.at not in _BEFORE_REVIEW | _AFTER_REVIEW:
        return ChangeActions(releases=now.held_while_closed if new.state in _NEVER_BEGUN else frozenset())
    if (ended := _ended(new, now)) is not None:
        return ended
    if now.at in _BEFORE_REVIEW and not (now.is_bound and new.state is PlatformState.CLOSED):
        return _before_review(old, new, now)
    # What went back to its beginning with a label has something to be stopped.
    return _after_review(old, new, now, findings)


def _ended(new: Order, now: ChangedPart) -> ChangeActions | None:
    """What closes at once, or is nobody's any more."""
    if now.kept_out and _becomes_paid(new, now):
        return ChangeActions(closes=_why_over(new, now.lines) or now.kept_out)
    if now.has_pieces or _may_be_stopped(now):
        return None
    return _of_nothing_left(new, now)


def _after_review(old: Order, new: Order, now: ChangedPart, findings: Sequence[Finding]) -> ChangeActions:
    found = (*findings, *buyer_changed(old, new))
    gone = (now.held_by & OF_CONTENT) - {finding.code for finding in found}
    wish = _wished_stop(new, now, found)
    if wish is not None or now.stopped_for is not None:
        others = tuple(one for one in found if one.code not in now.held_by and not _is_settled_by_stop(one))
        withdraws = wish is None and now.stopped_for is StopCode.REFUND_ASKED
        return ChangeActions(holds=others, releases=gone, stops=wish, withdraws=withdraws)
    if not (now.has_pieces or now.is_bound or found or now.held_by - gone):
        return ChangeActions(closes="nothing_left")
    return ChangeActions(holds=tuple(finding for finding in found if finding.code not in now.held_by), releases=gone)


def _may_be_stopped(now: ChangedPart) -> bool:
    """Whether it is for a stop to end it: something is at a courier or a warehouse, or a stop is open already."""
    return now.is_bound or now.stopped_for is not None


def _wished_stop(new: Order, now: ChangedPart, found: Sequence[Finding]) -> StopWish | None:
    """The stop of what has a label, or may have one; of anything whose stop is open already."""
    if not _may_be_stopped(now):
        return None
    is_outdated = any(map(_is_of_receiver, found))
    refund = next((one for one in found if one.code is HoldCode.REFUND_REQUESTED), None)
    if refund is not None:
        return replace(_refund_stop(new, now, read_named(refund.facts)), is_outdated=is_outdated)
    if not now.has_pieces:
        return StopWish(StopCode.REFUND_PAID, StopGoal.CLOSE)
    return StopWish(StopCode.ADDRESS_CHANGED, StopGoal.REBUILD, is_outdated=True) if is_outdated else None


def _is_settled_by_stop(found: Finding) -> bool:
    """Whether a stop does what a finding asks for. Other pieces or sums are for a person: what was bought is another
    thing then.
    """
    return found.code is HoldCode.REFUND_REQUESTED or _is_of_receiver(found)


def _is_of_receiver(found: Finding) -> bool:
    return found.code is HoldCode.BUYER_CHANGED and found.facts.get("changed") == "receiver"


def _refund_stop(new: Order, now: ChangedPart, named: frozenset[str]) -> StopWish:
    if CLOSED in named:
        return StopWish(StopCode.CLOSED_BY_PLATFORM, StopGoal.CLOSE)
    lines = () if now.lines <= named else tuple(sorted(named & now.lines))
    if named <= refunded(new):
        return StopWish(StopCode.REFUND_PAID, StopGoal.CLOSE, lines)
    # It may be withdrawn: the order waits for the decision where it would have waited before its label.
    return StopWish(StopCode.REFUND_ASKED, StopGoal.REBUILD, lines)


def _of_nothing_left(new: Order, now: ChangedPart) -> ChangeActions | None:
    reason = _why_over(new, now.lines)
    if reason:
        return ChangeActions(closes=reason)
    if not _is_any_ours(new):
        is_paid = now.at is not State.PENDING_PAYMENT or _becomes_paid(new, now)
        return ChangeActions(becomes_paid=is_paid, releases=now.held_by & OF_CONTENT)
    return None


def _before_review(old: Order, new: Order, now: ChangedPart) -> ChangeActions:
    if now.at is State.PAID:
        return ChangeActions(review=True, reserves_again=now.pieces_changed)
    if _becomes_paid(new, now):
        return ChangeActions(becomes_paid=True, review=True, reserves_again=now.pieces_changed)
    deposit_paid = new.balance_open and not old.balance_open
    held = (Finding(HoldCode.PRESALE_BALANCE_OPEN, {}, "normalize.presale_balance_open"),) if deposit_paid else ()
    return ChangeActions(holds=held, reserves_again=now.pieces_changed)


def refund_withdrawn(old: Order, new: Order, line_ids: frozenset[str]) -> bool:
    """Whether a refund for one of the lines was asked for or paid, and none is now."""
    before = {line.line_id for line in old.lines if line.line_id in line_ids and (line.refund_open or line.refunded)}
    now = [line for line in new.lines if line.line_id in line_ids]
    is_any_left = any(line.refund_open or line.refund_unknown for line in now)
    return not is_any_left and any(line.line_id in before and not line.refunded for line in now)


def buyer_changed(old: Order, new: Order) -> tuple[Finding, ...]:
    """At most one finding: the receiver, the sums, or the wanted pieces differ from what was reviewed.

    A paid refund removes its line and its money; this does not count as a change by the buyer.
    """
    changed = []
    if new.receiver != old.receiver:
        changed.append("receiver")
    left = {line.line_id for line in new.lines if not (is_gone(line) or line.is_missing)}
    if _bought(old, left) != _bought(new, left):
        changed.append("lines")
    if new.totals != old.totals and refunded(new) == refunded(old):
        changed.append("sums")
    facts = {"changed": ",".join(changed)}
    return (Finding(HoldCode.BUYER_CHANGED, facts, "changes.buyer_changed"),) if changed else ()


def _bought(order: Order, line_ids: set[str]) -> tuple[OrderLine, ...]:
    """What the buyer bought in some lines, regardless of later refunds and shipments."""
    return tuple(
        replace(
            line,
            refund_open=False,
            refunded=False,
            refund_unknown=False,
            fulfilled_by=FulfilledBy.MERCHANT,
            shipped=0,
            waybill="",
            is_missing=False,
        )
        for line in order.lines
        if line.line_id in line_ids
    )


def _is_any_ours(order: Order) -> bool:
    return any(is_ours(line) for line in order.lines)


def _becomes_paid(new: Order, now: ChangedPart) -> bool:
    return now.at is State.PENDING_PAYMENT and new.state is not PlatformState.UNPAID


def _why_over(new: Order, lines: frozenset[str]) -> str:
    """Why a fulfillment order without remaining pieces is over; empty if it is not over."""
    if not _is_any_ours(new):
        return "not_ours" if new.state in {PlatformState.DONE, PlatformState.CLOSED} else ""
    if new.state is PlatformState.CLOSED:
        return "closed_by_platform"
    if new.state is PlatformState.DONE:
        return "completed_elsewhere"
    mine = [line for line in new.lines if (line.line_id in lines if lines else is_ours(line))]
    if not all(is_gone(line) for line in mine):
        # A shipment that is not ours waits for a person.
        return ""
    return "refunded" if any(line.refunded for line in mine) else "nothing_left"
