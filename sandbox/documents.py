"""What a warehouse was told: its documents, and how it takes, stops and finds them.

Source: `docs/reference/warehouse-feed.md`. Chosen here where the page leaves it open, the stricter reading each time: a
document that cannot be read is 400 and is not carried out; the reference of a stopped or refused document stays used.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from sandbox.spec import Floor

REFUSALS = ("short", "unknown_sku", "capacity", "other")
_REFERENCE_MAX = 30
_WORKING = frozenset({"taken", "accepted"})
_OVER = frozenset({"refused", "stopped"})


class Line(msgspec.Struct, frozen=True):
    """A line of a document as it came; unknown fields are ignored, as the protocol says."""

    line: str
    sku: str
    quantity: int


class Booked(msgspec.Struct, frozen=True):
    """A package that was booked for the warehouse."""

    reference: str
    courier: str
    waybill: str
    label: str = ""


class Receiver(msgspec.Struct, frozen=True):
    """Only the number: the courier's ledger compares it."""

    phone: str = ""

    def __repr__(self) -> str:
        return "Receiver(***)"


class Order(msgspec.Struct, frozen=True):
    """The body of ``POST /orders``."""

    reference: str
    shop: str
    lines: tuple[Line, ...]
    packages: tuple[Booked, ...] = ()
    lane: str = ""
    merge_token: str = ""
    receiver: Receiver = Receiver()

    def __repr__(self) -> str:
        return f"Order({self.reference!r})"


class StopAsked(msgspec.Struct, frozen=True):
    """The body of ``POST /stop``."""

    reference: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A package of a document. `reference`: its own where it was booked for the warehouse, else the document's."""

    reference: str
    waybill: str
    pieces: dict[str, int]


@dataclass(slots=True)
class Document:
    """A document in the warehouse; `at` in unix seconds. `short`: pieces that the shelf lacks, by line.

    `answer`: what ``POST /orders`` answered, and answers again.
    """

    their_id: str
    order: Order
    content: object
    at: float
    state: Literal["taken", "accepted", "packed", "handed_over", "refused", "stopped"] = "taken"
    code: str = ""
    answer: dict[str, object] = field(default_factory=dict)
    short: Counter[str] = field(default_factory=Counter)
    parcels: list[Parcel] = field(default_factory=list)

    @property
    def reference(self) -> str:
        return self.order.reference

    @property
    def is_over(self) -> bool:
        return self.state in _OVER

    def lines(self) -> list[dict[str, object]]:
        """Planned and actual pieces, as an event or a refusal tells them."""
        return [
            {
                "line": line.line,
                "sku": line.sku,
                "planned": line.quantity,
                "actual": line.quantity - self.short[line.line],
            }
            for line in self.order.lines
        ]


class DocumentBook:
    """The documents of one location. A reference keeps its documents for ever."""

    def __init__(self, location: str, seed: int) -> None:
        self._location = location
        self._seed = seed
        self.of_reference: dict[str, list[Document]] = {}
        self.all: list[Document] = []

    def draw(self, *about: object) -> random.Random:
        """The same draw for the same subject, in whatever order the calls come."""
        return random.Random("/".join(map(str, (self._seed, self._location, *about))))

    def chance(self, share: float, *about: object) -> bool:
        return share > 0 and self.draw(*about).random() < share

    def place(self, body: bytes, floor: Floor, now: float) -> tuple[int, dict[str, object], Document | None]:
        """Status and answer; the document if it is a new one that the warehouse works on."""
        try:
            order, content = msgspec.json.decode(body, type=Order), msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return 400, {"error": "invalid"}, None
        if not _is_sound(order):
            return 400, {"error": "invalid"}, None
        known = self.of_reference.get(order.reference, [])
        if known and floor.is_idempotent:
            if known[0].content != content:
                return 409, {"error": "reference_used"}, None
            return 200, known[0].answer, None
        document = Document(f"{self._location}-{len(self.all) + 1}", order, content, now)
        self.of_reference.setdefault(order.reference, []).append(document)
        self.all.append(document)
        if self.chance(floor.refuses, order.reference, "refuses"):
            self.refuse(document)
        document.answer = _said(document)
        return 200, document.answer, None if document.is_over else document

    def refuse(self, document: Document) -> None:
        draw = self.draw(document.reference, "refusal")
        document.state, document.code = "refused", draw.choice(REFUSALS)
        if document.code == "short":
            self.lack(document)

    def lack(self, document: Document) -> None:
        """The shelf has fewer pieces of one line than planned, perhaps none."""
        draw = self.draw(document.reference, "short")
        line = draw.choice(document.order.lines)
        document.short[line.line] = draw.randint(1, line.quantity)

    def find(self, reference: str, floor: Floor, now: float) -> tuple[int, dict[str, object]]:
        """The newest document of a reference."""
        known = [one for one in self.of_reference.get(reference, []) if one.at <= now - floor.find_lag_s]
        if not known:
            return 404, {"error": "unknown_reference"}
        document = known[-1]
        shown: dict[str, object] = {"reference": reference, "id": document.their_id, "state": document.state}
        return 200, shown | ({"code": document.code} if document.state == "refused" else {})

    def stop(self, body: bytes, floor: Floor) -> tuple[int, dict[str, object], list[Document]]:
        """Status and answer, and the documents whose stop is decided later."""
        try:
            asked = msgspec.json.decode(body, type=StopAsked)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return 400, {"error": "invalid"}, []
        known = self.of_reference.get(asked.reference)
        if not known:
            return 404, {"error": "unknown_reference"}, []
        living = [one for one in known if not one.is_over]
        if living and floor.stops == "later":
            return 200, {"reference": asked.reference, "answer": "pending"}, living
        is_late = any(not stop_now(one) for one in living)
        return 200, {"reference": asked.reference, "answer": "too_late" if is_late else "stopped"}, []


def stop_now(document: Document) -> bool:
    """Whether it could still be stopped."""
    if document.state in _WORKING:
        document.state = "stopped"
    return document.state == "stopped"


def _is_sound(order: Order) -> bool:
    lines = {line.line for line in order.lines}
    return (
        0 < len(order.reference) <= _REFERENCE_MAX
        and bool(order.shop)
        and bool(order.lines)
        and len(lines) == len(order.lines)
        and all(line.quantity > 0 and line.sku for line in order.lines)
        and all(package.waybill and package.reference for package in order.packages)
    )


def _said(document: Document) -> dict[str, object]:
    if not document.is_over:
        return {"reference": document.reference, "answer": "taken", "id": document.their_id}
    lines = [line for line in document.lines() if document.short[str(line["line"])]]
    text = "缺货" if document.code == "short" else "无法接单"
    refused = {"reference": document.reference, "answer": "refused", "code": document.code, "text": text}
    return {**refused, "lines": lines}
