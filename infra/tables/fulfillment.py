"""Fulfillment orders: their state, where they are placed, their lane, and further parts of an order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from domain.order import Lane
from domain.states import State
from domain.stock import Reservation
from infra.tables.pool import Connection
from infra.tables.rows import Row, rows_json
from infra.tables.sql import load

FULFILLMENT = load("fulfillment")


class SubjectRow(NamedTuple):
    """Where a subject of a step stands."""

    subject_id: int
    order_id: int
    fulfillment_order_id: int
    package_id: int | None
    state: State
    lane: Lane


class SubjectsQuery(StrEnum):
    """What subjects are, as the query that finds their fulfillment orders."""

    FULFILLMENT_ORDER = "rows_of_fulfillment_orders"
    PACKAGE = "rows_of_packages"
    NOTICE = "rows_of_notices"


@dataclass(frozen=True, slots=True)
class NewPart:
    """A further fulfillment order of an order, made from the one with that id. `part` counts from 1 in each order."""

    fulfillment_order_id: int
    order_id: int
    part: int
    state: State
    resume_state: State | None = None
    reservation: Reservation = Reservation.NONE


def move(tx: Connection, moves: Sequence[Row]) -> Callable[[], bool]:
    """Move fulfillment orders that this transaction has locked, each from the state that it is known to have.

    Rows of `id`, `from_state`, `to_state`, `resume_state`, `is_final`, `closed_reason` and `lane` (None: stays). What
    is returned tells whether all have moved; in a pipeline it is asked when everything was sent.
    """
    if not moves:
        return lambda: True
    moved = tx.execute(FULFILLMENT["move"], {"rows": rows_json(moves)})
    return lambda: len(moved.fetchall()) == len({row["id"] for row in moves})


def lock_subject_rows(tx: Connection, subjects: SubjectsQuery, subject_ids: Sequence[int]) -> list[SubjectRow]:
    """Where subjects stand; locks their fulfillment orders, in id order."""
    rows = tx.execute(FULFILLMENT[subjects], {"ids": list(subject_ids)})
    return [
        SubjectRow(id_, order_id, fulfillment_order_id, package_id, State(state), Lane(lane))
        for id_, order_id, fulfillment_order_id, package_id, state, lane in rows
    ]


def choose_lane(tx: Connection, fulfillment_order_ids: Sequence[int], lane: str, by: str) -> dict[int, str]:
    """Set a lane that the review does not change; returns the lane before, by id, of the fulfillment orders that
    changed.
    """
    named = {"ids": list(fulfillment_order_ids), "lane": lane, "by": by}
    return dict(tx.execute(FULFILLMENT["choose_lane"], named).fetchall())


def set_reservations(tx: Connection, reservations: Mapping[int, Reservation]) -> None:
    """Note by id whether pieces are promised. No statement for none."""
    if reservations:
        rows = rows_json({"id": id_, "reservation": kind} for id_, kind in reservations.items())
        tx.execute(FULFILLMENT["set_reservation"], {"rows": rows})


def place(tx: Connection, locations: Mapping[int, str]) -> None:
    """Place fulfillment orders at locations, by id; their pieces are allocated there."""
    rows = rows_json({"id": id_, "location": location} for id_, location in locations.items())
    tx.execute(FULFILLMENT["place_fulfillment"], {"rows": rows})


def unplace(tx: Connection, refused: Mapping[int, tuple[str, str]]) -> None:
    """Take fulfillment orders from their location, which has refused them: (location, code) by id.

    The location is not chosen for them again. One that is on hold goes back to its routing when it is released.
    """
    rows = rows_json({"id": id_, "location": location, "code": code} for id_, (location, code) in refused.items())
    tx.execute(FULFILLMENT["unplace"], {"rows": rows})


def leave_location(tx: Connection, fulfillment_order_ids: Sequence[int]) -> None:
    """Take stopped fulfillment orders from their location; they begin as paid once they go on.

    No statement for none.
    """
    if fulfillment_order_ids:
        tx.execute(FULFILLMENT["leave_location"], {"ids": list(fulfillment_order_ids)})


def exclude(tx: Connection, refused: Mapping[int, Mapping[str, str]]) -> None:
    """Never choose these locations for fulfillment orders: codes by location, by id."""
    rows = rows_json({"id": id_, "excluded": dict(locations)} for id_, locations in refused.items())
    tx.execute(FULFILLMENT["exclude"], {"rows": rows})


def admit_locations(tx: Connection, fulfillment_order_id: int) -> None:
    """Every location may be chosen again for a fulfillment order: a person has looked at it."""
    tx.execute(FULFILLMENT["admit_locations"], {"id": fulfillment_order_id})


def count_parts(tx: Connection, order_ids: Sequence[int]) -> dict[int, int]:
    """Fulfillment orders of each order that are not closed."""
    return dict(tx.execute(FULFILLMENT["count_parts"], {"order_ids": list(order_ids)}).fetchall())


def add_parts(tx: Connection, parts: Sequence[NewPart]) -> list[int]:
    """Make the fulfillment orders, without lines; their ids in the order of `parts`, which is by order and part."""
    if not parts:
        return []
    ordered = sorted(parts, key=lambda one: (one.order_id, one.part))
    assert ordered == list(parts)
    rows = rows_json(
        {
            "fulfillment_order_id": one.fulfillment_order_id,
            "order_id": one.order_id,
            "part": one.part,
            "state": one.state,
            "resume_state": one.resume_state,
            "reservation": one.reservation,
        }
        for one in parts
    )
    made = tx.execute(FULFILLMENT["add_parts"], {"rows": rows}).fetchall()
    return [id_ for id_, _, _ in sorted(made, key=lambda row: (row[1], row[2]))]
