"""Checks of every order that comes in, for all platforms: tidy texts, sums that add up, and the first state."""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from domain.errors import Facts
from domain.holds import Finding, HoldCode
from domain.lines import is_gone, is_ours
from domain.money import Money
from domain.order import Order, OrderLine, OrderType, PlatformState
from domain.states import State
from domain.take_over import NOTHING_KNOWN, TakeOver, why_kept_out
from domain.waivers import SOME_LINE, line_facts

# Platforms round each line's share on its own; one minor unit may be lost over an order.
_TOLERANCE_MINOR = 1
# Control, format (zero-width, bidirectional) and lone surrogate characters; Postgres refuses NUL and surrogates.
_DROPPED = frozenset({"Cc", "Cf", "Cs"})


def tidy(text: str, limit: int) -> str:
    """One line of visible text of at most `limit` characters; what is cut stays in the raw payload."""
    if not text.isprintable():
        text = "".join(_visible(text))
    return " ".join(text.split())[:limit].rstrip()


def _visible(text: str) -> Iterator[str]:
    for character in text:
        if character.isspace():
            yield " "
        elif unicodedata.category(character) not in _DROPPED:
            yield character


def inspect(order: Order) -> tuple[Finding, ...]:
    """Whether the sums add up: none, or one finding ``amount_mismatch`` with every difference.

    Of an order that is not paid yet the lines' shares need not make the sum: platforms divide it when it is paid.
    """
    facts = dict(_differences(order))
    return (Finding(HoldCode.AMOUNT_MISMATCH, facts, "normalize.sums"),) if facts else ()


def _differences(order: Order) -> Iterator[tuple[str, int | str]]:
    totals = order.totals
    # The sums of a content speak of the lines that it shows.
    lines = [line for line in order.lines if not line.is_missing]
    if not lines:
        yield "lines", 0
    bad_quantities = sum(line.quantity < 1 for line in lines)
    if bad_quantities:
        yield "lines_without_quantity", bad_quantities
    extras = (totals.freight, totals.tax, totals.fees)
    amounts = [totals.goods, totals.discount, totals.services, *extras, totals.payable, totals.paid]
    amounts += [line.paid for line in lines] + [line.unit_price for line in lines]
    currencies = {amount.currency for amount in amounts}
    if len(currencies) > 1:
        yield "currencies", len(currencies)
        return
    if any(amount.minor < 0 for amount in amounts):
        yield "negative_amounts", sum(amount.minor < 0 for amount in amounts)
    beside = _minor(extras)
    lines_off = _lines_off(lines, totals.payable.minor - beside)
    if abs(lines_off) > _TOLERANCE_MINOR and not is_unpaid(order):
        yield "lines_off_minor", lines_off
    # Some payloads carry no breakdown of the goods; both sums are zero then.
    if totals.goods.minor or totals.discount.minor:
        parts = totals.goods.minor - totals.discount.minor + totals.services.minor + beside
        if abs(parts - totals.payable.minor) > _TOLERANCE_MINOR:
            yield "totals_off_minor", parts - totals.payable.minor


def _lines_off(lines: Sequence[OrderLine], owed: int) -> int:
    """By how much the lines' shares miss what is owed for them.

    Whether a refund that was paid has left the sum is not known: the sum may lack anything up to the refunded shares.
    """
    most = _minor(line.paid for line in lines)
    least = most - _minor(line.paid for line in lines if line.refunded)
    return min(max(owed, least), most) - owed if least <= most else most - owed


def _minor(amounts: Iterable[Money]) -> int:
    return sum(amount.minor for amount in amounts)


@dataclass(frozen=True, slots=True)
class InitialState:
    """The first state of a new order.

    `on_hold` interrupts `paid`; `reason` says why the order is closed or held. A hold on an unpaid order leaves its
    state unchanged.
    """

    state: State
    holds: tuple[Finding, ...] = ()
    reason: str = ""


