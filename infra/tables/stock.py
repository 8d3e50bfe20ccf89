"""Stock rows: read without a lock, locked in one sorted statement, changed in sets.

Lock order of the whole project: work, orders, fulfillment orders, then pool rows by SKU, then location
rows by SKU and location.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from domain.stock import Reservation, available
from infra.tables.fulfillment import place
from infra.tables.pool import Connection
from infra.tables.rows import rows_json
from infra.tables.sql import load

STOCK = load("stock")


def read_levels(tx: Connection, skus: Iterable[str]) -> dict[str, int]:
    """Available pieces by SKU, without a lock: a hint."""
    return _levels(tx.execute(STOCK["load_levels"], {"skus": sorted(set(skus))}).fetchall())


def lock_levels(tx: Connection, skus: Iterable[str]) -> dict[str, int]:
    """Available pieces by SKU, locked until the transaction ends."""
    return _levels(tx.execute(STOCK["lock_levels"], {"skus": sorted(set(skus))}).fetchall())


def _levels(rows: Iterable[tuple[Any, ...]]) -> dict[str, int]:
    return {
        sku: available(on_hand=on_hand, reserved=reserved, frozen=frozen, allocated=allocated)
        for sku, on_hand, reserved, frozen, allocated in rows
    }


def read_location_levels(tx: Connection, skus: Iterable[str]) -> dict[str, dict[str, int]]:
    """Pieces that may still be picked, by location and SKU, without a lock: a hint."""
    return _location_levels(tx.execute(STOCK["load_location_levels"], {"skus": sorted(set(skus))}).fetchall())


def lock_location_levels(tx: Connection, skus: Iterable[str]) -> dict[str, dict[str, int]]:
    """Pieces that may still be picked, by location and SKU, locked until the transaction ends; the pool rows are locked
    first.
    """
    wanted = sorted(set(skus))
    with tx.pipeline():
        tx.execute(STOCK["lock_levels"], {"skus": wanted})
        return _location_levels(tx.execute(STOCK["lock_location_levels"], {"skus": wanted}).fetchall())


def _location_levels(rows: Iterable[tuple[Any, ...]]) -> dict[str, dict[str, int]]:
    levels: dict[str, dict[str, int]] = {}
    for sku, location, on_hand, allocated in rows:
        levels.setdefault(location, {})[sku] = on_hand - allocated
    return levels


def reserve_stock(tx: Connection, taken: Mapping[str, int], pieces: Mapping[int, Mapping[str, int]]) -> None:
    """Move `taken` pieces by SKU into `reserved`, for the fulfillment orders in `pieces`."""
    if not taken:
        return
    tx.execute(STOCK["take_reserved"], {"rows": rows_json({"sku": s, "quantity": n} for s, n in taken.items())})
    reserved = [
        {"fulfillment_order_id": id_, "sku": sku, "quantity": count}
        for id_, counts in pieces.items()
        for sku, count in counts.items()
    ]
    tx.execute(STOCK["add_reservations"], {"rows": rows_json(reserved)})


def load_reservations(tx: Connection, fulfillment_order_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """Reserved pieces by fulfillment order and SKU."""
    found: dict[int, dict[str, int]] = {}
    for id_, sku, quantity, status, _ in tx.execute(STOCK["load_reservations"], {"ids": list(fulfillment_order_ids)}):
        if status == Reservation.RESERVED:
            found.setdefault(id_, {})[sku] = quantity
    return found


def allocate_stock(tx: Connection, placed: Mapping[int, tuple[str, Mapping[str, int]]]) -> None:
    """Commit reserved pieces to a location: fulfillment order id -> (location, pieces by SKU)."""
    if not placed:
        return
    pool: dict[str, int] = {}
    places: dict[tuple[str, str], int] = {}
    for location, pieces in placed.values():
        for sku, count in pieces.items():
            pool[sku] = pool.get(sku, 0) + count
            places[sku, location] = places.get((sku, location), 0) + count
    tx.execute(STOCK["allocate_pool"], {"rows": rows_json({"sku": s, "quantity": n} for s, n in pool.items())})
    rows = [{"sku": sku, "location": location, "quantity": n} for (sku, location), n in places.items()]
    tx.execute(STOCK["allocate_location"], {"rows": rows_json(rows)})
    locations = {id_: location for id_, (location, _) in placed.items()}
    located = rows_json({"id": id_, "location": location} for id_, location in locations.items())
    tx.execute(STOCK["allocate_reservations"], {"rows": located})
    place(tx, locations)


def consume_stock(tx: Connection, fulfillment_order_ids: Sequence[int]) -> None:
    """The pieces have left the house: off `allocated` and off `on_hand`, on both levels. Repeating is harmless."""
    if not fulfillment_order_ids:
        return
    gone = tx.execute(STOCK["mark_consumed"], {"ids": list(fulfillment_order_ids)}).fetchall()
    _move(tx, [(sku, location, -n, 0, -n) for sku, location, n in gone])


def give_back_stock(tx: Connection, location: str, pieces: Mapping[str, int]) -> None:
    """Pieces by SKU are on the shelf of a location again, on both levels. Repeating adds them again."""
    back = {sku: count for sku, count in pieces.items() if count}
    if not back:
        return
    rows = rows_json({"sku": sku, "quantity": count} for sku, count in back.items())
    # A location may never have had the SKU, and neither may the pool after a change of the catalogue.
    tx.execute(STOCK["count_in"], {"rows": rows})
    tx.execute(STOCK["lock_levels"], {"skus": sorted(back)})
    tx.execute(STOCK["give_back"], {"rows": rows, "location": location})


def release_stock(tx: Connection, fulfillment_order_ids: Sequence[int]) -> None:
    """Give back what closed orders had reserved or allocated. Repeating is harmless."""
    if not fulfillment_order_ids:
        return
    freed = tx.execute(STOCK["mark_released"], {"ids": list(fulfillment_order_ids)}).fetchall()
    _move(
        tx,
        [
            (sku, location, 0, -n if status == Reservation.RESERVED else 0, -n if location else 0)
            for sku, location, status, n in freed
        ],
    )


def shrink_stock(tx: Connection, left: Mapping[int, Mapping[str, int]]) -> None:
    """Give back what fulfillment orders no longer want: id -> pieces by SKU that stay. More than before is ignored."""
    if not left:
        return
    rows = rows_json(
        {"fulfillment_order_id": id_, "sku": sku, "quantity": count}
        for id_, pieces in left.items()
        for sku, count in pieces.items()
    )
    freed = tx.execute(STOCK["shrink_reservations"], {"ids": list(left), "rows": rows}).fetchall()
    _move(
        tx,
        [
            (sku, location, 0, -n if status == Reservation.RESERVED else 0, -n if location else 0)
            for sku, location, status, n in freed
        ],
    )


def _move(tx: Connection, deltas: Sequence[tuple[str, str | None, int, int, int]]) -> None:
    """Apply (sku, location, on_hand, reserved, allocated) deltas to both levels, pool first, locked in order."""
    if not deltas:
        return
    tx.execute(STOCK["lock_levels"], {"skus": sorted({delta[0] for delta in deltas})})
    pool: dict[str, list[int]] = {}
    for sku, _, *amounts in deltas:
        pool[sku] = [a + b for a, b in zip(pool.get(sku, [0, 0, 0]), amounts, strict=True)]
    tx.execute(
        STOCK["move_pool"],
        {
            "rows": rows_json(
                {"sku": sku, "on_hand": on_hand, "reserved": reserved, "allocated": allocated}
                for sku, (on_hand, reserved, allocated) in pool.items()
            )
        },
    )
    located = [
        {"sku": sku, "location": location, "on_hand": on_hand, "allocated": allocated}
        for sku, location, on_hand, _, allocated in deltas
        if location
    ]
    if located:
        tx.execute(STOCK["move_location"], {"rows": rows_json(located)})


def count_in(tx: Connection, location: str, levels: Mapping[str, int]) -> None:
    """First load of a location's counted pieces by SKU; what is known already is left alone."""
    if not levels:
        return
    rows = rows_json({"sku": sku, "quantity": quantity} for sku, quantity in levels.items())
    tx.execute(STOCK["count_in"], {"rows": rows})
    # Pool rows before location rows, in the lock order of the whole project.
    tx.execute(STOCK["lock_levels"], {"skus": sorted(levels)})
    tx.execute(STOCK["count_in_location"], {"rows": rows, "location": location})


def uncounted(connection: Connection, locations: Sequence[str]) -> set[str]:
    """Those of the locations of which no SKU was ever counted."""
    return {row[0] for row in connection.execute(STOCK["uncounted"], {"names": list(locations)})}
