"""What every platform's order must satisfy on its way in: tidy texts, sums that add up, a first state."""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from domain.errors import Facts
from domain.holds import Finding, HoldCode
from domain.lines import is_ours
from domain.money import Money
from domain.order import Order, OrderType, PlatformState
from domain.states import State
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
    """Whether the sums add up: none, or one finding ``amount_mismatch`` with every difference."""
    facts = dict(_differences(order))
    return (Finding(HoldCode.AMOUNT_MISMATCH, facts, "normalize.sums"),) if facts else ()


def _differences(order: Order) -> Iterator[tuple[str, int | str]]:
    totals = order.totals
    lines = [line for line in order.lines if not line.is_missing]
    if not lines:
        yield "lines", 0
    bad_quantities = sum(line.quantity < 1 for line in order.lines)
    if bad_quantities:
        yield "lines_without_quantity", bad_quantities
    amounts = [totals.goods, totals.discount, totals.freight, totals.tax, totals.payable, totals.paid]
    amounts += [line.paid for line in order.lines] + [line.unit_price for line in order.lines]
    currencies = {amount.currency for amount in amounts}
    if len(currencies) > 1:
        yield "currencies", len(currencies)
        return
    if any(amount.minor < 0 for amount in amounts):
        yield "negative_amounts", sum(amount.minor < 0 for amount in amounts)
    extras = totals.freight.minor + totals.tax.minor
    lines_off = _minor(line.paid for line in order.lines) + extras - totals.payable.minor
    if abs(lines_off) > _TOLERANCE_MINOR:
        yield "lines_off_minor", lines_off
    # Some payloads carry no breakdown of the goods; both sums are zero then.
    if totals.goods.minor or totals.discount.minor:
        totals_off = totals.goods.minor - totals.discount.minor + extras - totals.payable.minor
        if abs(totals_off) > _TOLERANCE_MINOR:
            yield "totals_off_minor", totals_off


def _minor(amounts: Iterable[Money]) -> int:
    return sum(amount.minor for amount in amounts)


@dataclass(frozen=True, slots=True)
class Intake:
    """How a new order enters. `on_hold` interrupts `paid`; `reason` says why it is closed or held.

    A hold on an unpaid order stands beside its state.
    """

    state: State
    holds: tuple[Finding, ...] = ()
    reason: str = ""


_AT_REST = {
    PlatformState.UNPAID: Intake(State.PENDING_PAYMENT),
    PlatformState.TO_SHIP: Intake(State.PAID),
    # The platform's own hold is a finding of review, after the stock is safe.
    PlatformState.HOLD: Intake(State.PAID),
    PlatformState.DONE: Intake(State.CLOSED, reason="completed_elsewhere"),
    PlatformState.CLOSED: Intake(State.CLOSED, reason="closed_by_platform"),
}


def initial_state(order: Order, joined_at: datetime | None = None) -> Intake:
    """The state of an order we see for the first time.

    The platform only proposes: an order it shows as shipped, though we did not ship it, waits for a
    person, unless it was shipped before the shop joined us (`joined_at`); one that is over needs nothing
    of us and is closed. Cash on delivery never waits for payment.
    """
    if order.state is PlatformState.SHIPPED and joined_at is not None and order.updated_at < joined_at:
        return Intake(State.CLOSED, reason="shipped_before_joining")
    if order.state is PlatformState.UNPAID and order.order_type is OrderType.COD:
        return Intake(State.PAID)
    if order.state is PlatformState.UNPAID and order.balance_open:
        held = Finding(HoldCode.PRESALE_BALANCE_OPEN, {}, "normalize.presale_balance_open")
        return Intake(State.PENDING_PAYMENT, (held,), HoldCode.PRESALE_BALANCE_OPEN.value)
    if order.state in _AT_REST:
        return _AT_REST[order.state]
    lines = [line.line_id for line in order.lines if line.shipped and is_ours(line)]
    return Intake(State.ON_HOLD, (shipped_elsewhere(order.state, lines),), HoldCode.SHIPPED_ELSEWHERE.value)


def shipped_elsewhere(state: PlatformState, lines: Iterable[str] = ()) -> Finding:
    """The finding for lines that the platform shows as shipped though we did not ship them; `state`: the order's."""
    facts: Facts = {"platform_state": state.value, **line_facts(lines or (SOME_LINE,))}
    return Finding(HoldCode.SHIPPED_ELSEWHERE, facts, "normalize.platform_state")
