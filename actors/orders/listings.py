"""Applies the listing map: lines of new orders get their SKU, and orders that waited for a SKU continue."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from domain.errors import Conflict
from domain.holds import HoldCode
from domain.listings import (
    NOTHING,
    NewSku,
    OpenLine,
    WaitingOrders,
    lines_without_sku,
    listing_of,
    mapped,
    new_skus,
    unnamed,
    waiting_orders,
)
from domain.normalize import NOT_OURS
from domain.order import Order
from domain.outcomes import Done
from domain.states import Cause, State
from domain.stock import Reservation
from infra.engine.author import Author
from infra.engine.reports import has_worker_without_parts
from infra.engine.results import Finished, NewWork, SubjectRef
from infra.engine.write_outcomes import Writes, add_move, event, write
from infra.tables.audit import Act, Verb, record_acts
from infra.tables.fulfillment import set_reservations
from infra.tables.holds import open_holds, release_holds
from infra.tables.listings import (
    load_entries,
    lock_ready,
    open_lines,
    set_fulfilled_by,
    unknown_skus,
    write_skus,
)
from infra.tables.orders import Locked, load_orders, lock_fulfillment
from infra.tables.pool import Connection

# Steps whose holds the rules opened.
_OF_THE_RULES = frozenset({"normalize", "reserve", "review"})
# The author of these changes: neither a person nor a step.
ENGINE = "engine"


def fill_skus(tx: Connection, orders: Sequence[Order]) -> list[Order]:
    """New orders, with the SKUs that their platform does not give and the map knows.

    One statement for all orders; no statement if every line has its SKU.
    """
    listings = {listing_of(order, line) for order in orders for line in unnamed(order)}
    listing_map = load_entries(tx, listings)
    return [mapped(order, listing_map) for order in orders] if listing_map else list(orders)


@dataclass(frozen=True, slots=True)
class ResumedOrders:
    """Fulfillment orders by what became of them.

    `changed`: lines of theirs got a SKU, or turned out to be nothing to pick. `ready`: stock knows all their SKUs now.
    `empty`: nothing is left to pick.
    """

    changed: frozenset[int] = frozenset()
    ready: frozenset[int] = frozenset()
    empty: frozenset[int] = frozenset()

    @property
    def going(self) -> frozenset[int]:
        """Fulfillment orders that no longer wait for a SKU."""
        return self.ready | self.empty


def send_on(tx: Connection, fulfillment_order_ids: Sequence[int]) -> ResumedOrders:
    """Give waiting orders the SKUs that the map has now, and make `reserve` due, in their lane, for orders without a
    missing SKU.

    Orders that another transaction works on are left out, and so are orders that do not change: safe to repeat.
    """
    ids = lock_ready(tx, fulfillment_order_ids) if fulfillment_order_ids else []
    if not ids:
        return ResumedOrders()
    lines = open_lines(tx, ids)
    listing_map = load_entries(tx, (line.listing for line in lines if not line.is_known))
    changed = new_skus(lines, listing_map)
    if any(one.sku == NOTHING for one in changed) and has_worker_without_parts(tx):
        # A worker of an earlier version would still ship the line, so the order waits until that worker has ended.
        changed = [one for one in changed if one.sku != NOTHING]
    write_skus(tx, changed)
    left = waiting_orders(lines, changed, unknown_skus(tx, {one.sku for one in changed if one.sku != NOTHING}))
    orders = _set_fulfillers(tx, changed)
    _record(tx, ids, lines, changed, left=left, orders=orders)
    return ResumedOrders(frozenset(one.line.fulfillment_order_id for one in changed), left.ready, left.empty)


def leave_out_unmapped(tx: Connection, locked: Locked, author: Author) -> tuple[str, ...]:
    """Leave out the lines of an order that have no SKU, for this order alone, as a person; the ids of those lines.

    Lines that the map knows stay: `reserve` reads the map. The order must be locked
    (`infra.tables.listings.lock_order`), and its fulfillment order. Raises Conflict ``nothing_left`` where no line
    would be left to pick, and ``earlier_version_runs`` while a worker of an earlier version runs that would still pick
    them.
    """
    lines = open_lines(tx, [locked.id])
    gone = lines_without_sku(lines, load_entries(tx, (line.listing for line in lines if not line.sku)))
    if not gone:
        return ()
    if len(gone) == len(lines):
        advice = "map its listing (`orderlane sku map`), with --nothing if there is nothing to ship"
        raise Conflict("nothing_left", f"no line to pick has a SKU in order {locked.order_id}: {advice}")
    if has_worker_without_parts(tx):
        raise Conflict("earlier_version_runs", "workers of an earlier version carry every order whole: stop them first")
    write_skus(tx, gone)
    _set_fulfillers(tx, gone)
    line_ids = tuple(one.line.line_id for one in gone)
    facts = {"lines": list(line_ids), "by": author.who, "reason": author.reason}
    writes = Writes(events=[event("reserve", _ref(locked), "lines_let_go", Cause.PERSON, facts=facts)])
    write(tx, "reserve", writes)
    acts = [
        Act(
            f"order/{one.line.order_id}",
            {"sku": one.line.sku},
            {"sku": one.sku},
            {"line": one.line.line_id, "product": one.line.listing.product_id},
        )
        for one in gone
    ]
    record_acts(tx, author, Verb.LINE_LET_GO, acts)
    return line_ids


def _record(
    tx: Connection,
    ids: Sequence[int],
    lines: Sequence[OpenLine],
    changed: Sequence[NewSku],
    *,
    left: WaitingOrders,
    orders: Mapping[int, Order],
) -> None:
    """Events of what changed, `reserve` for what is ready, and an end for that of which nothing is left."""
    accounts = {line.fulfillment_order_id: line.listing.account for line in lines}
    words: dict[int, list[str]] = {}
    for change in changed:
        words.setdefault(change.line.fulfillment_order_id, []).append(_in_words(change))
    locked = lock_fulfillment(tx, ids)
    writes = Writes()
    for one in locked:
        if one.id in words:
            facts = {"lines": words[one.id]}
            writes.events.append(event("reserve", _ref(one), "skus_mapped", Cause.RULES, facts=facts))
        if one.id in left.ready:
            writes.added.append(NewWork("reserve", one.id, one.lane, shop=accounts[one.id]))
    # The review releases the hold of a paid order; an unpaid order has no review, so its hold is released here.
    unpaid = [(one.id, HoldCode.SKU_UNMAPPED.value) for one in locked if one.id in left.ready and _is_unpaid(one)]
    release_holds(tx, unpaid, ENGINE)
    _end(tx, [one for one in locked if one.id in left.empty], orders, writes)
    write(tx, "reserve", writes)


def _end(tx: Connection, empty: Sequence[Locked], orders: Mapping[int, Order], writes: Writes) -> None:
    """Nothing is left to pick: holds of the rules are released.

    A part of an order closes if other parts are ours. An order of which nothing is ours stays open until the platform
    shows its end.
    """
    if not empty:
        return
    set_reservations(tx, {one.id: Reservation.NONE for one in empty})
    holds = open_holds(tx, [one.id for one in empty])
    free = {
        one.id: [code for code, step in holds.get(one.id, ()) if step in _OF_THE_RULES and code != HoldCode.DEAD_LETTER]
        for one in empty
    }
    release_holds(tx, [(id_, code) for id_, codes in free.items() for code in codes], ENGINE)
    for one in empty:
        if _is_unpaid(one) or len(free[one.id]) < len(holds.get(one.id, ())):
            continue
        to = State.CLOSED if orders[one.order_id].is_ours else State.PAID
        finished = Finished(_ref(one), Done(), Cause.PERSON, closed_reason=NOT_OURS)
        add_move("reserve", finished, (to,), writes, facts={"by": ENGINE})


def _is_unpaid(locked: Locked) -> bool:
    return locked.state is State.PENDING_PAYMENT


def _set_fulfillers(tx: Connection, changed: Iterable[NewSku]) -> dict[int, Order]:
    """The present contents of the orders of which lines became `nobody`."""
    order_ids = sorted({one.line.order_id for one in changed if one.sku == NOTHING})
    orders = load_orders(tx, order_ids) if order_ids else {}
    set_fulfilled_by(tx, {id_: order.fulfilled_by for id_, order in orders.items()})
    return orders


def _ref(locked: Locked) -> SubjectRef:
    return SubjectRef(locked.id, locked.lane, locked.order_id, locked.id, None, locked.state)


def _in_words(one: NewSku) -> str:
    return f"{one.line.line_id} is {one.sku}" if one.sku != NOTHING else f"{one.line.line_id} is nothing to pick"
