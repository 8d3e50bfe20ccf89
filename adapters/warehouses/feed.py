"""A warehouse's event feed and stock count: our own small protocol, so that any warehouse system can speak it.

Two signed GET requests below the location's endpoint:

    GET {endpoint}/events?after=CURSOR&limit=500
    -> {"cursor": "123", "has_more": false,
        "events": [{"event_id": "w1-1", "type": "accepted", "reference": "...", "waybill": "...",
                    "at": "2026-11-22T10:00:00+08:00"}]}
    GET {endpoint}/stock
    -> {"stock": [{"sku": "A-1", "quantity": 12}]}

- ``type`` is accepted, packed or handed_over; ``at`` is ISO 8601 with an offset, in 2000 to 2100; ``after`` is empty
  at first, then the cursor of the last answer, whatever text of at most 1,024 characters the warehouse chose.
- Ids, references, waybills and SKUs have at most 128 characters; a quantity is at most ten million pieces.
- ``X-Timestamp``: unix seconds. ``X-Signature``: lower hex HMAC-SHA256, key = the shared secret, over
  ``GET``, path with query as sent, and timestamp, joined by line feeds.
- Both requests only read, so repeating them is harmless.
"""

import hashlib
import hmac
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote, urlsplit

from adapters.door import Door, Request
from adapters.instants import read_iso
from adapters.payload import Fields, read_page
from adapters.plugin import WarehouseKind, credential
from adapters.ports import EventPage, StockCount, StockLevel, WarehouseEvent
from adapters.rejection import Rejected, rejection
from adapters.vectors import Row, Sign, Signature, secret_of
from domain.errors import Malformed
from infra.config import settings
from infra.process.clock import Clock

NAME = "feed"
PAGE_SIZE = 500
EVENT_TYPES = frozenset({"accepted", "packed", "handed_over"})
# The most pieces of one SKU at one location: the pool sums up to 200 locations in a column of 32 bits.
QUANTITY_MAX = 10_000_000
# Entries of a page, whatever was asked for, and SKUs of a count.
EVENTS_MAX = 10_000
SKUS_MAX = 200_000
CURSOR_MAX = 1_024


def sign(method: str, path_and_query: str, timestamp: str, secret: bytes) -> str:
    """The ``X-Signature`` value."""
    return hmac.new(secret, f"{method}\n{path_and_query}\n{timestamp}".encode(), hashlib.sha256).hexdigest()


def connect(location: settings.Location, door: Door, clock: Clock) -> "Feed":
    """Credential `secret`. Raises Misconfigured."""
    credential(location, "secret")
    return Feed(location, door, clock)


def build(location: settings.Location, path_and_query: str, call: str, now: datetime) -> Request:
    """A signed GET below the location's endpoint."""
    url = location.endpoint.rstrip("/") + path_and_query
    parts = urlsplit(url)
    sent = parts.path + (f"?{parts.query}" if parts.query else "")
    timestamp = str(int(now.timestamp()))
    signature = sign("GET", sent, timestamp, credential(location, "secret").reveal().encode())
    headers = {"X-Timestamp": timestamp, "X-Signature": signature}
    return Request("GET", url, call, is_idempotent=True, headers=headers)


class Feed:
    """See `adapters.ports.Warehouse`."""

    def __init__(self, location: settings.Location, door: Door, clock: Clock) -> None:
        self._location = location
        self._door = door
        self._clock = clock

    async def events(self, cursor: str) -> EventPage:
        query = f"/events?after={quote(cursor, safe='')}&limit={PAGE_SIZE}"
        return read_events(await self._get(query, "feed.events"), cursor)

    async def stock(self) -> StockCount:
        return read_stock(await self._get("/stock", "feed.stock"))

    async def _get(self, path_and_query: str, call: str) -> bytes:
        response = await self._door.send(build(self._location, path_and_query, call, self._clock.utcnow()))
        if not response.is_ok:
            raise Malformed(f"http_{response.status}", "the feed answered with an error", {"call": call})
        return response.body


def read_events(body: bytes, cursor: str) -> EventPage:
    """One page. An entry that cannot be read is named in `rejected` and stops no neighbour.

    Raises Malformed for a page without a list of events, or one that brings or promises something without moving on.
    """
    tree = read_page(body)
    page = Fields(tree, "", Malformed)
    entries = _entries(tree, page, "events", EVENTS_MAX)
    events: list[WarehouseEvent] = []
    rejected: list[Rejected] = []
    for position, entry in enumerate(entries):
        try:
            events.append(_event(Fields(entry, f"events[{position}]", Malformed)))
        except Exception as error:  # noqa: BLE001 - whatever one entry raises is that entry's fault alone
            rejected.append(rejection(position, error, entry, "reference", "waybill"))
    moved = page.text("cursor", CURSOR_MAX) if entries else page.text_or("cursor", cursor, CURSOR_MAX)
    has_more = page.flag("has_more")
    if moved == cursor and (has_more or entries):
        raise Malformed("cursor_stuck", "the feed brings or promises events but does not move on")
    return EventPage(body, tuple(events), tuple(rejected), moved, has_more)


def read_stock(body: bytes) -> StockCount:
    """The counted pieces by SKU, and the rows that could not be read.

    A row that cannot be read leaves out its SKU: unknown stock is never promised, and its orders wait for a person. A
    SKU with several rows is left out too, because it is unknown which row is the count. Raises Malformed for an answer
    without a list.
    """
    tree = read_page(body)
    entries = _entries(tree, Fields(tree, "", Malformed), "stock", SKUS_MAX)
    levels: list[tuple[int, StockLevel]] = []
    rejected: list[Rejected] = []
    for position, entry in enumerate(entries):
        try:
            row = Fields(entry, f"stock[{position}]", Malformed)
            levels.append((position, StockLevel(row.key("sku"), row.whole("quantity", 0, QUANTITY_MAX))))
        except Exception as error:  # noqa: BLE001 - whatever one row raises is that row's fault alone
            rejected.append(rejection(position, error, entry, "sku"))
    rows = Counter([level.sku for _, level in levels])
    rows.update([one.key for one in rejected if one.key])
    rejected += [
        Rejected(position, "sku_repeated", f"stock[{position}].sku", level.sku)
        for position, level in levels
        if rows[level.sku] > 1
    ]
    return StockCount(tuple(level for _, level in levels if rows[level.sku] == 1), tuple(rejected))


def _entries(tree: Mapping[str, object], page: Fields, name: str, limit: int) -> list[object]:
    entries = tree.get(name)
    if not isinstance(entries, list):
        page.missing(name)
    if len(entries) > limit:
        page.invalid(name)
    return entries


def _event(entry: Fields) -> WarehouseEvent:
    kind = entry.text("type")
    if kind not in EVENT_TYPES:
        entry.invalid("type")
    return WarehouseEvent(
        entry.key("event_id"),
        entry.key("reference"),
        entry.key_or("waybill", ""),
        kind,
        entry.moment("at", read_iso),
    )


def _row(row: Row) -> Signature:
    path = row.get("path_and_query") or row["path"]
    return Signature(sign(row.get("method", "GET"), path, str(row["timestamp"]), secret_of(row)))


SIGNERS: Mapping[str, Sign] = {"feed-hmac-sha256": _row}

KIND = WarehouseKind(NAME, connect, SIGNERS)
