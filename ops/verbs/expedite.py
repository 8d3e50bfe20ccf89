"""Change an order's lane as a person, while it waits: also while nobody has read its payload yet."""

from dataclasses import dataclass

from domain.errors import Conflict
from domain.order import Lane
from domain.states import FINAL_STATES, Cause
from infra.engine.author import Author
from infra.engine.results import Place
from infra.engine.write_outcomes import Writes, event, write
from infra.process.steps import steps_by_subject
from infra.tables.letters import record_acts
from infra.tables.orders import Locked, lock_fulfillment_of_orders
from infra.tables.pool import Connection, Database
from infra.tables.sql import load

EXPEDITE = load("expedite")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expedited:
    """`was`: the lanes that were left, none when it ran in `lane` already; `moved`: steps whose work moved.

    `order_id`: None while there are only `payloads`, which nobody has read.
    """

    order_id: int | None
    payloads: tuple[int, ...] = ()
    lane: str
    was: tuple[str, ...]
    moved: tuple[str, ...]


def expedite(db: Database, order_id: int, lane: Lane, author: Author) -> Expedited:
    """Move an order and all of its work to a lane, where the rules leave it. Safe to run twice.

    Raises Conflict ``order_ended`` when nothing of the order is open any more.
    """
    # First the order, so that whatever becomes due from here on is in the new lane; then, without its lock, what is
    # due already: a step holds the row of its work while it waits for the order.
    was = choose_lane(db, order_id, lane, author)
    with db.transaction() as tx:
        moved = move_work(tx, order_id, lane)
    return Expedited(order_id=order_id, lane=lane, was=was, moved=moved)


def choose_lane(db: Database, order_id: int, lane: Lane, author: Author) -> tuple[str, ...]:
    """The first half: the order, so that what becomes due is in the lane; the lanes that were left. Raises as above."""
    with db.transaction() as tx:
        return _choose(tx, order_id, lane, author)


def move_work(tx: Connection, order_id: int, lane: Lane) -> tuple[str, ...]:
    """The second half: what is due already, in a transaction that holds nothing of the order; the steps that moved."""
    rows = tx.execute(EXPEDITE["move_work"], {"order_id": order_id, "lane": lane, **steps_by_subject()}).fetchall()
    return tuple(sorted({row[0] for row in rows}))


def expedite_unread(db: Database, text: str, lane: Lane, author: Author) -> Expedited | None:
    """Move what waits to be read under a platform's order id, with or without its shop; None when nothing does.

    The order keeps the lane when it comes to be. Raises Conflict ``order_ambiguous``, when shops share the id.
    """
    place, _, platform_order_id = text.strip().rpartition("/")
    named = {"place": place, "platform_order_id": platform_order_id, "lane": lane, "by": author.who}
    with db.transaction() as tx:
        rows = tx.execute(EXPEDITE["choose_payload_lane"], named).fetchall()
        accounts = sorted({account for _, _, account in rows})
        if len(accounts) > 1:
            meant = ", ".join(f"{account}/{platform_order_id}" for account in accounts)
            raise Conflict("order_ambiguous", f"{platform_order_id} may mean {meant}: say which")
        acts = [(f"payload/{id_}", {"lane": lane, "was": [was]}) for id_, was, _ in rows if was != lane]
        record_acts(tx, author.who, "order_expedited", author.reason, acts)
    ids = [id_ for id_, _, _ in rows]
    with db.transaction() as tx:
        # Whatever was read meanwhile is an order now, perhaps in its old lane.
        waiting = tuple(row[0] for row in tx.execute(EXPEDITE["move_payload_work"], {"ids": ids, "lane": lane}))
    if not waiting:
        return None
    was = tuple(sorted({before for _, before, _ in rows if before != lane}))
    return Expedited(order_id=None, payloads=waiting, lane=lane, was=was, moved=("normalize",) if was else ())


def _choose(tx: Connection, order_id: int, lane: Lane, author: Author) -> tuple[str, ...]:
    locked = lock_fulfillment_of_orders(tx, [order_id]).get(order_id, [])
    still_open = {one.id: one for one in locked if one.state not in FINAL_STATES}
    if not still_open:
        raise Conflict("order_ended", f"order {order_id} is {' and '.join(sorted({one.state for one in locked}))}")
    named = {"ids": list(still_open), "lane": lane, "by": author.who}
    changed = tx.execute(EXPEDITE["choose_lane"], named).fetchall()
    if not changed:
        return ()
    _tell(tx, [still_open[id_] for id_, _ in changed], lane, author)
    was = sorted({before for _, before in changed})
    record_acts(tx, author.who, "order_expedited", author.reason, [(f"order/{order_id}", {"lane": lane, "was": was})])
    return tuple(was)


def _tell(tx: Connection, changed: list[Locked], lane: Lane, author: Author) -> None:
    writes = Writes()
    for one in changed:
        place = Place(one.id, one.lane, one.order_id, one.id, None, one.state)
        facts = {"lane": lane, "was": one.lane, "by": author.who, "reason": author.reason}
        # Lanes are review's to decide: the timeline shows who decided instead.
        writes.events.append(event("review", place, "lane_chosen", Cause.PERSON, facts=facts))
    write(tx, "review", writes)