_ENDED = {PlatformState.DONE: "completed_elsewhere", PlatformState.CLOSED: "closed_by_platform"}
# The reason of an order of which we ship nothing.
NOT_OURS = "not_ours"


def initial_state(order: Order, shop: TakeOver = NOTHING_KNOWN) -> InitialState:
    """The state of an order we see for the first time.

    The platform only proposes: an order of ours that it shows as shipped, though we did not ship it, waits for a
    person, unless it was shipped before the shop joined us; one that is over needs nothing of us and is closed. What
    another system ships (`shop`) is closed too, with the reason for it. Cash on delivery never waits for payment. The
    review judges the platform's own hold, after the stock is reserved.

    An order of which we ship nothing stays open without a hold until the platform shows its end: reason ``not_ours``.
    """
    is_others = bool(order.lines) and not any(is_ours(line) for line in order.lines)
    over = (NOT_OURS if order.state in _ENDED else "") if is_others else _why_over(order, shop.joined_at)
    over = over or why_kept_out(order, shop, is_unpaid=is_unpaid(order))
    if over:
        return InitialState(State.CLOSED, reason=over)
    if is_others:
        return InitialState(State.PENDING_PAYMENT if is_unpaid(order) else State.PAID, reason=NOT_OURS)
    if is_unpaid(order):
        return _unpaid(order)
    elsewhere = lines_elsewhere(order)
    if elsewhere:
        found = shipped_elsewhere(order.state, elsewhere)
        return InitialState(State.ON_HOLD, (found,), HoldCode.SHIPPED_ELSEWHERE.value)
    return InitialState(State.PAID)


def _why_over(order: Order, joined_at: datetime | None) -> str:
    """Why an order needs no more work from us; empty if it does."""
    if order.state in _ENDED:
        return _ENDED[order.state]
    if order.state is PlatformState.SHIPPED and joined_at is not None and order.updated_at < joined_at:
        return "shipped_before_joining"
    return "refunded" if order.lines and all(is_gone(line) for line in order.lines) else ""


def _unpaid(order: Order) -> InitialState:
    if not order.balance_open:
        return InitialState(State.PENDING_PAYMENT)
    held = Finding(HoldCode.PRESALE_BALANCE_OPEN, {}, "normalize.presale_balance_open")
    return InitialState(State.PENDING_PAYMENT, (held,), HoldCode.PRESALE_BALANCE_OPEN.value)


def is_unpaid(order: Order) -> bool:
    """Whether the order waits for its payment; cash on delivery never does."""
    return order.state is PlatformState.UNPAID and order.order_type is not OrderType.COD


_LEFT = frozenset({PlatformState.PART_SHIPPED, PlatformState.SHIPPED, PlatformState.DONE})
_LEFT_WHOLE = _LEFT - {PlatformState.PART_SHIPPED}
_NONE_OWN: Mapping[str, int] = MappingProxyType({})


def lines_elsewhere(order: Order, own: Mapping[str, int] = _NONE_OWN) -> tuple[str, ...]:
    """Lines of ours that somebody else has shipped. `own`: pieces by line that are shipped under numbers of ours.

    `SOME_LINE` where the order's state says shipped and no line does, or none that could be meant.
    """
    ours = [line for line in order.lines if is_ours(line)]
    named = tuple(line.line_id for line in ours if line.shipped > own.get(line.line_id, 0))
    if named or own or order.state not in _LEFT or (order.lines and not ours):
        return named
    explaining = ours if order.state in _LEFT_WHOLE else order.lines
    return () if any(line.shipped for line in explaining) else (SOME_LINE,)


def shipped_elsewhere(state: PlatformState, lines: Iterable[str] = ()) -> Finding:
    """The finding for lines that the platform shows as shipped though we did not ship them; `state`: the order's."""
    facts: Facts = {"platform_state": state.value, **line_facts(lines or (SOME_LINE,))}
    return Finding(HoldCode.SHIPPED_ELSEWHERE, facts, "normalize.platform_state")
