"""Scans that came before the record of their label, or while their order is held. They are looked at again."""

from collections.abc import Sequence

from adapters.ports import WarehouseEvent
from infra.tables.orders import rows_json
from infra.tables.pool import Connection
from infra.tables.shipments import SHIPMENTS


def load_early(tx: Connection, location: str) -> list[WarehouseEvent]:
    """Early scans of a location that may be understood by now."""
    rows = tx.execute(SHIPMENTS["early_scans"], {"location": location}).fetchall()
    return [WarehouseEvent(event_id, reference, waybill, kind, at) for event_id, reference, waybill, kind, at in rows]


def sort_out_early(
    tx: Connection, location: str, events: Sequence[WarehouseEvent], waiting: Sequence[WarehouseEvent], most: int
) -> None:
    """Keep the scans that must wait, for their label's record or for a hold's end; drop those understood now.

    `most`: scans of nobody's package that are kept.
    """
    early = [
        {
            "event_id": scan.event_id,
            "reference": scan.reference,
            "waybill": scan.waybill,
            "kind": scan.kind,
            "at": scan.at,
        }
        for scan in waiting
    ]
    if early:
        tx.execute(SHIPMENTS["keep_early_scans"], {"location": location, "rows": rows_json(early), "most": most})
    kept = {scan.event_id for scan in waiting}
    drop_early(tx, location, [scan for scan in events if scan.event_id not in kept])


def drop_early(tx: Connection, location: str, scans: Sequence[WarehouseEvent]) -> None:
    """Keep scans of a location no longer."""
    event_ids = [scan.event_id for scan in scans]
    tx.execute(SHIPMENTS["drop_early_scans"], {"location": location, "event_ids": event_ids})
