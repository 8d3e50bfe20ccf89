"""A final event brought fewer pieces than planned: the stock is corrected, and the rest goes on as its own part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.dispatch import SHORT
from domain.lines import pieces_by_sku
from domain.order import Order
from domain.outcomes import Done
from domain.states import Cause, State
from infra.engine.author import machine
from infra.engine.results import Finished, NewWork, SubjectRef
from infra.tables.fulfillment import NewPart, add_parts, exclude
from infra.tables.lines import Missing, Quantity, add_quantities, take_short
from infra.tables.pool import Connection
from infra.tables.recount import lower_location
from infra.tables.stock import shrink_stock


@dataclass(frozen=True, slots=True)
class ShortPick:
    """Pieces by line that a warehouse did not find, and those that are left in the plan.

    `ref`: of the fulfillment order, which this transaction holds.
    """

    ref: SubjectRef
    order: Order
    location: str
    reference: str
    missing: Mapping[str, int]
    left: Mapping[str, int]


def split_short(tx: Connection, picks: Sequence[ShortPick]) -> list[Finished]:
    """Take the missing pieces out of their fulfillment orders, and make a part of each rest; a result for each part.

    The part is promised anew, at any location but this one. No statement for none.
    """
    if not picks:
        return []
    ordered = sorted(picks, key=lambda one: (_order_id(one), _id(one)))
    take_short(tx, [Missing(_id(one), _order_id(one), line, n) for one in ordered for line, n in one.missing.items()])
    shrink_stock(tx, {_id(one): pieces_by_sku(one.order, one.left.items()) for one in ordered})
    for one in ordered:
        pieces = pieces_by_sku(one.order, one.missing.items())
        author = machine(f"{one.location} has picked {one.reference} short")
        lower_location(tx, one.location, pieces, pieces.keys(), author)
    numbers: dict[int, int] = {}
    new: list[NewPart] = []
    for one in ordered:
        numbers[_order_id(one)] = numbers.get(_order_id(one), 0) + 1
        new.append(NewPart(_id(one), _order_id(one), numbers[_order_id(one)], State.PAID))
    made = add_parts(tx, new)
    add_quantities(
        tx,
        [
            Quantity(id_, _order_id(one), line, count)
            for id_, one in zip(made, ordered, strict=True)
            for line, count in one.missing.items()
        ],
    )
    exclude(tx, {id_: {one.location: SHORT} for id_, one in zip(made, ordered, strict=True)})
    return [_part(id_, one) for id_, one in zip(made, ordered, strict=True)]


def _part(id_: int, one: ShortPick) -> Finished:
    ref = SubjectRef(id_, one.ref.lane, one.ref.order_id, id_, None, State.PAID)
    facts = {"pieces": dict(one.missing), "short_at": one.location, "document": one.reference}
    follow = (NewWork("reserve", id_, one.ref.lane, shop=one.order.key.account),)
    return Finished(ref, Done(facts=facts), Cause.WAREHOUSE, follow=follow)


def _id(one: ShortPick) -> int:
    assert one.ref.fulfillment_order_id is not None
    return one.ref.fulfillment_order_id


def _order_id(one: ShortPick) -> int:
    assert one.ref.order_id is not None
    return one.ref.order_id
