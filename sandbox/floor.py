"""What becomes of a document on a warehouse's floor: accepted, picked, packed, handed over, or not."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count

from sandbox.documents import Document, DocumentBook, Line, Parcel, stop_now
from sandbox.ledger import Alarm, Ledger
from sandbox.spec import Floor, WarehouseDelays
from sandbox.waybills import Booked, WaybillBook

COURIER = "sf"
_GRAMS_A_PIECE = 250
Tell = Callable[[str, dict[str, object], float], None]
"""Kind, fields and time of an event that the warehouse tells."""


@dataclass(frozen=True, slots=True)
class Outside:
    """Whom a warehouse deals with: the courier's book, and the platform that knows whose a hidden receiver is."""

    waybills: WaybillBook
    ledger: Ledger
    mobile_of: Callable[[str], str]
    title_of: Callable[[str], str]


class Works:
    """The floor of one location. `tell` takes what the feed will show."""

    def __init__(
        self, location: str, book: DocumentBook, delays: WarehouseDelays, outside: Outside, tell: Tell
    ) -> None:
        self._location = location
        self._book = book
        self._delays = delays
        self._outside = outside
        self._tell = tell
        self._due: list[tuple[float, int, Callable[[Document, float], None], Document]] = []
        self._ticket = count()
        self.floor = Floor()

    def begin(self, document: Document, now: float) -> None:
        """A new document was taken."""
        for package in document.order.packages:
            if package.waybill not in self._outside.waybills.by_number:
                self._outside.ledger.alarms.append(Alarm("document_waybill_unknown", 0, package.waybill))
        if self._book.chance(self.floor.forgets, document.reference, "forgets"):
            return
        self._later(now + self._delays.accept_s, self._accept, document)

    def decide_stop(self, document: Document, now: float) -> None:
        """A stop was asked, and is decided later."""
        self._later(now + self._delays.accept_s, self._stop, document)

    def advance(self, now: float) -> None:
        """Carry out what is due by `now`."""
        while self._due and self._due[0][0] <= now:
            at, _, act, document = heappop(self._due)
            act(document, at)

    def _later(self, at: float, act: Callable[[Document, float], None], document: Document) -> None:
        heappush(self._due, (at, next(self._ticket), act, document))

    def _event(self, document: Document, kind: str, at: float, **fields: object) -> None:
        known: dict[str, object] = {"reference": document.reference, "id": document.their_id}
        self._tell(kind, known | fields, at)

    def _accept(self, document: Document, at: float) -> None:
        if document.is_over:
            return
        if self._book.chance(self.floor.refuses_late, document.reference, "refuses_late"):
            self._book.refuse(document)
            self._event(document, "refused", at, code=document.code, operator="王五", lines=document.lines())
            return
        document.state = "accepted"
        for kind in ("accepted", "printed"):
            self._event(document, kind, at)
        self._later(at + self._delays.pack_s, self._pack, document)

    def _pack(self, document: Document, at: float) -> None:
        if document.is_over:
            return
        if self._book.chance(self.floor.picks_short, document.reference, "picks_short"):
            self._book.lack(document)
        self._event(document, "picked", at)
        pieces = {line.line: line.quantity - document.short[line.line] for line in document.order.lines}
        is_empty = not any(pieces.values())
        if document.short:
            self._event(document, "short", at, code="short", lines=document.lines(), final=is_empty)
        if is_empty:
            document.state, document.code = "refused", "short"
            return
        self._event(document, "checked", at)
        document.parcels = list(self._parcels(document, pieces, at))
        document.state = "packed"
        for parcel in document.parcels:
            self._event(document, "packed", at, **self._shown(parcel))
        self._later(at + self._delays.handover_s, self._leave, document)

    def _leave(self, document: Document, at: float) -> None:
        """What the courier has cancelled meanwhile stays: nobody takes it along."""
        leaving = [one for one in document.parcels if self._outside.waybills.by_number[one.waybill].is_alive]
        for number, parcel in enumerate(leaving, start=1):
            waybill = self._outside.waybills.by_number[parcel.waybill]
            waybill.is_collected, waybill.collected_at = True, at
            end: dict[str, object] = {"final": True, "lines": document.lines()} if number == len(leaving) else {}
            self._event(document, "handed_over", at, **self._shown(parcel), **end)
        if leaving:
            document.state = "handed_over"

    def _stop(self, document: Document, at: float) -> None:
        self._event(document, "stopped" if stop_now(document) else "stop_failed", at)

    def _parcels(self, document: Document, pieces: dict[str, int], at: float) -> Iterator[Parcel]:
        if not self.floor.books_waybill:
            known = self._outside.waybills.by_number
            booked = [package for package in document.order.packages if package.waybill in known]
            for package in booked:
                if known[package.waybill].is_alive:
                    yield Parcel(package.reference, package.waybill, pieces if len(booked) == 1 else {})
            return
        for number, share in enumerate(self._shares(pieces), start=1):
            yield Parcel(document.reference, self._book_waybill(document, number, share, at), share)

    def _shares(self, pieces: dict[str, int]) -> list[dict[str, int]]:
        there = {line: quantity for line, quantity in pieces.items() if quantity}
        if not self.floor.splits:
            return [there]
        if len(there) > 1:
            return [{line: quantity} for line, quantity in there.items()]
        ((line, quantity),) = there.items()
        first = quantity // 2
        return [{line: first}, {line: quantity - first}] if first else [there]

    def _book_waybill(self, document: Document, number: int, share: dict[str, int], at: float) -> str:
        lines: dict[str, Line] = {line.line: line for line in document.order.lines}
        booking = Booked(
            reference=f"{document.their_id}-{number}",
            location=self._location,
            origin="",
            destination="",
            receiver_mobile=document.order.receiver.phone or self._outside.mobile_of(document.order.merge_token),
            cargo=tuple((self._outside.title_of(lines[line].sku), quantity) for line, quantity in share.items()),
            document=document.reference,
        )
        return self._outside.waybills.book(booking, at).number

    def _shown(self, parcel: Parcel) -> dict[str, object]:
        """A package that was booked for the warehouse has a reference of its own; others are parts of the document."""
        if not self.floor.books_waybill:
            return {"reference": parcel.reference, "waybill": parcel.waybill}
        return {
            "packages": [
                {
                    "waybill": parcel.waybill,
                    "courier": COURIER,
                    "grams": _GRAMS_A_PIECE * sum(parcel.pieces.values()),
                    "lines": [{"line": line, "quantity": quantity} for line, quantity in parcel.pieces.items()],
                }
            ]
        }
