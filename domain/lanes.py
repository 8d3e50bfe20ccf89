"""Which lane an order runs in: a weighted score, provisional on arrival and final once stock is known."""

from collections.abc import Iterable
from dataclasses import dataclass

from domain.order import Lane, LaneFacts, Order
from domain.regions import region_key
from domain.rules import LaneRules, RuleSet


@dataclass(frozen=True, slots=True)
class LaneDecision:
    """A lane with the score behind it; `reasons` list every weight that counted."""

    lane: Lane
    score: int
    reasons: tuple[str, ...]


def lane_facts(order: Order) -> LaneFacts:
    """The fields of a canonical order that decide its lane."""
    return LaneFacts(order.source, order.order_type, order.member_level, order.receiver.city)


def score(facts: LaneFacts, location_cities: Iterable[str], rules: RuleSet, *, in_stock: bool | None) -> LaneDecision:
    """Score an order. `in_stock` None: not known yet, so the lane is provisional; False: never p0."""
    weights = rules.lanes
    city = region_key(facts.receiver_city)
    counted = [
        (f"source {facts.source}", weights.source[facts.source]),
        (f"order type {facts.order_type}", weights.order_type[facts.order_type]),
        (f"member level {facts.member_level}", weights.member_level[facts.member_level]),
    ]
    if city and any(region_key(own) == city for own in location_cities):
        counted.append(("same city", weights.same_city))
    if in_stock:
        counted.append(("in stock", weights.in_stock))
    points = sum(weight for _, weight in counted)
    reasons = [f"{name} {weight:+d}" for name, weight in counted if weight]
    lane = _lane(points, weights)
    if lane is Lane.P0 and in_stock is False:
        lane = Lane.P1
        reasons.append("short of stock: not p0")
    return LaneDecision(lane, points, tuple(reasons))


def _lane(points: int, weights: LaneRules) -> Lane:
    if points >= weights.p0_at:
        return Lane.P0
    return Lane.P1 if points >= weights.p1_at else Lane.BULK
