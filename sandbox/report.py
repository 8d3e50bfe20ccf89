"""Reports of the sandbox: the full ledger, and a few counters for a progress line."""

from collections import Counter
from dataclasses import asdict
from typing import Any

from sandbox.model import Expected, PlannedLine, PlannedOrder
from sandbox.trades import CLOSED, CLOSED_UNPAID, SHIPPED, Trade
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
        "documents": sum(len(book.all) for book in world.warehouses.books.values()),
        "handed_over": sum(1 for waybill in world.waybills.by_number.values() if waybill.is_collected),
        "written_back": len(ledger.write_backs),
        "told": len(ledger.told),
        "told_again": ledger.told_again,
        "texted": len(ledger.texted),
        "alarms": len(ledger.alarms),
        "refused": sum(ledger.refused.values()),
        "calls": dict(ledger.calls),
        "to_come": world.happenings.to_come,
        "happened": world.happenings.done,
        "happened_at": world.happenings.last_at,
    }


def full(world: World) -> Json:
    """Everything, personal data left out.

    - ``ordered``: each visible order with what must become of it; ``group`` ties the parts of a source
      order together; ``is_p0`` says live stream, PLUS member and a location's own city. Of each line: who is to ship
      it, what the platform shows of it, ``gone_at`` since when (unix seconds) it is not the merchant's to ship any
      more, and ``told``: each write-back that the platform took for it.
    - ``groups``: source orders with anything to ship, and how many of them have shipped whole.
    - ``stock``: pieces counted before the run, pieces that left according to the write-backs (``shipped``), and pieces
      in the packages that the courier has (``left``), by the contents on their labels, and pieces
      that came back and can be sold again (``returned``).
    - ``doubled``: references with more than one living waybill.
    - ``told_locations``: whose warehouses are told their orders. ``documents``: what they were told, each document with
      what left of it; ``doubled_documents``:
      references with more than one that is neither refused nor stopped; ``untold``: numbers of packages that left a
      warehouse which is told its orders, and that stand in no document.
    """
    shipped, left = _shipped(world), _left(world)
    told = _told_of_lines(world)
    return {
        "ordered": [_ordered(world, trade, told) for trade in world.book.trades.values()],
        "waybills": [_waybill(world, waybill) for waybill in world.waybills.by_number.values()],
        "write_backs": [asdict(row) for row in world.ledger.write_backs],
        "told": [asdict(row) for row in world.ledger.told.values()],
        "told_again": world.ledger.told_again,
        "texted": [asdict(row) for row in world.ledger.texted],
        "groups": _groups(world),
        "stock": [
            {
                "sku": entry.sku.code,
                "on_hand": entry.pieces,
                "shipped": shipped[entry.sku.code],
                "left": left[entry.sku.code],
                "returned": world.warehouses.returned[entry.sku.code],
            }
            for entry in world.plan.catalogue
        ],
        "doubled": _doubled(world),
        "told_locations": sorted(_told_locations(world)),
        "documents": _documents(world),
        "doubled_documents": _doubled_documents(world),
        "untold": _untold(world),
        "stops_told": [asdict(row) for row in world.ledger.stops_told],
        "paid_twice": world.platform.desk.told_twice(),
        "alarms": [asdict(row) for row in world.ledger.alarms],
        "refused": dict(world.ledger.refused),
        "refusals": [asdict(row) for row in world.ledger.refusals],
        "calls": dict(world.ledger.calls),
    }


def _told_of_lines(world: World) -> dict[int, list[Json]]:
    """Write-backs by line id."""
    told: dict[int, list[Json]] = {}
    for row in world.ledger.write_backs:
        for oid in row.line_ids:
            told.setdefault(oid, []).append({"number": row.number, "at": row.at, "pieces": row.pieces_of(oid)})
    return told


