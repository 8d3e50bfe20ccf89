"""A warehouse's event feed and stock count: our own small protocol, so that any warehouse system can speak it.

Two signed GET requests below the location's endpoint:

    GET {endpoint}/events?after=CURSOR&limit=500
    -> {"cursor": "123", "has_more": false,
        "events": [{"event_id": "w1-1", "type": "accepted", "reference": "...", "waybill": "...",
                    "at": "2026-11-22T10:00:00+08:00"}]}
    GET {endpoint}/stock
    -> {"stock": [{"sku": "A-1", "quantity": 12}]}

- ``type`` is accepted, packed or handed_over; ``at`` is ISO 8601 with an offset; ``after`` is empty at first,
  then the cursor of the last answer, whatever text the warehouse chose.
- ``X-Timestamp``: unix seconds. ``X-Signature``: lower hex HMAC-SHA256, key = the shared secret, over
  ``GET``, path with query as sent, and timestamp, joined by line feeds.
- Both requests only read, so repeating them is harmless.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import quote, urlsplit

from adapters.door import Door, Request
from adapters.kinds import WarehouseKind, credential
from adapters.payload import Fields, read_answer
from adapters.ports import EventPage, StockLevel, WarehouseEvent
from adapters.vectors import Row, Sign, Signature, secret_of
from domain.errors import Malformed
from infra import settings
from infra.clock import Clock

NAME = "feed"
PAGE_SIZE = 500
EVENT_TYPES = frozenset({"accepted", "packed", "handed_over"})
_QUANTITY_MAX = 10**9
_ID_MAX = 128


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

    async def stock(self) -> Sequence[StockLevel]:
        return read_stock(await self._get("/stock", "feed.stock"))

    async def _get(self, path_and_query: str, call: str) -> bytes:
        response = await self._door.send(build(self._location, path_and_query, call, self._clock.utcnow()))
        if not response.is_ok:
            raise Malformed(f"http_{response.status}", "the feed answered with an error", {"call": call})
        return response.body


def read_events(body: bytes, cursor: str) -> EventPage:
    """One page. An entry that cannot be read is named in `rejected` and stops no neighbour.

    Raises Malformed for a page without a cursor, or one that promises more without moving on.
    """
    tree = read_answer(body)
    page = Fields(tree, "", Malformed)
    entries = tree.get("events")
    if not isinstance(entries, list):
        page.missing("events")
    events: list[WarehouseEvent] = []
    rejected: list[str] = []
    for place, entry in enumerate(entries):
        try:
            events.append(_event(Fields(entry, f"events[{place}]", Malformed)))
        except Malformed as error:
            rejected.append(f"{error.code} {error.facts['field']}")
    moved, has_more = page.text("cursor") if entries else page.text_or("cursor", cursor), page.flag("has_more")
    if has_more and moved == cursor:
        raise Malformed("cursor_stuck", "the feed promises more but does not move on")
    return EventPage(body, tuple(events), tuple(rejected), moved, has_more)


def read_stock(body: bytes) -> tuple[StockLevel, ...]:
    """Counted stock. Raises Malformed for any entry that cannot be read: half a count is a wrong count."""
    tree = read_answer(body)
    entries = tree.get("stock")
    if not isinstance(entries, list):
        Fields(tree, "", Malformed).missing("stock")
    rows = [Fields(entry, f"stock[{place}]", Malformed) for place, entry in enumerate(entries)]
    return tuple(StockLevel(row.text("sku"), row.whole("quantity", 0, _QUANTITY_MAX)) for row in rows)


def _event(entry: Fields) -> WarehouseEvent:
    kind = entry.text("type")
    if kind not in EVENT_TYPES:
        entry.invalid("type")
    event_id = entry.text("event_id")
    if len(event_id) > _ID_MAX:
        entry.invalid("event_id")
    return WarehouseEvent(
        event_id, entry.text("reference"), entry.text_or("waybill", ""), kind, entry.moment("at", _read_moment)
    )


def _read_moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no offset")
    return moment


def _row(row: Row) -> Signature:
    path = row.get("path_and_query") or row["path"]
    return Signature(sign(row.get("method", "GET"), path, str(row["timestamp"]), secret_of(row)))


SIGNERS: Mapping[str, Sign] = {"feed-hmac-sha256": _row}

KIND = WarehouseKind(NAME, connect, SIGNERS)
