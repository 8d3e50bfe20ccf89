"""Which location ships, with which courier, and why not the others."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from domain.errors import Facts
from domain.holds import HoldCode
from domain.order import Address
from domain.regions import city_key, region_key
from domain.rules import CourierRule, RoutingRules, RuleSet
from domain.stock import fill


@dataclass(frozen=True, slots=True)
class Contract:
    """An account at a courier. A merchant may have several at one courier, each with its own price and pick-ups."""

    account: str
    courier: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A location that may ship: where it stands, whose couriers pick up there, its available pieces by SKU.

    `contracts` stand in order of preference. `books_waybill`: its warehouse chooses the courier and books there.
    """

    location: str
    province: str
    city: str
    contracts: tuple[Contract, ...]
    available: Mapping[str, int]
    books_waybill: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """The choice. `account`: of the courier. `reasons` explain it to people, rejected alternatives included."""

    location: str
    courier: str
    account: str
    service: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unroutable:
    """No choice is left: the code of the hold and its facts."""

    code: HoldCode
    facts: Facts = field(default_factory=dict)


def route(
    pieces: Mapping[str, int],
    receiver: Address,
    candidates: Sequence[Candidate],
    rules: RuleSet,
    *,
    seller_memo: str = "",
    waived: frozenset[HoldCode] = frozenset(),
) -> Route | Unroutable:
    """Choose among the locations that can ship all `pieces`.

    Locations: preferred for the region, then same city, same province, most stock, name. Couriers at a
    location: named in the seller's memo, first choice for the province, order of the rules, order of the location's
    contracts. With
    ``remote_courier`` in `waived` a person has allowed any courier to go to the remote province.
    """
    able: list[Candidate] = []
    rejected: list[str] = []
    for candidate in candidates:
        if fill(pieces, candidate.available):
            able.append(candidate)
        else:
            rejected.append(f"{candidate.location}: cannot fill the order")
    if not able:
        return Unroutable(HoldCode.STOCK_SHORT_PAID, {"split_needed": fill(pieces, together(candidates))})
    trip = trip_to(receiver, rules, seller_memo, waived)
    for site in ranked(able, pieces, receiver, rules.routing):
        offer = choose_courier(site.candidate, trip, rules, rejected)
        if offer is not None:
            name, courier = site.candidate.location, offer.rule
            reasons = (f"{name}: {site.why}", f"{offer.name}: {offer.why}", *rejected)
            return Route(name, courier.name, offer.account, courier.service, reasons)
    return Unroutable(HoldCode.REMOTE_COURIER, {"province": trip.province, "is_remote": trip.is_remote})


def together(candidates: Iterable[Candidate]) -> dict[str, int]:
    """Available pieces by SKU over all candidates."""
    total: dict[str, int] = {}
    for candidate in candidates:
        for sku, count in candidate.available.items():
            total[sku] = total.get(sku, 0) + count
    return total


@dataclass(frozen=True, slots=True)
class Site:
    """A candidate with its rank (the smallest is best, ties are broken by name) and why it has that rank."""

    candidate: Candidate
    rank: tuple[int, int]
    why: str


def ranked(
    candidates: Iterable[Candidate], pieces: Mapping[str, int], receiver: Address, rules: RoutingRules
) -> list[Site]:
    """Best first: preferred for the region, same city, same province, most stock of the SKUs of `pieces`, name."""
    province = region_key(receiver.province)
    city = city_key(receiver.province, receiver.city) if province else ""
    preferred = rules.preferred_locations.get(province, ())
    sites = []
    for candidate in candidates:
        if candidate.location in preferred:
            rank, why = (0, preferred.index(candidate.location)), f"preferred for {province}"
        else:
            nearness, why = _nearness(candidate, province, city)
            rank = nearness, -sum(candidate.available.get(sku, 0) for sku in pieces)
        sites.append(Site(candidate, rank, why))
    return sorted(sites, key=_by_rank)


def _by_rank(site: Site) -> tuple[tuple[int, int], str]:
    return site.rank, site.candidate.location


