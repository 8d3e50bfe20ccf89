"""What the witness says: the full ledger, and a few counters for a progress line."""

from collections import Counter
from dataclasses import asdict
from typing import Any

from sandbox.model import Expected, PlannedOrder
from sandbox.trades import SHIPPED, Trade
from sandbox.waybills import Waybill
from sandbox.world import World

Json = dict[str, Any]


def progress(world: World) -> Json:
    """Small and cheap: counts only."""
    ledger = world.ledger
    return {
        "orders": len(world.plan.orders),
        "visible": len(world.book.trades),
        "waybills": len(world.waybills.by_number),
        "handed_over": sum(1 for waybill in world.waybills.by_number.values() if waybill.is_collected),
        "written_back": len(ledger.write_backs),
        "told": len(ledger.told),
        "told_again": ledger.told_again,
        "texted": len(ledger.texted),
        "alarms": len(ledger.alarms),
        "refused": sum(ledger.refused.values()),
        "calls": dict(ledger.calls),
    }


def full(world: World) -> Json:
    """Everything, personal data left out.

    - ``ordered``: each visible order with what must become of it; ``group`` ties the parts of a source
      order together; ``is_p0`` says live stream, PLUS member and a location's own city.
    - ``groups``: source orders with anything to ship, and how many of them have shipped whole.
    - ``stock``: pieces counted before the run and pieces that left according to the write-backs.
    - ``doubled``: references with more than one living waybill.
    """
    shipped = _shipped(world)
    return {
        "ordered": [_ordered(world, trade) for trade in world.book.trades.values()],
        "waybills": [_waybill(waybill) for waybill in world.waybills.by_number.values()],
        "write_backs": [asdict(row) for row in world.ledger.write_backs],
        "told": [asdict(row) for row in world.ledger.told.values()],
        "told_again": world.ledger.told_again,
        "texted": [asdict(row) for row in world.ledger.texted],
        "groups": _groups(world),
        "stock": [
            {"sku": entry.sku.code, "on_hand": entry.pieces, "shipped": shipped[entry.sku.code]}
            for entry in world.plan.catalogue
        ],
        "doubled": _doubled(world),
        "alarms": [asdict(row) for row in world.ledger.alarms],
        "refused": dict(world.ledger.refused),
        "refusals": [asdict(row) for row in world.ledger.refusals],
        "calls": dict(world.ledger.calls),
    }


def _ordered(world: World, trade: Trade) -> Json:
    order = trade.order
    return {
        "tid": str(order.tid),
        "group": order.group,
        "shop": order.shop,
        "expected": order.expected.value,
        "status": trade.status,
        "modified": trade.modified,
        "is_p0": _is_p0(world, order),
        "lines": [{"sku": line.sku.code, "quantity": line.quantity} for line in order.lines],
    }


def _groups(world: World) -> dict[str, int]:
    """A source order counts as one and is shipped when every part that must ship has."""
    has_shipped: dict[str, bool] = {}
    for trade in world.book.trades.values():
        group = trade.order.group
        if trade.order.expected is Expected.SHIP:
            has_shipped[group] = has_shipped.get(group, True) and trade.status == SHIPPED
    return {"to_ship": len(has_shipped), "shipped": sum(has_shipped.values())}


def _is_p0(world: World, order: PlannedOrder) -> bool:
    cities = {location.city for location in world.plan.locations}
    return order.is_live and order.member == "plus" and order.place.city in cities


def _waybill(waybill: Waybill) -> Json:
    return {
        "reference": waybill.booking.reference,
        "number": waybill.number,
        "is_alive": waybill.is_alive,
        "is_collected": waybill.is_collected,
        "location": waybill.booking.location,
        "cargo": waybill.booking.cargo,
        "created_at": waybill.created_at,
    }


def _shipped(world: World) -> Counter[str]:
    """Pieces of each SKU that the platform was told have left."""
    pieces: Counter[str] = Counter()
    for row in world.ledger.write_backs:
        trade = world.book.trades[row.tid]
        for line_id, line in zip(trade.line_ids, trade.order.lines, strict=True):
            if line_id in row.line_ids:
                pieces[line.sku.code] += line.quantity
    return pieces


def _doubled(world: World) -> list[str]:
    living = Counter(waybill.booking.reference for waybill in world.waybills.by_number.values() if waybill.is_alive)
    return [reference for reference, number in living.items() if number > 1]
