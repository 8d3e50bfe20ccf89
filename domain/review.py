"""Whether an order may continue without a person. Every rule that can hold it is checked independently."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from domain.errors import Facts
from domain.holds import Finding, HoldCode
from domain.lines import is_gone, is_ours, refunded
from domain.normalize import inspect, lines_elsewhere, shipped_elsewhere
from domain.order import FulfilledBy, Order, OrderLine, OrderType, Pii, PlatformState
from domain.part_shipping import lines_held_back
from domain.regions import country_of
from domain.rules import RuleSet
from domain.stock import Reservation
from domain.waivers import CLOSED, Waiver, covers, line_facts, refund_facts, refunds_of, unknown_refunds_of

_HOLDS_STOCK = frozenset({Reservation.RESERVED, Reservation.ALLOCATED})


@dataclass(frozen=True, slots=True)
class ReviewFacts:
    """What the review must know beside the order.

    `waivers`: the findings that people waived for this content. `own`: pieces by line that are shipped under numbers of
    ours. `excess`: lines of which more is labelled than is wanted.
    `lines`: those that the fulfillment order works on; None: all of the order.
    """

    reservation: Reservation
    waivers: tuple[Waiver, ...] = ()
    own: Mapping[str, int] = field(default_factory=dict)
    excess: frozenset[str] = frozenset()
    lines: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """At most one finding for each code; approved when there is none."""

    holds: tuple[Finding, ...]
    approved: bool


def review(order: Order, facts: ReviewFacts, rules: RuleSet) -> Review:
    """Look at everything, so that a person sees all reasons at once."""
    findings = (finding for check in _CHECKS for finding in check(order, facts, rules))
    holds = tuple(finding for finding in findings if not covers(facts.waivers, finding.code, finding.facts))
    return Review(holds, approved=not holds)


def _address_missing(order: Order, _facts: ReviewFacts, _rules: RuleSet) -> Iterator[Finding]:
    receiver = order.receiver
    required = {"province": receiver.province, "city": receiver.city or receiver.district}
    # Platforms give no more than this about a receiver abroad.
    required["country"] = country_of(receiver.province)
    # A platform may give the hidden fields only for the label, in exchange for its token.
    if receiver.pii is not Pii.ABSENT or not receiver.merge_token:
        required |= {"name": receiver.name, "phone": receiver.phone, "detail": receiver.detail}
    missing = [name for name, value in required.items() if not value]
    if missing:
        yield Finding(HoldCode.ADDRESS_MISSING, {"fields": ",".join(missing)}, "review.address_missing")


def _address_vague(order: Order, _facts: ReviewFacts, rules: RuleSet) -> Iterator[Finding]:
    receiver = order.receiver
    if receiver.pii is Pii.CIPHER or not receiver.detail:
        return
    words = rules.review.vague_words
    hit = _first_word({"detail": receiver.detail, "town": receiver.town}, words)
    if hit is not None:
        field, index = hit
        yield Finding(HoldCode.ADDRESS_VAGUE, {"fields": field}, f"review.vague_words[{index}]")
    elif "*" not in receiver.detail and len(receiver.detail) < rules.review.detail_min_chars:
        yield Finding(HoldCode.ADDRESS_VAGUE, {"fields": "detail"}, "review.detail_min_chars")


def _payment_unconfirmed(order: Order, _facts: ReviewFacts, _rules: RuleSet) -> Iterator[Finding]:
    totals = order.totals
    if order.order_type is OrderType.COD or order.balance_open:
        return
    unrecorded = order.paid_at is None and totals.payable.minor != 0
    if unrecorded or totals.paid != totals.payable:
        sums: Facts = {"paid": str(totals.paid), "payable": str(totals.payable), "payment_time": not unrecorded}
        yield Finding(HoldCode.PAYMENT_UNCONFIRMED, sums, "review.payment_unconfirmed")


def _presale_balance_open(order: Order, _facts: ReviewFacts, _rules: RuleSet) -> Iterator[Finding]:
    if order.balance_open:
        yield Finding(HoldCode.PRESALE_BALANCE_OPEN, {}, "review.presale_balance_open")


def _refund_requested(order: Order, facts: ReviewFacts, rules: RuleSet) -> Iterator[Finding]:
    asked = refunds_of(order)
    held_back = lines_held_back(order.lines, asked, rules)
    if facts.lines is not None and not held_back & facts.lines and CLOSED not in asked:
        asked = frozenset()
    refunds = asked | (facts.excess & refunded(order))
    if refunds:
        yield Finding(HoldCode.REFUND_REQUESTED, refund_facts(refunds), "review.refund_requested")


def _refund_unknown(order: Order, _facts: ReviewFacts, _rules: RuleSet) -> Iterator[Finding]:
    unknown = unknown_refunds_of(order)
    if unknown:
        yield Finding(HoldCode.REFUND_UNKNOWN, refund_facts(unknown), "review.refund_unknown")


def _platform_hold(order: Order, _facts: ReviewFacts, _rules: RuleSet) -> Iterator[Finding]:
    if order.platform_hold or order.state is PlatformState.HOLD:
        yield Finding(HoldCode.PLATFORM_HOLD, {}, "review.platform_hold")


def _shipped_elsewhere(order: Order, facts: ReviewFacts, _rules: RuleSet) -> Iterator[Finding]:
    lines = lines_elsewhere(order, facts.own)
    if lines:
        yield shipped_elsewhere(order.state, lines)


def _fulfiller_unknown(order: Order, facts: ReviewFacts, _rules: RuleSet) -> Iterator[Finding]:
    unknown = [line.line_id for line in _wanted(order) if line.fulfilled_by is FulfilledBy.UNKNOWN]
    # The platform says that somebody else ships the line, but our package contains it.
    unknown += [line.line_id for line in order.lines if line.line_id in facts.excess and not is_ours(line)]
    if unknown:
        yield Finding(HoldCode.FULFILLER_UNKNOWN, line_facts(unknown), "review.fulfiller_unknown")


def _cash_on_delivery(order: Order, _facts: ReviewFacts, _rules: RuleSet) -> Iterator[Finding]:
    totals = order.totals
    if order.order_type is OrderType.COD and totals.paid.minor < totals.payable.minor and any(_wanted(order)):
        sums: Facts = {"paid": str(totals.paid), "payable": str(totals.payable)}
        yield Finding(HoldCode.CASH_ON_DELIVERY, sums, "review.cash_on_delivery")


def _wanted(order: Order) -> Iterator[OrderLine]:
    """Lines that are ours to ship, and that nobody has taken back."""
    return (line for line in order.lines if not is_gone(line))


def _amount_mismatch(order: Order, _facts: ReviewFacts, _rules: RuleSet) -> Iterator[Finding]:
    yield from inspect(order)


def _sensitive_word(order: Order, _facts: ReviewFacts, rules: RuleSet) -> Iterator[Finding]:
    texts = {
        "buyer_memo": order.buyer_memo,
        "seller_memo": order.seller_memo,
        "name": order.receiver.name,
        "detail": order.receiver.detail,
    }
    hit = _first_word(texts, rules.review.sensitive_words)
    if hit is not None:
        field, index = hit
        # The list may hold names of people: the finding gives the word's place, not the word.
        yield Finding(HoldCode.SENSITIVE_WORD, {"fields": field}, f"review.sensitive_words[{index}]")


def _seller_flag(order: Order, _facts: ReviewFacts, rules: RuleSet) -> Iterator[Finding]:
    if order.seller_flag in rules.review.held_flags:
        yield Finding(HoldCode.SELLER_FLAG, {"flag": order.seller_flag}, "review.held_flags")


def _first_word(texts: dict[str, str], words: Sequence[str]) -> tuple[str, int] | None:
    for name, text in texts.items():
        folded = text.casefold()
        for index, word in enumerate(words):
            if word in folded:
                return name, index
    return None


def _approval_needed(order: Order, _facts: ReviewFacts, rules: RuleSet) -> Iterator[Finding]:
    payable = order.totals.payable
    limit = rules.review.approval_above.get(payable.currency)
    if limit is not None and payable.minor > limit:
        yield Finding(HoldCode.APPROVAL_NEEDED, {"payable": str(payable)}, f"review.approval_above.{payable.currency}")


def _stock(order: Order, facts: ReviewFacts, _rules: RuleSet) -> Iterator[Finding]:
    mine = [line for line in _wanted(order) if facts.lines is None or line.line_id in facts.lines]
    wanted = [line for line in mine if line.shipped < line.quantity]
    if not wanted:
        return
    unnamed = [line.line_id for line in wanted if not line.sku]
    if facts.reservation is Reservation.UNMAPPED or unnamed:
        yield Finding(HoldCode.SKU_UNMAPPED, {"lines": ",".join(unnamed)}, "review.sku_unmapped")
    elif facts.reservation not in _HOLDS_STOCK:
        yield Finding(HoldCode.STOCK_SHORT_PAID, {}, "review.stock_short_paid")


_CHECKS: tuple[Callable[[Order, ReviewFacts, RuleSet], Iterator[Finding]], ...] = (
    _address_missing,
    _address_vague,
    _payment_unconfirmed,
    _presale_balance_open,
    _refund_requested,
    _refund_unknown,
    _platform_hold,
    _shipped_elsewhere,
    _fulfiller_unknown,
    _cash_on_delivery,
    _amount_mismatch,
    _sensitive_word,
    _seller_flag,
    _approval_needed,
    _stock,
)
