"""Divide an order into parts as a person, and join its parts again, before anything of it is routed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from actors.orders.parts import SplitOff, split_off
from domain.errors import Conflict, FulfilmentError
from domain.holds import PERSON
from domain.lines import pieces_by_sku
from domain.order_changes import OrderPart, to_split, to_unsplit
from domain.outcomes import Done
from domain.states import Cause, State
from domain.stock import Reservation, fill
from infra.engine.author import Author
from infra.engine.reports import has_worker_without_parts
from infra.engine.results import Finished, NewWork, SubjectRef
from infra.engine.write_outcomes import Writes, add_move, event, write
from infra.tables.audit import Verb
from infra.tables.fulfillment import set_reservations
from infra.tables.holds import open_holds, release_all_holds
from infra.tables.lines import Quantity, add_quantities, set_quantities
from infra.tables.order_parts import load_parts
from infra.tables.orders import Locked, load_orders, shop_of
from infra.tables.pool import Connection, Database
from infra.tables.stock import lock_levels, release_stock, reserve_stock
from ops.verbs.change import Change, change
from ops.verbs.stop_orders import Standing, lines_named, lock_standing, ref_of_part
from ops.views.looking import looking

# Why a part closed: its pieces are in another part of the order.
JOINED = "joined"


@dataclass(frozen=True, slots=True, kw_only=True)
class DividedOrder:
    """An order whose parts are others now. `pieces`: by line, that have moved. `part`: the number of their part."""

    order_id: int
    part: int
    pieces: Mapping[str, int]
    state: str


def split(db: Database, order_id: int, lines: Sequence[str], author: Author) -> DividedOrder:
    """Move lines into a part of their own. `lines`: their ids or SKUs.

    Raises Conflict as `domain.order_changes.to_split` does, ``earlier_version_runs``, and Refused ``line_unknown``.
    """
    with change(db, author) as made:
        return split_in(made, order_id, lines, author)


def split_in(made: Change, order_id: int, lines: Sequence[str], author: Author) -> DividedOrder:
    """The same in the caller's change, which must not have locked any row of the order before."""
    tx = made.tx
    standing = lock_standing(tx, order_id)
    part, pieces = _chosen(tx, order_id, standing.parts, lines)
    if has_worker_without_parts(tx):
        raise Conflict("earlier_version_runs")
    order = load_orders(tx, [order_id])[order_id]
    locked = standing.locked[part.id]
    is_held = any(step == PERSON for _, step in open_holds(tx, [part.id]).get(part.id, ()))
    state, resume = (State.ON_HOLD, State.PAID) if is_held else (State.PAID, None)
    [made_id] = split_off(tx, [SplitOff(locked, order, pieces, state, resume)])
    ref = SubjectRef(made_id, locked.lane, order_id, made_id, None, state)
    writes = Writes()
    facts = {"by": author.who, "reason": author.reason, "pieces": pieces}
    writes.events.append(event(PERSON, ref, "part_made", Cause.PERSON, facts=facts))
    if not is_held:
        step = "review" if locked.reservation == Reservation.RESERVED else "reserve"
        writes.added.append(NewWork(step, made_id, locked.lane, shop=shop_of(tx, part.id)))
    write(tx, PERSON, writes)
    number = next(one.number for one in load_parts(tx, [order_id])[order_id] if one.id == made_id)
    before, after = {"parts": len(standing.parts)}, {"parts": len(standing.parts) + 1}
    made.note(Verb.ORDER_SPLIT, f"order/{order_id}", before, after, pieces=pieces, from_part=part.number)
    return DividedOrder(order_id=order_id, part=number, pieces=pieces, state=state)


def unsplit(db: Database, order_id: int, author: Author) -> DividedOrder:
    """Join the parts of an order that are not routed yet; the review looks at the whole again.

    Raises Conflict as `domain.order_changes.to_unsplit` does.
    """
    with change(db, author) as made:
        return unsplit_in(made, order_id, author)


