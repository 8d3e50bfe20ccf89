"""Scans that came before the record of their label, or while their order is held. They are looked at again."""

from collections.abc import Sequence

from adapters.ports import WarehouseEvent
from infra.tables.pool import Connection
from infra.tables.scans import EarlyScan, drop_early_scans, keep_early_scans, take_early_scans


def load_early(tx: Connection, location: str) -> list[WarehouseEvent]:
    """Early scans of a location that can perhaps be applied now."""
    return [WarehouseEvent(*scan) for scan in take_early_scans(tx, location)]


def sort_out_early(
    tx: Connection, location: str, events: Sequence[WarehouseEvent], waiting: Sequence[WarehouseEvent], most: int
) -> None:
    """Keep the scans that must wait for the record of their label or for the end of a hold; drop the scans that were
    applied.

    `most`: how many scans without a known package are kept.
    """
    early = [EarlyScan(scan.event_id, scan.reference, scan.waybill, scan.kind, scan.at) for scan in waiting]
    keep_early_scans(tx, location, early, most)
    kept = {scan.event_id for scan in waiting}
    drop_early(tx, location, [scan for scan in events if scan.event_id not in kept])


def drop_early(tx: Connection, location: str, scans: Sequence[WarehouseEvent]) -> None:
    """Drop scans of a location."""
    drop_early_scans(tx, location, [scan.event_id for scan in scans])
