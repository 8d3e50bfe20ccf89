"""Pages of scans as a warehouse sent them, and scans that are early."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from infra.tables.pool import Connection
from infra.tables.rows import rows_json
from infra.tables.sql import load

SCANS = load("scans")


class EarlyScan(NamedTuple):
    """A scan that waits for its label's record, or for the end of a hold.

    `told`: what an event about a document tells beside that, as plain values; None for a scan of a package.
    """

    event_id: str
    reference: str
    waybill: str
    kind: str
    at: datetime
    told: dict[str, Any] | None = None


def store_page(tx: Connection, location: str, after: str, body: bytes, bytes_max: int) -> int:
    """Store a page that follows the cursor `after`; its id. Without the body once a location has filled `bytes_max`."""
    named = {"location": location, "after": after, "body": body, "bytes_max": bytes_max}
    row = tx.execute(SCANS["store_page"], named).fetchone()
    assert row is not None
    return int(row[0])


def take_early_scans(tx: Connection, location: str) -> list[EarlyScan]:
    """Early scans whose label is recorded and whose order is not on hold, the oldest first; at most 1000.

    Locks them, and leaves out what another transaction has locked.
    """
    return [EarlyScan(*row) for row in tx.execute(SCANS["early_scans"], {"location": location}).fetchall()]


def keep_early_scans(tx: Connection, location: str, scans: Sequence[EarlyScan], most: int) -> None:
    """Keep scans that must wait; of nobody's package up to `most`, and the further ones are counted."""
    if scans:
        rows = rows_json(one._asdict() for one in scans)
        tx.execute(SCANS["keep_early_scans"], {"location": location, "rows": rows, "most": most})


def drop_early_scans(tx: Connection, location: str, event_ids: Sequence[str]) -> None:
    """Delete early scans that were applied."""
    tx.execute(SCANS["drop_early_scans"], {"location": location, "event_ids": list(event_ids)})


class LoneScans(NamedTuple):
    """Scans at a location whose package nobody knows of; `reference` is of one of them."""

    location: str
    scans: int
    reference: str


def lone_scans(connection: Connection, patience_h: float) -> list[LoneScans]:
    """Locations with scans that have waited for `patience_h` hours, and whose package nobody knows of."""
    return [LoneScans(*row) for row in connection.execute(SCANS["lone_scans"], {"patience_h": patience_h})]
