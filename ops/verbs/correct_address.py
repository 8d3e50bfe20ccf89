"""Correct the address of an order as a person: a label to the former address is never sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.corrected_addresses import corrected, fingerprint
from domain.holds import HoldCode
from domain.order import Order
from domain.order_changes import OrderPart, plan, to_correct
from domain.states import RANK, Cause, State
from domain.stops import StopGoal
from infra.engine.author import Author
from infra.engine.replay import add_due, go_on
from infra.engine.write_outcomes import Writes, event, write
from infra.tables.audit import Verb
from infra.tables.holds import open_holds, release_hold
from infra.tables.order_parts import changed_by_buyer, load_parts
from infra.tables.orders import correct_receiver, load_orders
from infra.tables.pool import Connection, Database
from ops.verbs.change import Change, change
from ops.verbs.stop_orders import Standing, lock_standing, ref_of_part, request_other_label
from ops.views.looking import looking

# What the checks of an address find is found again, if it is still so.
_OF_ADDRESSES = frozenset({HoldCode.ADDRESS_MISSING, HoldCode.ADDRESS_VAGUE, HoldCode.REMOTE_COURIER})
_STEP = "review"


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectedOrder:
    """An order with another address. `fields`: the names of those that differ. `acts`: what follows, as things stood.

    `released`: codes of holds that were about the former address.
    """

    order_id: int
    fields: tuple[str, ...]
    released: tuple[str, ...]
    acts: tuple[str, ...]


def correct_address(db: Database, order_id: int, given: Mapping[str, str], author: Author) -> CorrectedOrder:
    """Replace fields of the receiver's address. `given`: values by the names of `domain.corrected_addresses.FIELDS`.

    The review looks at the order again. What has a label, or may have one, is stopped and made anew. The address stays
    until the platform says another one than now. Raises Conflict as `domain.order_changes.to_correct` does, and Refused
    as `domain.corrected_addresses.corrected` does.
    """
    with change(db, author) as made:
        return correct_address_in(made, order_id, given, author)


def correct_address_in(made: Change, order_id: int, given: Mapping[str, str], author: Author) -> CorrectedOrder:
    """The same in the caller's change, which must not have locked any row of the order before."""
    tx = made.tx
    standing = lock_standing(tx, order_id)
    chosen = to_correct(standing.parts)
    order = load_orders(tx, [order_id])[order_id]
    receiver = corrected(order.receiver, given)
    correct_receiver(tx, order_id, receiver, order.corrected_from or fingerprint(order.receiver))
    released = _release(tx, order_id, chosen, author)
    fields = _differing(order, given)
    writes = Writes()
    for one in chosen:
        facts = {"by": author.who, "reason": author.reason, "fields": list(fields)}
        ref = ref_of_part(standing.locked[one.id])
        writes.events.append(event(_STEP, ref, "address_corrected", Cause.PERSON, facts=facts))
    write(tx, _STEP, writes)
    _go_on(tx, standing, chosen, author)
    held = sorted(released)
    made.note(
        Verb.ADDRESS_CORRECTED,
        f"order/{order_id}",
        {"corrected": bool(order.corrected_from)},
        {"corrected": True},
        fields=list(fields),
        released=held,
    )
    return CorrectedOrder(order_id=order_id, fields=fields, released=tuple(held), acts=_acts(chosen))


def preview_correction(db: Database, order_id: int, given: Mapping[str, str]) -> CorrectedOrder:
    """What a correction would do. Changes nothing; raises as `correct_address` does."""
    with looking(db) as tx:
        chosen = to_correct(load_parts(tx, [order_id]).get(order_id, []))
        order = load_orders(tx, [order_id])[order_id]
        corrected(order.receiver, given)
        holds = open_holds(tx, [one.id for one in chosen])
        about = _about_addresses(tx, order_id)
        released = sorted({code for each in holds.values() for code, _ in each if code in about})
        return CorrectedOrder(
            order_id=order_id, fields=_differing(order, given), released=tuple(released), acts=_acts(chosen)
        )


def _differing(order: Order, given: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted(name for name, value in given.items() if getattr(order.receiver, name) != value.strip()))


def _about_addresses(tx: Connection, order_id: int) -> frozenset[HoldCode]:
    """The codes of holds that are about the address alone."""
    changed = changed_by_buyer(tx, [order_id]).get(order_id, frozenset())
    return _OF_ADDRESSES | ({HoldCode.BUYER_CHANGED} if changed == frozenset({"receiver"}) else frozenset())


def _release(tx: Connection, order_id: int, chosen: Sequence[OrderPart], author: Author) -> set[str]:
    about = _about_addresses(tx, order_id)
    held = [(id_, code) for id_, each in open_holds(tx, [one.id for one in chosen]).items() for code, _ in each]
    found = [(id_, code) for id_, code in held if code in about]
    for id_, code in found:
        release_hold(tx, id_, code, author, is_waived=False)
    return {code for _, code in found}


def _go_on(tx: Connection, standing: Standing, chosen: Sequence[OrderPart], author: Author) -> None:
    """Before the review has approved, it is asked again; later, the part is made anew from there."""
    # A part that is being stopped has a label to the former address too, and its stop may be taken back.
    stopping = [one for one in standing.parts if one.is_inside and one.is_stopping]
    anew = [one for one in (*chosen, *stopping) if _is_reviewed(one)]
    if anew:
        request_other_label(tx, standing, author, anew)
    left = open_holds(tx, [one.id for one in chosen if one not in anew])
    for one in chosen:
        locked = standing.locked[one.id]
        if one in anew or left.get(one.id) or one.at is not State.PAID:
            continue
        if locked.state is State.ON_HOLD:
            go_on(tx, locked, _STEP, Cause.PERSON, {"by": author.who, "reason": author.reason})
        else:
            add_due(tx, locked, _STEP)


def _is_reviewed(one: OrderPart) -> bool:
    return RANK[one.at] >= RANK[State.APPROVED]


def _acts(chosen: Sequence[OrderPart]) -> tuple[str, ...]:
    planned = [act for one in chosen if _is_reviewed(one) for act in plan(one, StopGoal.REBUILD)]
    return tuple(dict.fromkeys(map(str, planned)))