def _ordered(world: World, trade: Trade, told: dict[int, list[Json]]) -> Json:
    order = trade.order
    return {
        "tid": str(order.tid),
        "group": order.group,
        "shop": order.shop,
        "expected": order.expected.value,
        "status": trade.status,
        "modified": trade.modified,
        "is_p0": _is_p0(world, order),
        "lines": [_line(trade, oid, line, told.get(oid, [])) for oid, line in trade.lines],
    }


def _line(trade: Trade, oid: int, line: PlannedLine, told: list[Json]) -> Json:
    shipment = trade.shipments.get(oid)
    is_closed = oid in trade.closed or (shipment is None and trade.status in {CLOSED, CLOSED_UNPAID})
    return {
        "oid": str(oid),
        "sku": line.sku.code,
        "quantity": line.quantity,
        "ships": line.ships.value,
        "shipped_by": shipment.by.value if shipment else "",
        "number": shipment.number if shipment else "",
        "is_closed": is_closed,
        "refund": trade.refunds.get(oid, ""),
        "gone_at": trade.gone.get(oid, float(trade.modified) if is_closed else None),
        "told": told,
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


def _waybill(world: World, waybill: Waybill) -> Json:
    return {
        "reference": waybill.booking.reference,
        "number": waybill.number,
        "is_alive": waybill.is_alive,
        "is_collected": waybill.is_collected,
        "location": waybill.booking.location,
        "document": waybill.booking.document,
        "cargo": waybill.booking.cargo,
        "pieces": _pieces(world, waybill),
        "created_at": waybill.created_at,
    }


def _pieces(world: World, waybill: Waybill) -> dict[str, int] | None:
    """What the label says is in the package, by SKU; None where it names something that no SKU is called."""
    pieces: Counter[str] = Counter()
    for name, count in waybill.booking.cargo:
        sku = world.sku_by_title.get(name)
        if sku is None:
            return None
        pieces[sku] += count
    return dict(pieces)


def _left(world: World) -> Counter[str]:
    pieces: Counter[str] = Counter()
    for waybill in world.waybills.by_number.values():
        if waybill.is_collected:
            pieces.update(_pieces(world, waybill) or {})
    return pieces


def _shipped(world: World) -> Counter[str]:
    """Pieces of each SKU that the platform was told have left."""
    pieces: Counter[str] = Counter()
    for row in world.ledger.write_backs:
        trade = world.book.trades[row.tid]
        for line_id, line in trade.lines:
            if line_id in row.line_ids:
                part = row.pieces_of(line_id)
                pieces[line.sku.code] += line.quantity if part is None else part
    return pieces


def _doubled(world: World) -> list[str]:
    living = Counter(waybill.booking.reference for waybill in world.waybills.by_number.values() if waybill.is_alive)
    return [reference for reference, number in living.items() if number > 1]


def _documents(world: World) -> list[Json]:
    return [
        {
            "reference": document.reference,
            "id": document.their_id,
            "location": location,
            "shop": document.order.shop,
            "state": document.state,
            "code": document.code,
            "at": document.at,
            "lines": document.lines(),
            "waybills": [parcel.waybill for parcel in document.parcels],
        }
        for location, book in world.warehouses.books.items()
        for document in book.all
    ]


def _doubled_documents(world: World) -> list[str]:
    books = world.warehouses.books.values()
    living = Counter(document.reference for book in books for document in book.all if not document.is_over)
    return [reference for reference, number in living.items() if number > 1]


def _untold(world: World) -> list[str]:
    books = world.warehouses.books.values()
    told = {parcel.waybill for book in books for document in book.all for parcel in document.parcels}
    is_told = _told_locations(world)
    return [
        waybill.number
        for waybill in world.waybills.by_number.values()
        if waybill.is_collected and waybill.booking.location in is_told and waybill.number not in told
    ]


def _told_locations(world: World) -> set[str]:
    return {name for name, works in world.warehouses.works.items() if works.floor.learns_from == "orders"}
