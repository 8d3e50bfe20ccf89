"""What would be done with orders of a watched shop: review, courier and location, decided as the steps decide.

Nothing is promised. The pieces that a watched order would take are remembered apart: they count against the next
watched orders, so that the answers fit together, and never against an order that is really sold.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from actors.orders.parts import candidates, divides_lines, wants_of
from actors.tools import Tools
from domain.holds import Finding
from domain.lanes import lane_facts, score
from domain.lines import first_tally, pieces_by_sku
from domain.normalize import initial_state
from domain.order import Lane, Order, PlatformState
from domain.placing import Placement, choose_placement
from domain.review import ReviewFacts, review
from domain.routing import Unroutable
from domain.states import State
from domain.stock import Demand, Reservation, StockGrant, grant_stock
from infra.tables.orders import load_orders
from infra.tables.pool import Connection
from infra.tables.stock import read_levels, read_location_levels
from infra.tables.watch import NewDecision, store_decisions, taken_by_watched, watched_orders

_SHIPPED = frozenset({PlatformState.SHIPPED, PlatformState.DONE})


@dataclass(slots=True)
class _StockCopy:
    """Pieces that are left for the next watched order: by SKU, and by location and SKU."""

    pool: dict[str, int]
    locations: dict[str, dict[str, int]]

    def take(self, pieces: Mapping[tuple[str, str], int]) -> None:
        for (location, sku), count in pieces.items():
            if sku in self.pool:
                self.pool[sku] = max(0, self.pool[sku] - count)
            there = self.locations.get(location, {})
            if sku in there:
                there[sku] = max(0, there[sku] - count)


@dataclass(frozen=True, slots=True)
class _Answer:
    outcome: str
    lane: Lane
    holds: tuple[Finding, ...] = ()
    packages: tuple[Mapping[str, object], ...] = ()
    pieces: Mapping[tuple[str, str], int] = field(default_factory=dict)


def decide_watched(tx: Connection, tools: Tools, order_ids: Iterable[int]) -> None:
    """Decide and store for those of some orders that are kept out because their shop is watched.

    An order that was begun before the watch is left alone. What is on the shelf is read without a lock.
    """
    lanes = watched_orders(tx, sorted(order_ids))
    if not lanes:
        return
    mine = load_orders(tx, list(lanes))
    stock = _stock_copy(tx, mine)
    decisions = []
    # What was paid first takes its pieces first. Steps promise stock by lane before that.
    for id_, order in sorted(mine.items(), key=lambda one: (one[1].paid_at or one[1].created_at, one[0])):
        answer = _decide(tools, order, lanes[id_], stock)
        stock.take(answer.pieces)
        decisions.append(
            NewDecision(
                order_id=id_,
                outcome=answer.outcome,
                lane=answer.lane,
                rules=tools.rules.version,
                holds=[{"code": one.code, "rule": one.rule, "facts": dict(one.facts)} for one in answer.holds],
                packages=answer.packages,
                pieces=answer.pieces,
            )
        )
    store_decisions(tx, decisions)


def _stock_copy(tx: Connection, orders: Mapping[int, Order]) -> _StockCopy:
    skus = sorted({line.sku for order in orders.values() for line in order.lines if line.sku})
    stock = _StockCopy(read_levels(tx, skus), read_location_levels(tx, skus))
    stock.take(taken_by_watched(tx, skus, sorted(orders)))
    return stock


def _decide(tools: Tools, order: Order, lane: Lane, stock: _StockCopy) -> _Answer:
    intake = initial_state(order)
    if intake.state is State.CLOSED or order.state in _SHIPPED or not order.is_ours:
        return _Answer("nothing", lane)
    if intake.state is State.PENDING_PAYMENT:
        return _Answer("wait", lane, intake.holds)
    quantities = {line.line_id: first_tally(order, line).planned for line in order.lines}
    wanted = tuple((line_id, count) for line_id, count in quantities.items() if count)
    pieces = pieces_by_sku(order, wanted)
    grant = _grant(order, lane, pieces, stock)
    facts = ReviewFacts(grant.reservation, lines=frozenset(line_id for line_id, _ in wanted))
    found = review(order, facts, tools.rules).holds
    is_promised = grant.reservation is Reservation.RESERVED
    cities = tools.directory.sender_cities
    lane = score(lane_facts(order), cities, tools.rules, in_stock=is_promised).lane
    if found or not wanted:
        return _Answer("hold" if found else "nothing", lane, found)
    answer = choose_placement(
        wants_of(order, wanted),
        order.receiver,
        candidates(tools, stock.locations),
        tools.rules,
        divides_lines=divides_lines(tools, order),
        seller_memo=order.seller_memo,
    )
    if isinstance(answer, Unroutable):
        return _Answer("hold", lane, (Finding(answer.code, answer.facts, "route"),))
    return _Answer("ship", lane, (), tuple(_packages(answer)), _taken(order, answer))


def _grant(order: Order, lane: Lane, pieces: Mapping[str, int], stock: _StockCopy) -> StockGrant:
    if not pieces:
        return StockGrant(0, Reservation.RESERVED)
    [grant] = grant_stock([Demand(0, lane, order.paid_at, pieces)], stock.pool).grants
    return grant


def _packages(placement: Placement) -> Iterable[Mapping[str, object]]:
    for part in placement.parts:
        yield {
            "location": part.location,
            "courier": part.courier,
            "service": part.service,
            "pieces": dict(part.pieces),
            "reasons": list(part.reasons),
        }


def _taken(order: Order, placement: Placement) -> dict[tuple[str, str], int]:
    taken: dict[tuple[str, str], int] = {}
    for part in placement.parts:
        for sku, count in pieces_by_sku(order, part.pieces.items()).items():
            taken[part.location, sku] = taken.get((part.location, sku), 0) + count
    return taken
