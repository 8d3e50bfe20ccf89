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
class Candidate:
    """A location that may ship: where it stands, who picks up there, its available pieces by SKU."""

    location: str
    province: str
    city: str
    couriers: tuple[str, ...]
    available: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Route:
    """The choice. `reasons` explain it to people, rejected alternatives included."""

    location: str
    courier: str
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
    location: named in the seller's memo, first choice for the province, order of the rules. With
    ``remote_courier`` in `waived` a person has allowed any courier to go to the remote province.
    """
    able = [candidate for candidate in candidates if fill(pieces, candidate.available)]
    if not able:
        return Unroutable(HoldCode.STOCK_SHORT_PAID, {"split_needed": fill(pieces, _together(candidates))})
    province = region_key(receiver.province)
    is_remote = province in rules.routing.remote_provinces and HoldCode.REMOTE_COURIER not in waived
    wish = wished_courier(seller_memo, rules.routing.couriers)
    rejected = [f"{candidate.location}: cannot fill the order" for candidate in candidates if candidate not in able]
    for place in sorted((_place(candidate, pieces, receiver, rules.routing) for candidate in able), key=_by_rank):
        name = place.candidate.location
        offers = _offers(place.candidate, province, wish, rules.routing)
        if wish and all(offer.rule.name != wish for offer in offers):
            rejected.append(f"{name}: {wish}, asked for in the memo, does not pick up here")
        for offer in offers:
            if not is_remote or offer.rule.serves_remote:
                reasons = (f"{name}: {place.why}", f"{offer.rule.name}: {offer.why}", *rejected)
                return Route(name, offer.rule.name, offer.rule.service, reasons)
            rejected.append(f"{name}: {offer.rule.name} does not serve {province} at this grade")
    return Unroutable(HoldCode.REMOTE_COURIER, {"province": province, "is_remote": is_remote})


def _together(candidates: Iterable[Candidate]) -> dict[str, int]:
    total: dict[str, int] = {}
    for candidate in candidates:
        for sku, count in candidate.available.items():
            total[sku] = total.get(sku, 0) + count
    return total


@dataclass(frozen=True, slots=True)
class _Place:
    candidate: Candidate
    rank: tuple[int, int]
    why: str


def _by_rank(place: _Place) -> tuple[tuple[int, int], str]:
    return place.rank, place.candidate.location


def _place(candidate: Candidate, pieces: Mapping[str, int], receiver: Address, rules: RoutingRules) -> _Place:
    province = region_key(receiver.province)
    preferred = rules.preferred_locations.get(province, ())
    if candidate.location in preferred:
        return _Place(candidate, (0, preferred.index(candidate.location)), f"preferred for {province}")
    stock = sum(candidate.available.get(sku, 0) for sku in pieces)
    is_same_province = province != "" and region_key(candidate.province) == province
    city = city_key(receiver.province, receiver.city)
    if is_same_province and city and city_key(candidate.province, candidate.city) == city:
        return _Place(candidate, (1, -stock), "same city")
    if is_same_province:
        return _Place(candidate, (2, -stock), "same province")
    return _Place(candidate, (3, -stock), "most stock")


@dataclass(frozen=True, slots=True)
class _Offer:
    rule: CourierRule
    rank: int
    why: str


def _offers(candidate: Candidate, province: str, wish: str | None, rules: RoutingRules) -> list[_Offer]:
    """The couriers that pick up at a location, best first."""
    first_choice = rules.courier_by_province.get(province)
    offers = []
    for rule in rules.couriers:
        if rule.name not in candidate.couriers:
            continue
        if rule.name == wish:
            offers.append(_Offer(rule, 0, "asked for in the seller's memo"))
        elif rule.name == first_choice:
            offers.append(_Offer(rule, 1, f"first choice for {province}"))
        else:
            offers.append(_Offer(rule, 2, "by order of the rules"))
    return sorted(offers, key=lambda offer: offer.rank)


_REFUSAL = "不要|不能|不可|不|别|勿|莫"
_VERBS = "改为|改成|换成|改|换|发|走|用|寄|(?<![a-z])(?:via|by|use)"


def wished_courier(memo: str, couriers: Sequence[CourierRule]) -> str | None:
    """The courier that a memo such as 改为发顺丰 asks for; the last one when there are several.

    A name alone is no wish (已发顺丰单号…), nor is a refused one (不要发顺丰).
    """
    named = {alias: courier.name for courier in couriers for alias in courier.memo_names}
    if not memo or not named:
        return None
    names = "|".join(map(re.escape, sorted(named, key=len, reverse=True)))
    wish = re.compile(f"(?P<done>已)?(?P<no>{_REFUSAL})?再?(?:(?:{_VERBS})\\s*)+(?P<name>{names})(?![a-z0-9])")
    found = [match["name"] for match in wish.finditer(memo.casefold()) if not match["no"] and not match["done"]]
    return named[found[-1]] if found else None