def unsplit_in(made: Change, order_id: int, author: Author) -> DividedOrder:
    """The same in the caller's change."""
    tx = made.tx
    standing = lock_standing(tx, order_id)
    first, others = to_unsplit(standing.parts)
    pieces = _added(others)
    _move_pieces(tx, order_id, first, others)
    is_promised = _promise_again(tx, standing, first, others)
    release_all_holds(tx, [one.id for one in others], PERSON)
    writes = Writes()
    facts = {"by": author.who, "reason": author.reason}
    for one in others:
        closed = Finished(ref_of_part(standing.locked[one.id]), Done(), Cause.PERSON, closed_reason=JOINED)
        add_move(PERSON, closed, (State.CLOSED,), writes, facts={**facts, "into": first.number})
    ref = ref_of_part(standing.locked[first.id])
    writes.events.append(event(PERSON, ref, "parts_joined", Cause.PERSON, facts={**facts, "pieces": pieces}))
    if ref.state is not State.ON_HOLD:
        add_move(PERSON, Finished(ref, Done(), Cause.PERSON), (State.PAID,), writes, facts=facts)
        step = "review" if is_promised else "reserve"
        writes.added.append(NewWork(step, first.id, ref.lane, shop=shop_of(tx, first.id)))
    write(tx, PERSON, writes)
    before = {"parts": [one.number for one in (first, *others)]}
    made.note(Verb.ORDER_JOINED, f"order/{order_id}", before, {"parts": [first.number]}, pieces=pieces)
    state = State.ON_HOLD if ref.state is State.ON_HOLD else State.PAID
    return DividedOrder(order_id=order_id, part=first.number, pieces=pieces, state=state)


def foresee_unsplit(tx: Connection, order_ids: Sequence[int], done: str) -> dict[int, str]:
    """What a joining would end with, by order: `done`, or the code of the refusal. Changes nothing."""
    parts = load_parts(tx, order_ids)
    return {id_: _judged(parts.get(id_, ()), done) for id_ in order_ids}


def preview_split(db: Database, order_id: int, lines: Sequence[str]) -> DividedOrder:
    """What a split would move. Changes nothing; raises as `split` does."""
    with looking(db) as tx:
        parts = load_parts(tx, [order_id]).get(order_id, [])
        _, pieces = _chosen(tx, order_id, parts, lines)
        number = max(one.number for one in parts) + 1
        return DividedOrder(order_id=order_id, part=number, pieces=pieces, state=State.PAID)


def preview_unsplit(db: Database, order_id: int) -> DividedOrder:
    """What a joining would move. Changes nothing; raises as `unsplit` does."""
    with looking(db) as tx:
        first, others = to_unsplit(load_parts(tx, [order_id]).get(order_id, []))
        return DividedOrder(order_id=order_id, part=first.number, pieces=_added(others), state=first.state)


def _chosen(
    tx: Connection, order_id: int, parts: Sequence[OrderPart], lines: Sequence[str]
) -> tuple[OrderPart, dict[str, int]]:
    """The part that lines leave, and their pieces."""
    named = lines_named(tx, order_id, lines)
    part = to_split(parts, named)
    return part, {line: part.lines[line] for line in named}


def _judged(parts: Sequence[OrderPart], done: str) -> str:
    try:
        to_unsplit(parts)
    except FulfilmentError as error:
        return error.code
    return done


def _added(parts: Sequence[OrderPart]) -> dict[str, int]:
    pieces: dict[str, int] = {}
    for one in parts:
        for line, count in one.lines.items():
            pieces[line] = pieces.get(line, 0) + count
    return pieces


def _move_pieces(tx: Connection, order_id: int, first: OrderPart, others: Sequence[OrderPart]) -> None:
    set_quantities(tx, [Quantity(one.id, order_id, line, 0) for one in others for line in one.lines])
    add_quantities(tx, [Quantity(first.id, order_id, line, count) for line, count in _added(others).items()])


def _promise_again(tx: Connection, standing: Standing, first: OrderPart, others: Sequence[OrderPart]) -> bool:
    """Give the first part what all had been promised, before another order can take it; whether it is promised now."""
    whole = (first, *others)
    if not all(_is_reserved(standing.locked[one.id]) for one in whole):
        release_stock(tx, [one.id for one in whole])
        set_reservations(tx, {first.id: Reservation.NONE})
        return False
    order = load_orders(tx, [standing.order_id])[standing.order_id]
    pieces = pieces_by_sku(order, _added(whole).items())
    release_stock(tx, [one.id for one in whole])
    if not fill(pieces, lock_levels(tx, sorted(pieces))):
        return False
    reserve_stock(tx, pieces, {first.id: pieces})
    set_reservations(tx, {first.id: Reservation.RESERVED})
    return True


def _is_reserved(locked: Locked) -> bool:
    return locked.reservation == Reservation.RESERVED
