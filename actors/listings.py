"""The listing map at work: lines get their SKU on the way in, and orders that waited for one go on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from domain.errors import Conflict
from domain.holds import HoldCode
from domain.listings import (
    NOTHING,
    NewSku,
    OpenLine,
    Standing,
    listing_of,
    mapped,
    new_skus,
    standing,
    to_let_go,
    unnamed,
)
from domain.order import Order
from domain.outcomes import Done
from domain.states import Cause, State, Step
from domain.stock import Reservation
from infra.db.letters import record_acts
from infra.db.listings import (
    load_entries,
    lock_ready,
    open_lines,
    set_fulfilled_by,
    unknown_skus,
    waiting,
    write_skus,
)
from infra.db.orders import Locked, load_orders, lock_fulfillment, open_holds, rows_json
from infra.db.pool import Connection, Database
from infra.db.stock import set_reservations
from infra.engine.replay import Author
from infra.engine.reports import carry_whole
from infra.engine.results import NewWork, Place, Settled
from infra.engine.settle import FULFILLMENT, Writes, add_move, event, write
from infra.failpoints import failpoints
from infra.log import get_logger

_WRITTEN, _COMMITTED = "listings.written", "listings.committed"
# Fulfillment orders that are looked at in one transaction.
STRETCH = 200
# Who sends orders on: not a person, and no step.
ENGINE = "engine"

log = get_logger(__name__)


def fill_skus(tx: Connection, orders: Sequence[Order]) -> list[Order]:
    """Orders on their way in, with the SKUs that their platform does not give and the map knows.

    One statement for all, and none where every line has its SKU.
    """
    listings = {listing_of(order, line) for order in orders for line in unnamed(order)}
    listing_map = load_entries(tx, listings)
    return [mapped(order, listing_map) for order in orders] if listing_map else list(orders)


@dataclass(frozen=True, slots=True)
class SentOn:
    """Fulfillment orders by what became of them.

    `changed`: lines of theirs got a SKU, or turned out to be nothing to pick. `ready`: stock knows all their SKUs now.
    `empty`: nothing is left to pick; they stay open, without work, until the platform shows their end.
    """

    changed: frozenset[int] = frozenset()
    ready: frozenset[int] = frozenset()
    empty: frozenset[int] = frozenset()

    @property
    def going(self) -> frozenset[int]:
        """Those that wait for no SKU any more."""
        return self.ready | self.empty


def send_on(tx: Connection, fulfillment_order_ids: Sequence[int]) -> SentOn:
    """Give waiting orders what the map says by now, and make `reserve` due, in their lane, where no SKU is missing.

    What somebody else works on just now is left out, and so is what changes nothing: safe to repeat.
    """
    ids = lock_ready(tx, fulfillment_order_ids) if fulfillment_order_ids else []
    if not ids:
        return SentOn()
    lines = open_lines(tx, ids)
    listing_map = load_entries(tx, (line.listing for line in lines if not line.is_known))
    changed = new_skus(lines, listing_map)
    if any(one.sku == NOTHING for one in changed) and carry_whole(tx):
        # A worker of an earlier version would want the line all the same: it waits until that has gone.
        changed = [one for one in changed if one.sku != NOTHING]
    write_skus(tx, changed)
    left = standing(lines, changed, unknown_skus(tx, {one.sku for one in changed if one.sku != NOTHING}))
    _tell(tx, ids, lines, changed, left)
    _set_fulfillers(tx, changed)
    return SentOn(frozenset(one.line.fulfillment_order_id for one in changed), left.ready, left.empty)


def let_go(tx: Connection, locked: Locked, author: Author) -> tuple[str, ...]:
    """Leave out the lines of an order that have no SKU, for this order alone, as a person; the ids of those lines.

    What the map knows stays: `reserve` asks it. The order must be locked (`infra.db.listings.lock_order`), and its
    fulfillment order. Raises Conflict ``nothing_left`` where no line would be left to pick, and
    ``earlier_version_runs`` while a worker lives that would pick them all the same.
    """
    lines = open_lines(tx, [locked.id])
    gone = to_let_go(lines, load_entries(tx, (line.listing for line in lines if not line.sku)))
    if not gone:
        return ()
    if len(gone) == len(lines):
        advice = "map its listing (`orderlane sku map`), with --nothing if there is nothing to ship"
        raise Conflict("nothing_left", f"no line of order {locked.order_id} has a SKU: {advice}")
    if carry_whole(tx):
        raise Conflict("earlier_version_runs", "workers of an earlier version carry every order whole: stop them first")
    write_skus(tx, gone)
    _set_fulfillers(tx, gone)
    line_ids = tuple(one.line.line_id for one in gone)
    facts = {"lines": list(line_ids), "by": author.who, "reason": author.reason}
    writes = Writes(events=[event(Step.RESERVE, _place(locked), "lines_let_go", Cause.PERSON, facts=facts)])
    write(tx, Step.RESERVE, writes)
    acts = [
        (f"order/{one.line.order_id}", {"line": one.line.line_id, "product": one.line.listing.product_id})
        for one in gone
    ]
    record_acts(tx, author.who, "line_let_go", author.reason, acts)
    return line_ids


@dataclass(slots=True)
class WaitingForSkus:
    """The sweeper's duty: whatever a command that was killed has left, and what came to wait while it ran.

    A round looks at one stretch of the waiting orders; the next round takes the next.
    """

    db: Database
    stretch: int = STRETCH
    _after: int = field(default=0, init=False)

    def run(self) -> int:
        """Return how many orders go on."""
        ids, sent = _stretch(self.db, self._after, self.stretch)
        self._after = ids[-1] if len(ids) == self.stretch else 0
        if sent.going:
            log.info("waiting_orders_sent_on", orders=len(sent.going))
        return len(sent.going)


def send_all_on(db: Database, stretch: int = STRETCH) -> int:
    """Look at every waiting order once, in transactions of a stretch each; how many go on. Safe to run twice."""
    after, going = 0, 0
    while True:
        ids, sent = _stretch(db, after, stretch)
        going += len(sent.going)
        if len(ids) < stretch:
            return going
        after = ids[-1]


def _stretch(db: Database, after: int, limit: int) -> tuple[list[int], SentOn]:
    with db.connection() as connection:
        ids = waiting(connection, after, limit)
    if not ids:
        return [], SentOn()
    with db.transaction() as tx:
        sent = send_on(tx, ids)
        failpoints(_WRITTEN, sorted(sent.going), tx)
    failpoints(_COMMITTED, sorted(sent.going))
    return ids, sent


def _tell(
    tx: Connection, ids: Sequence[int], lines: Sequence[OpenLine], changed: Sequence[NewSku], left: Standing
) -> None:
    """Events of what changed, `reserve` for what is ready, and no hold for that of which nothing is left."""
    accounts = {line.fulfillment_order_id: line.listing.account for line in lines}
    words: dict[int, list[str]] = {}
    for change in changed:
        words.setdefault(change.line.fulfillment_order_id, []).append(_in_words(change))
    locked = lock_fulfillment(tx, ids)
    # A step releases the hold of what is paid; before that nobody asks again.
    done = [one for one in locked if one.id in left.empty or (one.id in left.ready and _is_unpaid(one))]
    if done:
        rows = [{"fulfillment_order_id": one.id, "code": HoldCode.SKU_UNMAPPED} for one in done]
        tx.execute(FULFILLMENT["release_holds"], {"rows": rows_json(rows), "by": ENGINE})
    set_reservations(tx, dict.fromkeys(sorted(left.empty), Reservation.NONE))
    still_held = open_holds(tx, sorted(left.empty)) if left.empty else {}
    writes = Writes()
    for one in locked:
        if one.id in words:
            facts = {"lines": words[one.id]}
            writes.events.append(event(Step.RESERVE, _place(one), "skus_mapped", Cause.RULES, facts=facts))
        if one.id in left.ready:
            writes.added.append(NewWork(Step.RESERVE, one.id, one.lane, shop=accounts[one.id]))
        elif one.id in left.empty and one.state is State.ON_HOLD and one.id not in still_held:
            facts_of_move = {"code": HoldCode.SKU_UNMAPPED, "by": ENGINE}
            add_move(Step.RESERVE, Settled(_place(one), Done()), (State.PAID,), writes, facts=facts_of_move)
    write(tx, Step.RESERVE, writes)


def _is_unpaid(locked: Locked) -> bool:
    return locked.state is State.PENDING_PAYMENT


def _set_fulfillers(tx: Connection, changed: Iterable[NewSku]) -> None:
    order_ids = sorted({one.line.order_id for one in changed if one.sku == NOTHING})
    if order_ids:
        set_fulfilled_by(tx, {id_: order.fulfilled_by for id_, order in load_orders(tx, order_ids).items()})


def _place(locked: Locked) -> Place:
    return Place(locked.id, locked.lane, locked.order_id, locked.id, None, locked.state)


def _in_words(one: NewSku) -> str:
    return f"{one.line.line_id} is {one.sku}" if one.sku != NOTHING else f"{one.line.line_id} is nothing to pick"
