"""Which locations ship which pieces when no single one can ship a fulfillment order.

The fewest parts, then the best-ranked locations (as in `domain/routing.py`), then as few divided lines and as many
pieces from the best-ranked location as there can be; `domain/packing.py` and `domain/split_search.py` say it exactly.
The answer depends on the input alone: the order of the candidates is of no matter, that of the lines decides between
equals.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from domain.errors import Facts
from domain.holds import HoldCode
from domain.money import Money
from domain.order import Address
from domain.packing import PackItem
from domain.routing import Candidate, Offer, Site, Trip, Unroutable, choose_courier, ranked, together, trip_to
from domain.rules import RuleSet
from domain.split_search import FoundSplit, RefusedSplit, Search
from domain.stock import fill

# What `split_refused` names: the limit, or lines that the platform does not let us divide.
MAX_PARTS, LEAST_PART_VALUE, UNDIVIDED_LINE = "max_parts", "least_part_value", "undivided_line"

_NAMED_MAX = 5


@dataclass(frozen=True, slots=True)
class Want:
    """Pieces of one line that are to be shipped, at least one. `value`: what was paid for all of them."""

    line_id: str
    sku: str
    quantity: int
    value: Money

    def __post_init__(self) -> None:
        if self.quantity < 1:
            raise ValueError("a line wants at least one piece")

    def share(self, count: int) -> "Want":
        """The same line with `count` of its pieces; its value is rounded down."""
        return Want(self.line_id, self.sku, count, Money(self.as_item().share(count), self.value.currency))

    def as_item(self) -> PackItem:
        return PackItem(self.sku, self.quantity, self.value.minor)


@dataclass(frozen=True, slots=True)
class Part:
    """What one location ships by one courier. `pieces`: by line. `reasons` explain it to people.

    `account`: of the courier.
    """

    location: str
    courier: str
    account: str
    service: str
    pieces: Mapping[str, int]
    reasons: tuple[str, ...]


def split(
    wants: Sequence[Want],
    receiver: Address,
    candidates: Sequence[Candidate],
    rules: RuleSet,
    *,
    divides_lines: bool,
    seller_memo: str = "",
    waived: frozenset[HoldCode] = frozenset(),
    parts_made: int = 0,
) -> tuple[Part, ...] | Unroutable:
    """Parts that together ship all `wants`, best-ranked location first, or why there are none.

    A location without a courier that serves the receiver is no candidate. Without `divides_lines` a line goes whole to
    one location. `parts_made`: parts that the order has beside this; they count against ``max_parts``. One part alone
    passes every limit. The hold's facts:

    - ``short`` (SKU have/need) with ``split_needed`` false: all locations together have too little;
    - ``split_refused`` with ``split_needed`` true: `UNDIVIDED_LINE` with ``lines``, `MAX_PARTS` or `LEAST_PART_VALUE`
      with the rule's number and the best split's;
    - ``province``, ``is_remote`` and ``short`` (of locations with a courier) under ``remote_courier``;
    - ``search`` = ``cut_off``: the order is so large that not every split was tried.

    Raises ValueError: nothing is wanted, a line stands twice, or currencies are mixed.
    """
    check_wants(wants)
    reach = reach_of(wants, receiver, candidates, rules, trip_to(receiver, rules, seller_memo, waived))
    search = reach.search(wants, divides_lines=divides_lines)
    if search.unplaceable():
        return _why_not(wants, candidates, reach, divides_lines=divides_lines)
    limits = SplitLimits.of(wants, rules, parts_made)
    answer = search.best(limits.parts, limits.value.minor)
    if isinstance(answer, FoundSplit):
        return parts_of(answer, wants, reach, is_cut_off=search.is_cut_off)
    return Unroutable(HoldCode.STOCK_SHORT_PAID, limits.refusal(answer, is_cut_off=search.is_cut_off))


def check_wants(wants: Sequence[Want]) -> None:
    """Raises ValueError: nothing is wanted, a line stands twice, or currencies are mixed."""
    if not wants:
        raise ValueError("nothing is wanted")
    if len({want.line_id for want in wants}) < len(wants):
        raise ValueError("a line stands twice")
    value_of(wants)


def value_of(wants: Sequence[Want]) -> Money:
    """What was paid for all of these pieces together. Raises ValueError for several currencies."""
    return sum((want.value for want in wants[1:]), start=wants[0].value)


def pieces_of(wants: Iterable[Want]) -> dict[str, int]:
    """Pieces by SKU."""
    pieces: dict[str, int] = {}
    for want in wants:
        pieces[want.sku] = pieces.get(want.sku, 0) + want.quantity
    return pieces


@dataclass(frozen=True, slots=True)
class SplitLimits:
    """What the limits allow an order: how many `parts` from now on, none of them below `value`."""

    parts: int
    value: Money
    max_parts: int
    parts_made: int

    @classmethod
    def of(cls, wants: Sequence[Want], rules: RuleSet, parts_made: int) -> "SplitLimits":
        rule, currency = rules.routing.split, wants[0].value.currency
        least = Money(rule.least_part_value.get(currency, 0), currency)
        # What is left of an order that is split already still goes, as one part.
        return cls(max(1, rule.max_parts - parts_made), least, rule.max_parts, parts_made)

    def refusal(self, refused: RefusedSplit, *, is_cut_off: bool = False) -> Facts:
        cut_off: Facts = {"search": "cut_off"} if is_cut_off else {}
        if refused.by_value:
            return {**self.by_value(refused.value), "parts_needed": refused.parts, **cut_off}
        return {**self.by_parts(refused.parts), **cut_off}

    def by_value(self, minor: int) -> Facts:
        """`minor`: what the poorest part would be worth."""
        value = Money(minor, self.value.currency)
        refused: Facts = {"split_needed": True, "split_refused": LEAST_PART_VALUE}
        return {**refused, "least_part_value": str(self.value), "part_value": str(value)}

    def by_parts(self, needed: int) -> Facts:
        """`needed`: parts of the best split, without the parts that exist already."""
        refused: Facts = {"split_needed": True, "split_refused": MAX_PARTS, "max_parts": self.max_parts}
        made: Facts = {"parts_made": self.parts_made} if self.parts_made else {}
        return {**refused, "parts_needed": needed, **made}


@dataclass(frozen=True, slots=True)
class Reach:
    """The locations with a piece of an order and a courier that serves its receiver, best-ranked first.

    `rejected`: the couriers that are not, and why.
    """

    sites: tuple[tuple[Site, Offer], ...]
    trip: Trip
    rejected: tuple[str, ...]

    def search(self, wants: Sequence[Want], *, divides_lines: bool) -> Search:
        stock = [site.candidate.available for site, _ in self.sites]
        return Search([want.as_item() for want in wants], stock, divides=divides_lines)


def reach_of(
    wants: Sequence[Want], receiver: Address, candidates: Sequence[Candidate], rules: RuleSet, trip: Trip
) -> Reach:
    """The locations with a piece of the order and a courier that serves its receiver, best-ranked first."""
    pieces = pieces_of(wants)
    stocked = [one for one in candidates if any(one.available.get(sku, 0) > 0 for sku in pieces)]
    rejected: list[str] = []
    offers = [
        (site, choose_courier(site.candidate, trip, rules, rejected))
        for site in ranked(stocked, pieces, receiver, rules.routing)
    ]
    return Reach(tuple((site, offer) for site, offer in offers if offer is not None), trip, tuple(rejected))


def parts_of(found: FoundSplit, wants: Sequence[Want], reach: Reach, *, is_cut_off: bool) -> tuple[Part, ...]:
    """The parts of a split, with their reasons."""
    used = [reach.sites[index] for index in found.loads]
    why = [] if len(used) == 1 else [_why_split(wants, [site for site, _ in used])]
    if is_cut_off:
        why.append("not every split was tried, fewer parts may be possible")
    return tuple(
        Part(
            site.candidate.location,
            offer.rule.name,
            offer.account,
            offer.rule.service,
            {wants[index].line_id: load[index] for index in sorted(load)},
            (f"{site.candidate.location}: {site.why}", f"{offer.name}: {offer.why}", *why, *reach.rejected),
        )
        for (site, offer), load in zip(used, found.loads.values(), strict=True)
    )


def _why_split(wants: Sequence[Want], sites: Sequence[Site]) -> str:
    pieces = pieces_of(wants)
    lacks = [
        f"{site.candidate.location} lacks "
        + listed(sku for sku, count in pieces.items() if site.candidate.available.get(sku, 0) < count)
        for site in sites[:_NAMED_MAX]
    ]
    return f"no single location has all: {'; '.join(lacks)}"


def listed(names: Iterable[str]) -> str:
    """The first names in their order, and how many there are beyond."""
    ordered = sorted(names)
    beyond = f" and {len(ordered) - _NAMED_MAX} more" if len(ordered) > _NAMED_MAX else ""
    return ", ".join(ordered[:_NAMED_MAX]) + beyond


def short_of(wants: Iterable[Want], available: Mapping[str, int]) -> str:
    """SKUs of which there is less than wanted, as have/need."""
    pieces = pieces_of(wants)
    return listed(
        f"{sku} {available.get(sku, 0)}/{count}" for sku, count in pieces.items() if available.get(sku, 0) < count
    )


def _why_not(
    wants: Sequence[Want], candidates: Sequence[Candidate], reach: Reach, *, divides_lines: bool
) -> Unroutable:
    """Why even all locations together cannot ship everything."""
    total = together(candidates)
    if not fill(pieces_of(wants), total):
        return Unroutable(HoldCode.STOCK_SHORT_PAID, {"split_needed": False, "short": short_of(wants, total)})
    stock = [one.available for one in sorted(candidates, key=lambda one: one.location)]
    search = Search([want.as_item() for want in wants], stock, divides=divides_lines)
    if undivided := search.unplaceable():
        lines = listed(want.line_id for want in wants if want.sku in undivided)
        facts: Facts = {"split_needed": True, "split_refused": UNDIVIDED_LINE, "lines": lines}
        return Unroutable(HoldCode.STOCK_SHORT_PAID, facts)
    served = together(site.candidate for site, _ in reach.sites)
    trip = reach.trip
    return Unroutable(
        HoldCode.REMOTE_COURIER,
        {"province": trip.province, "is_remote": trip.is_remote, "short": short_of(wants, served)},
    )
