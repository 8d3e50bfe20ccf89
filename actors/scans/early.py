"""Scans that came before the record of their label, or while their order is held. They are looked at again."""

from collections.abc import Sequence

import msgspec

from adapters.ports import WarehouseEvent
from domain.references import is_document_reference
from domain.warehouse import Scan
from infra.tables.pool import Connection
from infra.tables.scans import EarlyScan, drop_early_scans, keep_early_scans, take_early_scans


def load_early(tx: Connection, location: str) -> list[WarehouseEvent]:
    """Early scans of a location that can perhaps be applied now."""
    return [_event(scan) for scan in take_early_scans(tx, location)]


def sort_out_early(
    tx: Connection, location: str, events: Sequence[WarehouseEvent], waiting: Sequence[WarehouseEvent], most: int
) -> None:
    """Keep the scans that must wait for the record of their label or for the end of a hold; drop the scans that were
    applied.

    `most`: how many scans without a known package are kept.
    """
    keep_early_scans(tx, location, [_early(scan) for scan in waiting], most)
    kept = {scan.event_id for scan in waiting}
    drop_early(tx, location, [scan for scan in events if scan.event_id not in kept])


def drop_early(tx: Connection, location: str, scans: Sequence[WarehouseEvent]) -> None:
    """Drop scans of a location."""
    drop_early_scans(tx, location, [scan.event_id for scan in scans])


# What is kept of every scan in columns of its own.
_COLUMNS = ("event_id", "reference", "waybill", "kind", "at")


def _early(scan: WarehouseEvent) -> EarlyScan:
    told = None
    if is_document_reference(scan.reference) or scan.kind == Scan.RETURNED:
        told = {name: value for name, value in msgspec.to_builtins(scan).items() if name not in _COLUMNS}
    return EarlyScan(scan.event_id, scan.reference, scan.waybill, scan.kind, scan.at, told)


def _event(scan: EarlyScan) -> WarehouseEvent:
    if scan.told is None:
        return WarehouseEvent(scan.event_id, scan.reference, scan.waybill, scan.kind, scan.at)
    columns = {name: getattr(scan, name) for name in _COLUMNS}
    return msgspec.convert({**scan.told, **columns}, WarehouseEvent)
