"""Pieces of lines in fulfillment orders and packages: read for a newer content, taken away, added, moved to parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.lines import Planned
from domain.order import Order
from infra.tables.pool import Connection
from infra.tables.rows import rows_json
from infra.tables.sql import load

LINES = load("lines")


@dataclass(frozen=True, slots=True)
class ShippedPieces:
    """Pieces of a line in a package with a waybill. `is_written_back`: the write-back was made, or may have been."""

    line_id: str
    waybill: str
    quantity: int
    is_written_back: bool


def load_plans(
    tx: Connection, order_ids: Sequence[int]
) -> tuple[dict[int, list[Planned]], dict[int, list[ShippedPieces]]]:
    """By order: the pieces of each fulfillment order and line, and those under waybills of ours."""
    ids = {"order_ids": list(order_ids)}
    with tx.pipeline():
        plan = tx.execute(LINES["load_plan"], ids)
        shipped = tx.execute(LINES["load_shipped"], ids)
    planned: dict[int, list[Planned]] = {}
    for order_id, fulfillment_order_id, line_id, quantity, is_closed, bound in plan:
        one = Planned(fulfillment_order_id, line_id, quantity, bound, is_closed)
        planned.setdefault(order_id, []).append(one)
    ours: dict[int, list[ShippedPieces]] = {}
    for order_id, *row in shipped:
        ours.setdefault(order_id, []).append(ShippedPieces(*row))
    return planned, ours


def own_shipments(order: Order, shipped: Sequence[ShippedPieces]) -> dict[str, int]:
    """Pieces by line that the platform shows as shipped under our number, or without a number after our write-back.

    A platform shows one number for a line, and all its pieces as shipped, though some are in another package of ours:
    where the number is ours, nobody else has shipped a piece.
    """
    shown = {line.line_id: line for line in order.lines if line.shipped}
    own: dict[str, int] = {}
    for one in shipped:
        line = shown.get(one.line_id)
        if line is not None and line.waybill == one.waybill:
            own[one.line_id] = line.shipped
        elif line is not None and one.is_written_back and not line.waybill:
            own[one.line_id] = own.get(one.line_id, 0) + one.quantity
    return own


@dataclass(frozen=True, slots=True)
class Quantity:
    """Pieces of one order's line in one fulfillment order. `is_counted`: the line's row was stored with them."""

    fulfillment_order_id: int
    order_id: int
    line_id: str
    quantity: int
    is_counted: bool = False


def set_quantities(tx: Connection, quantities: Sequence[Quantity]) -> None:
    """Lower the pieces of fulfillment orders, and the pieces in their package if the package has no label yet."""
    if quantities:
        tx.execute(LINES["set_quantities"], {"rows": rows_json(map(_row, quantities))})


@dataclass(frozen=True, slots=True)
class Missing:
    """Pieces of one order's line that the warehouse of a fulfillment order did not find."""

    fulfillment_order_id: int
    order_id: int
    line_id: str
    missing: int


def take_short(tx: Connection, missing: Sequence[Missing]) -> None:
    """Take pieces out of the plan of locked fulfillment orders, and out of their packages. No statement for none."""
    if missing:
        rows = [
            {
                "fulfillment_order_id": one.fulfillment_order_id,
                "order_id": one.order_id,
                "line_id": one.line_id,
                "missing": one.missing,
            }
            for one in missing
        ]
        tx.execute(LINES["take_short"], {"rows": rows_json(rows)})


def add_quantities(tx: Connection, quantities: Sequence[Quantity]) -> None:
    """Add pieces to fulfillment orders. No statement for none."""
    if quantities:
        tx.execute(LINES["add_quantities"], {"rows": rows_json(map(_row, quantities))})


def _row(one: Quantity) -> dict[str, object]:
    return {
        "fulfillment_order_id": one.fulfillment_order_id,
        "order_id": one.order_id,
        "line_id": one.line_id,
        "quantity": one.quantity,
        "is_counted": one.is_counted,
    }


def move_reserved(
    tx: Connection, moved: Mapping[tuple[int, int], Mapping[str, int]], kept: Mapping[int, Mapping[str, int]]
) -> None:
    """Hand reserved pieces by SKU from one fulfillment order to another: (from, to) -> pieces. `kept`: what stays."""
    rows = [
        {"from_id": from_id, "to_id": to_id, "sku": sku, "quantity": count, "kept": kept[from_id].get(sku, 0)}
        for (from_id, to_id), pieces in moved.items()
        for sku, count in pieces.items()
    ]
    if rows:
        tx.execute(LINES["move_reservations"], {"rows": rows_json(rows)})
