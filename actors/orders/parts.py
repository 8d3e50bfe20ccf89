"""Moves pieces of a fulfillment order into further fulfillment orders of the same order, with their reserved stock."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from actors.tools import Tools
from domain.lines import pieces_by_sku
from domain.money import Money
from domain.order import Order, OrderLine
from domain.outcomes import Done, Later
from domain.routing import Candidate, Contract
from domain.splitting import Want
from domain.states import Cause, State
from domain.stock import Reservation
from infra.engine.reports import UNTIL_WOKEN_S
from infra.engine.results import Finished, SubjectRef
from infra.tables.fulfillment import NewPart, add_parts
from infra.tables.lines import Quantity, add_quantities, move_reserved, set_quantities
from infra.tables.orders import Locked
from infra.tables.pool import Connection

# Due only when no worker of a version without parts runs: such a worker would ship the whole order.
WAIT_FOR_UPGRADE = Later("earlier_version_runs", after_s=UNTIL_WOKEN_S)


def books_waybill(tools: Tools, location: str) -> bool:
    """Whether the warehouse of a location is told of orders, chooses the courier and books."""
    known = tools.capabilities(location)
    return known.takes_orders and known.books_waybill


def divides_lines(tools: Tools, order: Order) -> bool:
    """Whether the shop's write-back can name pieces of a line; for a shop that is no longer configured, only whole
    lines.
    """
    platform = tools.platforms.get(order.key.account)
    return platform is not None and platform.divides_lines


def wants_of(order: Order, quantities: Sequence[tuple[str, int]]) -> tuple[Want, ...]:
    """Pieces by line with what was paid for them."""
    lines = {line.line_id: line for line in order.lines}
    return tuple(_want(lines[line_id], quantity) for line_id, quantity in quantities)


def _want(line: OrderLine, quantity: int) -> Want:
    paid = Money(line.paid.minor * quantity // line.quantity, line.paid.currency)
    return Want(line.line_id, line.sku, quantity, paid)


def nothing_left(ref: SubjectRef) -> Finished:
    """Closes the fulfillment order: every piece was refunded, or somebody else has shipped it and a person has
    confirmed that.
    """
    return Finished(ref, Done(State.CLOSED), Cause.PLATFORM, closed_reason="nothing_left")


@dataclass(frozen=True, slots=True)
class SplitOff:
    """Pieces by line that leave `locked` for a fulfillment order of their own, in `state`.

    Reserved pieces go along when `locked` has any; otherwise the new one begins without.
    """

    locked: Locked
    order: Order
    quantities: Mapping[str, int]
    state: State
    resume_state: State | None = None


def split_off(tx: Connection, parts: Sequence[SplitOff]) -> list[int]:
    """Make the fulfillment orders; their ids in the order of `parts`. Nothing of `parts` may be packed yet."""
    if not parts:
        return []
    counts: dict[int, int] = {}
    numbered: list[tuple[int, SplitOff]] = []
    for one in parts:
        counts[one.locked.order_id] = counts.get(one.locked.order_id, 0) + 1
        numbered.append((counts[one.locked.order_id], one))
    by_order = sorted(numbered, key=lambda each: (each[1].locked.order_id, each[0]))
    made = add_parts(tx, [_new_part(number, one) for number, one in by_order])
    ids = {id(one): id_ for (_, one), id_ in zip(by_order, made, strict=True)}
    left = _left(parts)
    set_quantities(
        tx,
        [
            Quantity(locked.id, locked.order_id, line_id, quantity)
            for locked, _, rest in left.values()
            for line_id, quantity in rest.items()
            if quantity < dict(locked.quantities)[line_id]
        ],
    )
    add_quantities(
        tx,
        [
            Quantity(ids[id(one)], one.locked.order_id, line_id, quantity)
            for one in parts
            for line_id, quantity in one.quantities.items()
        ],
    )
    reserved = [one for one in parts if one.locked.reservation == Reservation.RESERVED]
    moved = {(one.locked.id, ids[id(one)]): pieces_by_sku(one.order, one.quantities.items()) for one in reserved}
    kept = {id_: pieces_by_sku(order, rest.items()) for id_, (_, order, rest) in left.items()}
    move_reserved(tx, moved, kept)
    return [ids[id(one)] for one in parts]


def _new_part(number: int, one: SplitOff) -> NewPart:
    is_reserved = one.locked.reservation == Reservation.RESERVED
    reservation = Reservation.RESERVED if is_reserved else Reservation.NONE
    return NewPart(one.locked.id, one.locked.order_id, number, one.state, one.resume_state, reservation)


def _left(parts: Sequence[SplitOff]) -> dict[int, tuple[Locked, Order, dict[str, int]]]:
    """What each split fulfillment order keeps, by its id."""
    left: dict[int, tuple[Locked, Order, dict[str, int]]] = {}
    for one in parts:
        _, _, rest = left.setdefault(one.locked.id, (one.locked, one.order, dict(one.locked.quantities)))
        for line_id, quantity in one.quantities.items():
            rest[line_id] -= quantity
    return left


def candidates(
    tools: Tools, levels: Mapping[str, Mapping[str, int]], excluded: Collection[str] = ()
) -> list[Candidate]:
    """Every location with its contracts and what it can give, by SKU, in the order of the settings.

    `excluded`: locations that have refused the order.
    """
    return [
        Candidate(
            location.name,
            location.sender.province,
            location.sender.city,
            tuple(Contract(one.account, one.courier) for one in tools.directory.contracts_at(location.name)),
            levels.get(location.name, {}),
            books_waybill=books_waybill(tools, location.name),
        )
        for location in tools.directory.locations.values()
        if location.name not in excluded
    ]
