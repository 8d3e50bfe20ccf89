"""What is said between us and a warehouse: documents that we place there, and its answers."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from domain.errors import Refused
from domain.order import Address, Lane


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a warehouse can do, as data. The engine asks these, never a name.

    `takes_orders`: `place` works; otherwise the warehouse learns of orders by a way of its own.
    `books_waybill`: the warehouse chooses the courier and books; packages and waybills come from its events.
    `splits`: one document may leave in several packages; only where the warehouse books.
    `can_stop`: `stop` works. `can_find`: `find` works.
    `is_idempotent`: a repeated `place` with one reference never makes a second document.
    `find_lag_s`: so long after a call ended, `find` may still not show the document that it placed.
    `has_feed`: `events` works. `counts_stock`: `stock` works.
    `needs_receiver`: the document must carry the plain receiver.
    """

    takes_orders: bool = True
    books_waybill: bool = False
    splits: bool = False
    can_stop: bool = True
    can_find: bool = True
    is_idempotent: bool = True
    find_lag_s: float = 0.0
    has_feed: bool = True
    counts_stock: bool = True
    needs_receiver: bool = False


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """Pieces of one SKU. `line`: id of the order's line, by which events tell of it."""

    line: str
    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class DocumentPackage:
    """A package that we booked. `reference`: ours at the courier. `label`: what the label prints beside it."""

    reference: str
    courier: str
    waybill: str
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One location's share of an order, as the warehouse gets it.

    `reference`: ours, at most 30 characters, unique for ever. `packages`: empty where the warehouse books.
    `courier`, `service`: wanted where the warehouse books, empty for its own choice. `merge_token`: the token
    of the hidden receiver. `packing_group`: orders of one group are packed alike; empty as long as no rule names one.
    `receiver`: only where needed.
    """

    reference: str
    shop: str
    lines: tuple[DocumentLine, ...]
    packages: tuple[DocumentPackage, ...] = ()
    courier: str = ""
    service: str = ""
    merge_token: str = field(default="", repr=False)
    packing_group: str = ""
    lane: Lane = Lane.P1
    ship_by: datetime | None = None
    receiver: Address | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class DocumentPart:
    """A part into which the warehouse has cut a document: its own id and pieces by line."""

    their_id: str
    lines: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Taken:
    """The warehouse has the document and works on it. `parts`: none where it was not cut."""

    their_id: str
    parts: tuple[DocumentPart, ...] = ()


class Stop(StrEnum):
    """Answer to a stop. Only STOPPED frees goods and label."""

    STOPPED = "stopped"
    TOO_LATE = "too_late"
    PENDING = "pending"


class DocumentProgress(StrEnum):
    """How far a warehouse is with a document, for `find`."""

    TAKEN = "taken"
    ACCEPTED = "accepted"
    PACKED = "packed"
    HANDED_OVER = "handed_over"
    REFUSED = "refused"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Found:
    """The warehouse's view of one document. `code`: why it was refused, in our words (see `RefusalCode`)."""

    reference: str
    their_id: str
    progress: DocumentProgress
    code: str = ""


class RefusalCode(StrEnum):
    """Why a warehouse refuses a document or picks short: each corrects the stock in its own way.

    SHORT: the shelf holds fewer pieces than we believe. UNKNOWN_SKU: the warehouse does not keep the SKU. CAPACITY: no
    room for more work now; the stock is right. OTHER: read the text.
    """

    SHORT = "short"
    UNKNOWN_SKU = "unknown_sku"
    CAPACITY = "capacity"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class EventPackage:
    """A package that a warehouse's event tells of. `lines`: pieces by line id; empty when the event does not say."""

    waybill: str
    courier: str = ""
    weight_g: int = 0
    lines: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class EventLine:
    """Pieces of a line: `planned` by the document, `actual` so far or in the end (`WarehouseEvent.is_final`)."""

    line: str
    sku: str
    planned: int
    actual: int


@dataclass(frozen=True, slots=True)
class ReturnedPieces:
    """Pieces of a SKU that came back and were counted. `line`: id of the order's line, empty where it is not said."""

    sku: str
    sellable: int
    damaged: int
    line: str = ""


class DocumentRefusedError(Refused):
    """A warehouse surely does not work on a document: code ``document_refused``, fact `reason` (see `RefusalCode`).

    `lines`: what the warehouse could have shipped of the lines at fault; empty where it does not say.
    """

    def __init__(self, reason: RefusalCode, message: str = "", lines: tuple[EventLine, ...] = ()) -> None:
        super().__init__("document_refused", message, {"reason": reason.value})
        self.reason = reason
        self.lines = lines
