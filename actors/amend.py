"""A newer content of an order that is under way: stored whole, then closed, held, paid or reviewed again."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from domain.changes import Change, change
from domain.holds import HoldCode, waybill_facts
from domain.listings import keep_skus
from domain.order import Order, PlatformState
from domain.outcomes import Done, Hold
from domain.states import Cause, State, Step
from domain.waivers import Waiver, refund_facts, refunds_waived, stays
from infra.db.letters import LETTERS, load_waivers
from infra.db.orders import (
    ORDERS,
    Locked,
    line_rows,
    load_orders,
    lock_fulfillment_of_orders,
    order_row,
    rows_json,
)
from infra.db.pool import Connection
from infra.db.shipments import ask_about, living_waybills
from infra.db.stock import release_stock
from infra.engine.results import NewWork, Place, Result, Settled
from infra.engine.settle import FULFILLMENT


def amend(tx: Connection, step: Step, newer: Sequence[tuple[int, Place, Order]]) -> list[Result]:
    """Store (order id, place, content) triples and settle what each asks for.

    `step` is the one that acts, so that its place's subject is the one that is finished.
    """
    if not newer:
        return []
    order_ids = [order_id for order_id, _, _ in newer]
    old = load_orders(tx, order_ids)
    newer = [(order_id, place, keep_skus(old[order_id], order)) for order_id, place, order in newer]
    fulfillment = lock_fulfillment_of_orders(tx, order_ids)
    waivers = load_waivers(tx, [each[0].id for each in fulfillment.values()])
    _store(tx, newer)
    _keep_waivers(
        tx, newer, old, {locked[0].order_id: waivers.get(locked[0].id, ()) for locked in fulfillment.values()}
    )
    changes: list[tuple[Place, Order, Locked, Change]] = []
    for order_id, place, order in newer:
        # One fulfillment order for each order until orders are split.
        locked = fulfillment[order_id][0]
        waived = waivers.get(locked.id, ())
        asked = change(
            old[order_id],
            order,
            locked.state,
            locked.resume_state,
            refunds_waived(waived),
            waived_unknown=refunds_waived(waived, HoldCode.REFUND_UNKNOWN),
        )
        changes.append((place, order, locked, asked))
    closed = [locked.id for _, _, locked, asked in changes if asked.closes]
    again = [locked.id for _, _, locked, asked in changes if asked.reserves_again]
    if closed:
        # Nobody need look at what is over, except at what the courier may have.
        tx.execute(FULFILLMENT["release_all_holds"], {"ids": closed, "by": step})
        ask_about(tx, closed)
    unwanted = _unwanted(tx, changes)
    release_stock(tx, [*closed, *again])
    return [
        replace(_settled(step, place, locked, asked, order.key.account), holds=unwanted.get(locked.id, ()))
        for place, order, locked, asked in changes
    ]


def _unwanted(tx: Connection, changes: Sequence[tuple[Place, Order, Locked, Change]]) -> dict[int, tuple[Hold, ...]]:
    """Waybills that live although their order is over on its platform, each with a hold that names it."""
    over = [
        locked.id
        for _, order, locked, asked in changes
        if asked.closes or (asked.hold is not None and order.state is PlatformState.CLOSED)
    ]
    living = living_waybills(tx, over) if over else {}
    return {id_: (Hold(HoldCode.UNWANTED_WAYBILL, waybill_facts(*waybill)),) for id_, waybill in living.items()}


def _settled(step: Step, subject: Place, locked: Locked, asked: Change, shop: str) -> Settled:
    place = Place(subject.subject_id, locked.lane, locked.order_id, locked.id, None, locked.state)
    if asked.closes:
        return Settled(place, Done(State.CLOSED), Cause.PLATFORM, closed_reason="closed_by_platform")
    follow = _follow(locked, asked, shop)
    if asked.hold is not None:
        facts = {"step": step, **(refund_facts(asked.refunds) if asked.refunds else {})}
        return Settled(place, Hold(asked.hold, facts), Cause.PLATFORM, follow=follow)
    if asked.becomes_paid:
        return Settled(place, Done(State.PAID), Cause.PLATFORM, follow=follow)
    return Settled(place, Done(facts={"amended": True}), Cause.PLATFORM, follow=follow)


def _follow(locked: Locked, asked: Change, shop: str) -> tuple[NewWork, ...]:
    if asked.reserves_again:
        return (NewWork(Step.RESERVE, locked.id, locked.lane, shop=shop),)
    if asked.becomes_paid or asked.review:
        return (NewWork(Step.REVIEW, locked.id, locked.lane, shop=shop),)
    return ()


def _keep_waivers(
    tx: Connection,
    newer: Sequence[tuple[int, Place, Order]],
    old: Mapping[int, Order],
    waivers: Mapping[int, Sequence[Waiver]],
) -> None:
    """What a person let pass is not asked again for as long as it is the same fact."""
    kept = [
        {"id": waiver.hold_id, "raw_payload_id": place.subject_id}
        for order_id, place, order in newer
        for waiver in waivers[order_id]
        if stays(waiver, old[order_id], order)
    ]
    if kept:
        tx.execute(LETTERS["keep_waivers"], {"rows": rows_json(kept)})


def _store(tx: Connection, newer: Sequence[tuple[int, Place, Order]]) -> None:
    rows = [
        {**order_row(order), "id": order_id, "raw_payload_id": place.subject_id} for order_id, place, order in newer
    ]
    lines = [{"id": order_id, **line} for order_id, _, order in newer for line in line_rows(order)]
    tx.execute(ORDERS["amend"], {"orders": rows_json(rows)})
    tx.execute(ORDERS["amend_receiver"], {"orders": rows_json(rows)})
    tx.execute(ORDERS["drop_lines"], {"ids": [order_id for order_id, _, _ in newer]})
    tx.execute(ORDERS["add_lines"], {"lines": rows_json(lines)})
