"""A warehouse at each location: it accepts, packs and hands over what it was told, or what was labelled.

Its feed is the engine's own JSON protocol: signed requests for documents, for events after a cursor, and for stock.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from heapq import heappop, heappush
from itertools import count

import msgspec

from sandbox.documents import DocumentBook
from sandbox.floor import Outside, Works
from sandbox.ledger import Ledger
from sandbox.lost import AnswerLostError
from sandbox.model import Plan
from sandbox.signatures import same, warehouse_signature
from sandbox.spec import Floor, Spec
from sandbox.waybills import Waybill

_CLOCK_S = 300
_LIMIT_MAX = 500
_CST = timezone(timedelta(hours=8))
_SCANS = ("accepted", "packed", "handed_over")
_USUAL = Floor()


@dataclass(frozen=True, slots=True)
class Scan:
    """One thing that happened to a package or a document; `at` in unix seconds. `more`: further fields of the event."""

    event_id: str
    type: str
    reference: str
    waybill: str
    at: float
    more: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FeedRequest:
    """A request as it came in; `after` and `limit` are empty when not sent. `body`: None of a GET."""

    location: str
    path_and_query: str
    timestamp: str
    signature: str
    after: str = ""
    limit: str = ""
    reference: str = ""
    body: bytes | None = None


Answer = tuple[int, bytes]
"""HTTP status and JSON body."""


class Warehouses:
    """Every location's floor. Events happen as time goes by; a cancelled waybill has no further ones.

    `lose_answers`, `drop_calls`: by location, so many next calls about documents are carried out, or not, and never
    answered.
    """

    def __init__(self, plan: Plan, spec: Spec, outside: Outside) -> None:
        delays = spec.warehouse
        accepted = delays.accept_s
        packed = accepted + delays.pack_s
        names = [location.name for location in plan.locations]
        self._after = (accepted, packed, packed + delays.handover_s)
        self._due: list[tuple[float, int, Waybill, str]] = []
        self._late: list[tuple[float, int, str, Scan]] = []
        self._ticket = count()
        self._event_ids = {name: count(1) for name in names}
        self.scans: dict[str, list[Scan]] = {name: [] for name in names}
        self.returned: Counter[str] = Counter()
        """Pieces that came back and can be sold again, by SKU."""
        self.spoiled: dict[str, str] = {}
        """By reference: what its scans show as their time."""
        self.odd_rows: dict[str, tuple[str, ...]] = {}
        """By location: rows that stand in its count besides its own, as JSON."""
        self.stock = {name: [(entry.sku.code, entry.levels.get(name, 0)) for entry in plan.catalogue] for name in names}
        self.books = {name: DocumentBook(name, spec.seed) for name in names}
        self.works = {name: Works(name, self.books[name], delays, outside, self._teller(name)) for name in names}
        self.lose_answers: dict[str, int] = {}
        self.drop_calls: dict[str, int] = {}
        for name in names:
            self.works[name].floor = spec.floors.get(name, _USUAL)

    def learn(self, waybill: Waybill, now: float) -> None:
        """A label was printed here; one from elsewhere is none of ours, and one is no order where orders are told."""
        works = self.works.get(waybill.booking.location)
        if works is not None and works.floor.learns_from == "courier":
            for delay, type_ in zip(self._after, _SCANS, strict=True):
                heappush(self._due, (now + delay, next(self._ticket), waybill, type_))

    def advance(self, now: float) -> None:
        """Carry out what is due by `now`."""
        while self._due and self._due[0][0] <= now:
            at, _, waybill, type_ = heappop(self._due)
            if not waybill.is_alive:
                continue
            if type_ == "handed_over":
                waybill.collect(at)
            self.scans[waybill.booking.location].append(
                Scan(
                    f"{waybill.booking.location}-{next(self._event_ids[waybill.booking.location])}",
                    type_,
                    waybill.booking.reference,
                    waybill.number,
                    at,
                )
            )
        for works in self.works.values():
            works.advance(now)
        while self._late and self._late[0][0] <= now:
            _, _, location, scan = heappop(self._late)
            self.scans[location].append(scan)

    def take_back(self, waybill: Waybill, pieces: Mapping[str, int], at: float) -> None:
        """A parcel came back: its pieces, by SKU, are counted at the location that it left from."""
        location = waybill.booking.location
        if location not in self.works:
            return
        book = self.books[location]
        is_damaged = book.chance(self.works[location].floor.damages, waybill.number, "damages")
        rows = [
            {"sku": sku, "sellable": 0 if is_damaged else count, "damaged": count if is_damaged else 0}
            for sku, count in pieces.items()
        ]
        self.returned.update({str(row["sku"]): int(str(row["sellable"])) for row in rows})
        reference = waybill.booking.document or waybill.booking.reference
        fields: dict[str, object] = {"reference": reference, "waybill": waybill.number, "returned": rows}
        self._teller(location)("returned", fields, at)

    def _teller(self, location: str) -> Callable[[str, dict[str, object], float], None]:
        def tell(kind: str, fields: dict[str, object], at: float) -> None:
            floor, book = self.works[location].floor, self.books[location]
            event_id = f"{location}-{next(self._event_ids[location])}"
            more = {name: value for name, value in fields.items() if name not in {"reference", "waybill"}}
            scan = Scan(event_id, kind, str(fields["reference"]), str(fields.get("waybill", "")), at, more)
            for time in range(2 if book.chance(floor.repeats_events, event_id, "repeated") else 1):
                late_s = book.draw(event_id, "late", time).random() * floor.late_events_s
                heappush(self._late, (at + late_s, next(self._ticket), location, scan))

        return tell


class Feed:
    """The warehouses' signed HTTP feed."""

    def __init__(self, warehouses: Warehouses, secret: str, ledger: Ledger) -> None:
        self._warehouses = warehouses
        self._secret = secret
        self._ledger = ledger
        self._calls = count()

    def events(self, request: FeedRequest, now: float) -> Answer:
        """The scans after a cursor: the number of scans already read, empty for none."""
        self._ledger.calls["warehouse events"] += 1
        self._warehouses.advance(now)
        scans = self._warehouses.scans.get(request.location)
        if scans is None:
            return 404, b'{"error":"unknown location"}'
        if self._is_away(request.location):
            return 503, b"{}"
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
        if self._is_away(request.location):
            return 503, b"{}"
        shown: list[object] = [{"sku": sku, "quantity": quantity} for sku, quantity in levels]
        shown += [msgspec.Raw(row.encode()) for row in self._warehouses.odd_rows.get(request.location, ())]
        return 200, msgspec.json.encode({"stock": shown})

    def place(self, request: FeedRequest, now: float) -> Answer:
        """``POST /orders``. Raises AnswerLostError."""
        return self._answered("place", request, now, self._place)

    def stop(self, request: FeedRequest, now: float) -> Answer:
        """``POST /stop``. Raises AnswerLostError."""
        return self._answered("stop", request, now, self._stop)

    def find(self, request: FeedRequest, now: float) -> Answer:
        """``GET /orders/{reference}``. Raises AnswerLostError."""
        return self._answered("find", request, now, self._find)

    def is_signed(self, request: FeedRequest, now: float) -> bool:
        """Whether it carries our signature and a time at most five minutes off; a refusal is recorded."""
        stamp = request.timestamp
        is_recent = stamp.isascii() and stamp.isdigit() and abs(int(stamp) - now) <= _CLOCK_S
        method = "GET" if request.body is None else "POST"
        expected = warehouse_signature(method, request.path_and_query, stamp, self._secret, request.body)
        if is_recent and same(expected, request.signature):
            return True
        self._ledger.refuse("warehouse", "401", now)
        return False

    def _is_away(self, location: str) -> bool:
        return self._warehouses.works[location].floor.is_away

    def _answered(
        self, call: str, request: FeedRequest, now: float, answer: Callable[[FeedRequest, float], tuple[int, object]]
    ) -> Answer:
        """The answer of a location that is told its orders; others have no such path."""
        self._ledger.calls[f"warehouse {call}"] += 1
        self._warehouses.advance(now)
        location = request.location
        works = self._warehouses.works.get(location)
        if works is None or works.floor.learns_from != "orders":
            self._ledger.refuse(f"warehouse {call}", "404", now)
            return 404, b"404: Not Found"
        floor, number = works.floor, next(self._calls)
        if floor.is_away:
            return 503, b"{}"
        if _spend(self._warehouses.drop_calls, location) or self._happens(floor.drops_calls, request, number, "drops"):
            raise AnswerLostError
        status, content = answer(request, now)
        if status != 200:  # noqa: PLR2004 - HTTP's own
            self._ledger.refuse(f"warehouse {call}", str(status), now)
        if _spend(self._warehouses.lose_answers, location) or self._happens(
            floor.loses_answers, request, number, "loses"
        ):
            raise AnswerLostError
        return status, msgspec.json.encode(content)

    def _happens(self, share: float, request: FeedRequest, number: int, what: str) -> bool:
        return self._warehouses.books[request.location].chance(share, what, number)

    def _place(self, request: FeedRequest, now: float) -> tuple[int, object]:
        works = self._warehouses.works[request.location]
        status, content, document = self._warehouses.books[request.location].place(
            request.body or b"", works.floor, now
        )
        if document is not None:
            works.begin(document, now)
        return status, content

    def _stop(self, request: FeedRequest, now: float) -> tuple[int, object]:
        works = self._warehouses.works[request.location]
        status, content, undecided = self._warehouses.books[request.location].stop(request.body or b"", works.floor)
        for document in undecided:
            works.decide_stop(document, now)
        return status, content

    def _find(self, request: FeedRequest, now: float) -> tuple[int, object]:
        floor = self._warehouses.works[request.location].floor
        return self._warehouses.books[request.location].find(request.reference, floor, now)


def _spend(counts: dict[str, int], location: str) -> bool:
    left = counts.get(location, 0)
    counts[location] = max(0, left - 1)
    return left > 0


def _shown(scan: Scan, at_text: str) -> dict[str, object]:
    at = datetime.fromtimestamp(scan.at, tz=UTC).astimezone(_CST)
    return {
        "event_id": scan.event_id,
        "type": scan.type,
        "reference": scan.reference,
        "waybill": scan.waybill,
        "at": at_text or at.isoformat(timespec="milliseconds"),
        **scan.more,
    }
