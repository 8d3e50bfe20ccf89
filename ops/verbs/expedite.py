"""Change the lane of a waiting order as a person, also of an order whose payload is not read yet."""

from dataclasses import dataclass

from domain.errors import Conflict
from domain.order import Lane
from domain.states import FINAL_STATES, Cause
from infra.engine.author import Author
from infra.engine.results import SubjectRef
from infra.engine.write_outcomes import Writes, event, write
from infra.tables import payloads
from infra.tables.audit import Verb
from infra.tables.fulfillment import choose_lane
from infra.tables.orders import Locked, lock_fulfillment_of_orders
from infra.tables.payloads import move_payloads
from infra.tables.pool import Connection, Database
from infra.tables.work import move_order
from ops.verbs.change import Change, change


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpediteResult:
    """`was`: the lanes that were left, none when it ran in `lane` already; `moved`: steps whose work moved.

    `order_id`: None while there are only `payloads`, which nobody has read.
    """

    order_id: int | None
    payloads: tuple[int, ...] = ()
    lane: str
    was: tuple[str, ...]
    moved: tuple[str, ...]


def expedite(db: Database, order_id: int, lane: Lane, author: Author) -> ExpediteResult:
    """Move an order and all of its work to a lane, where the rules leave it. Safe to run twice.

    Raises Conflict ``order_ended`` when nothing of the order is open any more.
    """
    # First the order, so that work that becomes due later gets the new lane. Then, without the lock of the order, work
    # that is due already: a step holds the row of its work while it waits for the order.
    was = choose_order_lane(db, order_id, lane, author)
    with change(db, author) as made:
        moved = move_work(made, order_id, lane)
    return ExpediteResult(order_id=order_id, lane=lane, was=was, moved=moved)


def choose_order_lane(db: Database, order_id: int, lane: Lane, author: Author) -> tuple[str, ...]:
    """The first half: the order, so that what becomes due is in the lane; the lanes that were left. Raises as above."""
    with change(db, author) as made:
        return _choose(made, order_id, lane, author)


def move_work(made: Change, order_id: int, lane: Lane) -> tuple[str, ...]:
    """The second half: what is due already, in a transaction that holds nothing of the order; the steps that moved."""
    made.goes_on()
    return tuple(sorted(set(move_order(made.tx, order_id, lane))))


def expedite_unread(db: Database, text: str, lane: Lane, author: Author) -> ExpediteResult | None:
    """Move what waits to be read under a platform's order id, with or without its shop; None when nothing does.

    The order keeps the lane when it comes to be. Raises Conflict ``order_ambiguous``, when shops share the id.
    """
    ref, _, platform_order_id = text.strip().rpartition("/")
    with change(db, author) as made:
        rows = payloads.choose_lane(made.tx, platform_order_id, ref, lane=lane, by=author.who)
        accounts = sorted({account for _, _, account in rows})
        if len(accounts) > 1:
            meant = ", ".join(f"{account}/{platform_order_id}" for account in accounts)
            raise Conflict("order_ambiguous", facts={"id": platform_order_id, "orders": meant})
        moved = [(id_, was) for id_, was, _ in rows if was != lane]
        for id_, was in moved:
            made.note(Verb.ORDER_EXPEDITED, f"payload/{id_}", {"lanes": [was]}, {"lanes": [lane]})
        if not moved:
            made.unchanged()
    ids = [id_ for id_, _, _ in rows]
    with change(db, author) as made:
        made.goes_on()
        # A payload that was read meanwhile is an order now, perhaps in its old lane.
        waiting = tuple(move_payloads(made.tx, ids, lane))
    if not waiting:
        return None
    left = tuple(sorted({was for _, was in moved}))
    return ExpediteResult(order_id=None, payloads=waiting, lane=lane, was=left, moved=("normalize",) if left else ())


def _choose(made: Change, order_id: int, lane: Lane, author: Author) -> tuple[str, ...]:
    locked = lock_fulfillment_of_orders(made.tx, [order_id]).get(order_id, [])
    still_open = {one.id: one for one in locked if one.state not in FINAL_STATES}
    if not still_open:
        states = ", ".join(sorted({one.state for one in locked}))
        raise Conflict("order_ended", facts={"order": order_id, "states": states})
    changed = choose_lane(made.tx, list(still_open), lane, author.who)
    if not changed:
        made.unchanged()
        return ()
    _record(made.tx, [still_open[id_] for id_ in changed], lane, author)
    was = sorted(set(changed.values()))
    made.note(Verb.ORDER_EXPEDITED, f"order/{order_id}", {"lanes": was}, {"lanes": [lane]})
    return tuple(was)


def _record(tx: Connection, changed: list[Locked], lane: Lane, author: Author) -> None:
    writes = Writes()
    for one in changed:
        ref = SubjectRef(one.id, one.lane, one.order_id, one.id, None, one.state)
        facts = {"lane": lane, "was": one.lane, "by": author.who, "reason": author.reason}
        # The review normally decides the lane, so the timeline shows who decided instead.
        writes.events.append(event("review", ref, "lane_chosen", Cause.PERSON, facts=facts))
    write(tx, "review", writes)
