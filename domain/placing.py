"""Where a fulfillment order is shipped from: one location, several locations, or a part from stock while the other part
waits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from domain.errors import Facts
from domain.holds import HoldCode
from domain.order import Address
from domain.part_shipping import NOTHING_IN_STOCK, part_refusal, refusal_of_cut, rest_of
from domain.routing import Candidate, Route, Unroutable, route, together, trip_to
from domain.rules import RuleSet, WhenShort
from domain.split_search import RefusedSplit
from domain.splitting import (
    MAX_PARTS,
    UNDIVIDED_LINE,
    Part,
    Reach,
    SplitLimits,
    Want,
    listed,
    parts_of,
    pieces_of,
    reach_of,
    short_of,
    split,
)


@dataclass(frozen=True, slots=True)
class Placement:
    """The parts to ship now, best-ranked location first, and pieces by line that are `waiting` for stock.

    `short` tells what is missing (SKU have/need at the locations that could ship); both are empty as a rule.
    """

    parts: tuple[Part, ...]
    waiting: Mapping[str, int] = field(default_factory=dict)
    short: str = ""


def choose_placement(
    wants: Sequence[Want],
    receiver: Address,
    candidates: Sequence[Candidate],
    rules: RuleSet,
    *,
    divides_lines: bool,
    seller_memo: str = "",
    waived: frozenset[HoldCode] = frozenset(),
    parts_made: int = 0,
) -> Placement | Unroutable:
    """One location if any can ship everything, else a split (see `split`), else what the rules say of a short order."""
    pieces = {want.line_id: want.quantity for want in wants}
    if not wants or len(pieces) < len(wants):
        raise ValueError("nothing is wanted, or a line stands twice")
    whole = route(pieces_of(wants), receiver, candidates, rules, seller_memo=seller_memo, waived=waived)
    if isinstance(whole, Route):
        return Placement((Part(whole.location, whole.courier, whole.account, whole.service, pieces, whole.reasons),))
    parts = split(
        wants,
        receiver,
        candidates,
        rules,
        divides_lines=divides_lines,
        seller_memo=seller_memo,
        waived=waived,
        parts_made=parts_made,
    )
    if not isinstance(parts, Unroutable):
        return Placement(parts)
    if rules.routing.split.when_short is WhenShort.HOLD or not _is_short(parts):
        return parts
    reach = reach_of(wants, receiver, candidates, rules, trip_to(receiver, rules, seller_memo, waived))
    placed = _ship_part(wants, reach, SplitLimits.of(wants, rules, parts_made), divides_lines=divides_lines)
    # What is short is the reason of the hold, why no part of it goes comes beside it.
    return placed if isinstance(placed, Placement) else Unroutable(parts.code, {**parts.facts, **placed})


def _is_short(refused: Unroutable) -> bool:
    """Whether more stock would help, rather than a courier or another rule."""
    return refused.code is HoldCode.STOCK_SHORT_PAID and refused.facts.get("split_refused") in (None, UNDIVIDED_LINE)


def _ship_part(wants: Sequence[Want], reach: Reach, limits: SplitLimits, *, divides_lines: bool) -> Placement | Facts:
    """What all locations of `reach` can ship, lines in the order of the order, or the facts of why nothing goes.

    Where that takes too many parts, those locations ship what they have that ship the most.
    """
    room = limits.parts - 1  # the part that waits counts as one part
    if room < 1:
        return part_refusal(limits.by_parts(2))
    everywhere = range(len(reach.sites))
    placed = _ship_from(everywhere, wants, reach, limits, divides_lines=divides_lines)
    if isinstance(placed, Placement) or placed["part_refused"] != MAX_PARTS:
        return placed
    fullest = reach.search(wants, divides_lines=divides_lines).fullest(room)
    return _ship_from(fullest, wants, reach, limits, divides_lines=divides_lines)


def _ship_from(
    sites: Sequence[int], wants: Sequence[Want], reach: Reach, limits: SplitLimits, *, divides_lines: bool
) -> Placement | Facts:
    reach = replace(reach, sites=tuple(reach.sites[site] for site in sites))
    filled = reach.search(wants, divides_lines=divides_lines).fill(range(len(reach.sites)))
    now = [wants[index].share(count) for index, count in filled.items()]
    if not now:
        return {"part_refused": NOTHING_IN_STOCK}
    search = reach.search(now, divides_lines=divides_lines)
    answer = search.best(limits.parts - 1, limits.value.minor)
    if isinstance(answer, RefusedSplit):
        return part_refusal(limits.refusal(answer))
    parts = parts_of(answer, now, reach, is_cut_off=search.is_cut_off)
    waiting = rest_of(wants, {want.line_id: want.quantity for want in now})
    refused = refusal_of_cut(wants, [part.pieces for part in parts], waiting, limits)
    if refused:
        return refused
    short = short_of(wants, together(site.candidate for site, _ in reach.sites))
    short = short or f"no location has all pieces of {listed(waiting)}"
    why = "ships what is in stock, the rest of the order waits"
    return Placement(tuple(replace(part, reasons=(*part.reasons, why)) for part in parts), waiting, short)
