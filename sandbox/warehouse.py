"""A small warehouse at each location: it accepts, packs and hands over what was labelled.

Its feed is the engine's own JSON protocol: signed GET requests for events after a cursor, and for stock.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from heapq import heappop, heappush
from itertools import count

import msgspec

from sandbox.ledger import Ledger
from sandbox.model import Plan
from sandbox.signatures import same, warehouse_signature
from sandbox.spec import WarehouseDelays
from sandbox.waybills import Waybill

_CLOCK_S = 300
_LIMIT_MAX = 500
_CST = timezone(timedelta(hours=8))
_SCANS = ("accepted", "packed", "handed_over")


@dataclass(frozen=True, slots=True)
class Scan:
    """One thing that happened to a package; `at` in unix seconds."""

    event_id: str
    type: str
    reference: str
    waybill: str
    at: float


@dataclass(frozen=True, slots=True)
class FeedRequest:
    """A GET as it came in; `after` and `limit` are empty when not sent."""

    location: str
    path_and_query: str
    timestamp: str
    signature: str
    after: str = ""
    limit: str = ""


Answer = tuple[int, bytes]
"""HTTP status and JSON body."""


class Warehouses:
    """Every location's floor. Scans happen as time goes by; a cancelled waybill has no further ones."""

    def __init__(self, plan: Plan, delays: WarehouseDelays) -> None:
        accepted = delays.accept_s
        packed = accepted + delays.pack_s
        self._after = (accepted, packed, packed + delays.handover_s)
        self._due: list[tuple[float, int, Waybill, str]] = []
        self._ticket = count()
        self.scans: dict[str, list[Scan]] = {location.name: [] for location in plan.locations}
        self.spoiled: dict[str, str] = {}
        """By reference: what its scans show as their time."""
        self.odd_rows: dict[str, tuple[str, ...]] = {}
        """By location: rows that stand in its count besides its own, as JSON."""
        self.stock = {
            location.name: [(entry.sku.code, entry.levels.get(location.name, 0)) for entry in plan.catalogue]
            for location in plan.locations
        }

    def learn(self, waybill: Waybill, now: float) -> None:
        """A label was printed here; one from elsewhere is none of ours."""
        if waybill.booking.location in self.scans:
            for delay, type_ in zip(self._after, _SCANS, strict=True):
                heappush(self._due, (now + delay, next(self._ticket), waybill, type_))

    def advance(self, now: float) -> None:
        """Carry out the scans due by `now`."""
        while self._due and self._due[0][0] <= now:
            at, _, waybill, type_ = heappop(self._due)
            if not waybill.is_alive:
                continue
            waybill.is_collected = type_ == "handed_over"
            waybill.collected_at = at if waybill.is_collected else None
            scans = self.scans[waybill.booking.location]
            event_id = f"{waybill.booking.location}-{len(scans) + 1}"
            scans.append(Scan(event_id, type_, waybill.booking.reference, waybill.number, at))


class Feed:
    """The warehouses' signed HTTP feed."""

    def __init__(self, warehouses: Warehouses, secret: str, ledger: Ledger) -> None:
        self._warehouses = warehouses
        self._secret = secret
        self._ledger = ledger

    def events(self, request: FeedRequest, now: float) -> Answer:
        """The scans after a cursor: the number of scans already read, empty for none."""
        self._ledger.calls["warehouse events"] += 1
        self._warehouses.advance(now)
        scans = self._warehouses.scans.get(request.location)
        if scans is None:
            return 404, b'{"error":"unknown location"}'
        after, limit = request.after or "0", request.limit or str(_LIMIT_MAX)
        if not after.isdecimal() or not limit.isdecimal():
            return 400, b'{"error":"cursor or limit is not a number"}'
        start = int(after)
        page = scans[start : start + max(1, min(int(limit), _LIMIT_MAX))]
        end = start + len(page)
        shown = [_shown(scan, self._warehouses.spoiled.get(scan.reference, "")) for scan in page]
        return 200, msgspec.json.encode({"cursor": str(end), "has_more": end < len(scans), "events": shown})

    def stock(self, request: FeedRequest, _now: float) -> Answer:
        """What was counted before the run."""
        self._ledger.calls["warehouse stock"] += 1
        levels = self._warehouses.stock.get(request.location)
        if levels is None:
            return 404, b'{"error":"unknown location"}'
        shown: list[object] = [{"sku": sku, "quantity": quantity} for sku, quantity in levels]
        shown += [msgspec.Raw(row.encode()) for row in self._warehouses.odd_rows.get(request.location, ())]
        return 200, msgspec.json.encode({"stock": shown})

    def is_signed(self, request: FeedRequest, now: float) -> bool:
        """Whether it carries our signature and a time at most five minutes off; a refusal is recorded."""
        stamp = request.timestamp
        is_recent = stamp.isascii() and stamp.isdigit() and abs(int(stamp) - now) <= _CLOCK_S
        expected = warehouse_signature("GET", request.path_and_query, stamp, self._secret)
        if is_recent and same(expected, request.signature):
            return True
        self._ledger.refuse("warehouse", "401", now)
        return False


def _shown(scan: Scan, at_text: str) -> dict[str, str]:
    at = datetime.fromtimestamp(scan.at, tz=UTC).astimezone(_CST)
    return {
        "event_id": scan.event_id,
        "type": scan.type,
        "reference": scan.reference,
        "waybill": scan.waybill,
        "at": at_text or at.isoformat(timespec="milliseconds"),
    }