def _nearness(candidate: Candidate, province: str, city: str) -> tuple[int, str]:
    if not province or region_key(candidate.province) != province:
        return 3, "most stock"
    if city and city_key(candidate.province, candidate.city) == city:
        return 1, "same city"
    return 2, "same province"


@dataclass(frozen=True, slots=True)
class Trip:
    """The facts that decide among couriers. `wish`: the courier that the seller's memo asks for.

    `is_remote`: only couriers that serve remote provinces may go there.
    """

    province: str
    is_remote: bool
    wish: str | None


def trip_to(receiver: Address, rules: RuleSet, seller_memo: str, waived: frozenset[HoldCode]) -> Trip:
    """The facts about a receiver and a memo that decide among couriers. `waived`: codes that a person has waived."""
    province = region_key(receiver.province)
    is_remote = province in rules.routing.remote_provinces and HoldCode.REMOTE_COURIER not in waived
    return Trip(province, is_remote, wished_courier(seller_memo, rules.routing.couriers))


@dataclass(frozen=True, slots=True)
class Offer:
    """A contract with a courier that picks up at a location, how good a choice it is (the smallest is best), and why.

    `name`: what people read. It is the account where the location has several contracts with that courier.
    """

    rule: CourierRule
    account: str
    name: str
    rank: int
    why: str


def choose_courier(candidate: Candidate, trip: Trip, rules: RuleSet, rejected: list[str]) -> Offer | None:
    """The best courier that serves the trip from there, or None. Adds to `rejected` why others do not.

    A warehouse that books is only told which courier the seller's memo asks for.
    """
    name = candidate.location
    if candidate.books_waybill:
        wish = CourierRule(trip.wish or "", service="", serves_remote=True, memo_names=())
        return Offer(wish, "", trip.wish or "its own courier", rank=0, why="the warehouse books")
    offers = _offers(candidate, trip, rules.routing)
    if trip.wish and all(offer.rule.name != trip.wish for offer in offers):
        rejected.append(f"{name}: {trip.wish}, asked for in the memo, does not pick up here")
    for offer in offers:
        if not trip.is_remote or offer.rule.serves_remote:
            return offer
        rejected.append(f"{name}: {offer.name} does not serve {trip.province} at this grade")
    return None


def _offers(candidate: Candidate, trip: Trip, rules: RoutingRules) -> list[Offer]:
    """The couriers that pick up at a location, by each of their contracts there, best first."""
    first_choice = rules.courier_by_province.get(trip.province, "")
    offers = []
    for rule in rules.couriers:
        contracts = [contract for contract in candidate.contracts if contract.courier == rule.name]
        for contract in contracts:
            if rule.account not in {"", contract.account}:
                continue
            rank, why = 2, "by order of the rules"
            if rule.name == trip.wish:
                rank, why = 0, "asked for in the seller's memo"
            elif first_choice in {rule.name, contract.account}:
                rank, why = 1, f"first choice for {trip.province}"
            name = rule.name if len(contracts) == 1 else contract.account
            offers.append(Offer(rule, contract.account, name, rank, why))
    return sorted(offers, key=lambda offer: offer.rank)


_REFUSAL = "不要|不能|不可|不|别|勿|莫"
_VERBS = "改为|改成|换成|改|换|发|走|用|寄|(?<![a-z])(?:via|by|use)"


def wished_courier(memo: str, couriers: Sequence[CourierRule]) -> str | None:
    """The courier that a memo such as 改为发顺丰 asks for; the last one when there are several.

    A name alone is no wish (已发顺丰单号…), nor is a refused one (不要发顺丰).
    """
    if not memo:
        return None
    named = {alias: courier.name for courier in couriers for alias in courier.memo_names}
    if not named:
        return None
    names = "|".join(map(re.escape, sorted(named, key=len, reverse=True)))
    wish = re.compile(f"(?P<done>已)?(?P<no>{_REFUSAL})?再?(?:(?:{_VERBS})\\s*)+(?P<name>{names})(?![a-z0-9])")
    found = [match["name"] for match in wish.finditer(memo.casefold()) if not match["no"] and not match["done"]]
    return named[found[-1]] if found else None
