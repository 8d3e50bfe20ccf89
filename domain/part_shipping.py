"""Which pieces of an order are shipped while its other pieces wait for stock or for the answer to a refund."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.errors import Facts
from domain.holds import HoldCode
from domain.lines import is_gone
from domain.order import OrderLine
from domain.routing import Unroutable
from domain.rules import RefundScope, RuleSet, WhenShort
from domain.splitting import SplitLimits, Want, check_wants, short_of

# The values of `part_refused`, beside the limits of a split.
NOTHING_IN_STOCK, NOTHING_PAID = "nothing_in_stock", "nothing_paid"


@dataclass(frozen=True, slots=True)
class Cut:
    """Pieces by line that go `now`, and those `waiting` for stock, of which `short` tells (SKU have/need)."""

    now: Mapping[str, int]
    waiting: Mapping[str, int]
    short: str = ""


def cut_by_stock(
    wants: Sequence[Want],
    available: Mapping[str, int],
    rules: RuleSet,
    *,
    divides_lines: bool,
    parts_made: int = 0,
) -> Cut | Unroutable:
    """The pieces of an order that the stock of a pool (`available` pieces by SKU) can fill now; all pieces if the stock
    suffices.

    Lines take their turn in the order of the order, each whole or, where lines are divided, with the pieces that are
    there. An order that is short is cut only where ``when_short`` says so and the limits allow: the part that waits
    counts as a part and may not be below the least value either. Else the hold tells ``short``, and ``part_refused``.

    Raises ValueError as `domain.splitting.split` does.
    """
    check_wants(wants)
    left = dict(available)
    now: dict[str, int] = {}
    for want in wants:
        free = left.get(want.sku, 0)
        takes = min(want.quantity, free) if divides_lines or free >= want.quantity else 0
        if takes > 0:
            now[want.line_id] = takes
            left[want.sku] = free - takes
    waiting = rest_of(wants, now)
    if not waiting:
        return Cut(now, {})
    short = short_of(wants, available)
    facts: Facts = {"split_needed": False, "short": short}
    if rules.routing.split.when_short is WhenShort.HOLD:
        return Unroutable(HoldCode.STOCK_SHORT_PAID, facts)
    refused = refusal_of_cut(wants, (now,), waiting, SplitLimits.of(wants, rules, parts_made))
    return Unroutable(HoldCode.STOCK_SHORT_PAID, {**facts, **refused}) if refused else Cut(now, waiting, short)


def rest_of(wants: Sequence[Want], now: Mapping[str, int]) -> dict[str, int]:
    """Pieces by line that do not go now."""
    return {want.line_id: rest for want in wants if (rest := want.quantity - now.get(want.line_id, 0))}


def refusal_of_cut(
    wants: Sequence[Want], parts: Sequence[Mapping[str, int]], waiting: Mapping[str, int], limits: SplitLimits
) -> Facts:
    """Why `parts` (pieces by line) must not go while `waiting` stays; empty where they may.

    A gift (a line that nobody paid for) is not shipped before the goods.
    """
    values = [value_of_pieces(wants, pieces) for pieces in (*parts, waiting)]
    if not any(parts):
        return {"part_refused": NOTHING_IN_STOCK}
    if not any(values[:-1]) and values[-1]:
        return {"part_refused": NOTHING_PAID}
    if len(values) > limits.parts:
        return part_refusal(limits.by_parts(len(values)))
    if min(values) < limits.value.minor:
        return part_refusal(limits.by_value(min(values)))
    return {}


def part_refusal(split_refusal: Facts) -> Facts:
    """The facts of a split that a limit refused, as the reason why no part of an order goes."""
    facts = dict(split_refusal)
    del facts["split_needed"]
    return {"part_refused": facts.pop("split_refused"), **facts}


def value_of_pieces(wants: Sequence[Want], pieces: Mapping[str, int]) -> int:
    """Minor units; each line's share is rounded down."""
    return sum(want.as_item().share(pieces.get(want.line_id, 0)) for want in wants)


def lines_held_back(lines: Sequence[OrderLine], refunds: frozenset[str], rules: RuleSet) -> frozenset[str]:
    """Ids of an order's lines that stay while a refund is asked; the others go on.

    `refunds`: what is in refund as `domain.waivers.refunds_of` names it, without what a person has let pass. Lines that
    are gone anyway count for nothing. A refund that names no line of the order holds all, and gifts never go alone.
    """
    gone = frozenset(line.line_id for line in lines if is_gone(line))
    wanted = [line for line in lines if line.line_id not in gone]
    everything = frozenset(line.line_id for line in wanted)
    asked = refunds - gone
    if not asked:
        return frozenset()
    if rules.review.refund_asked_holds is RefundScope.ORDER or asked - everything:
        return everything
    goes_on = [line for line in wanted if line.line_id not in asked]
    return everything if all(line.is_gift for line in goes_on) else asked
