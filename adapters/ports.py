"""The interfaces that the engine expects of platforms, couriers, channels and warehouses.

All methods are coroutines that run on the process's event loop with no transaction open. They raise
only the tree of `domain.errors`. An adapter keeps no state besides its settings and the HTTP client.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from adapters.after_sale import AfterSale
from adapters.documents import Capabilities, Document, EventLine, EventPackage, Found, ReturnedPieces, Stop, Taken
from adapters.rejection import Rejected
from domain.errors import FulfilmentError
from domain.order import Address, PlatformState, RawOrder
from domain.outcomes import Later
from domain.phone import Unreachable
from domain.tracking import ParcelKind

# The fact of a Throttled with which a platform asks for a shorter window.
NARROWER = "narrower"


@dataclass(frozen=True, slots=True)
class Window:
    """Half-open span of platform change times, zone-aware."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class ListedChange:
    """One row of a platform's change listing. `state` is None if the listing does not give it.

    `fault`: the code of why the row does not tell its order's id, which is then empty.
    """

    platform_order_id: str
    changed_at: datetime
    state: PlatformState | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class PlatformShipment:
    """What a platform shows as shipped: its own courier code and the number, for the named lines."""

    courier_code: str
    waybill: str
    line_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlatformStatus:
    """The platform's view of one order right now, and when it last changed there.

    `refund_lines`: the lines whose refund is open, if the platform says which. `unknown_lines`: those of which it does
    not say whether a refund is open. `line_ids`: all that it shows, if it shows lines.
    """

    state: PlatformState
    refund_open: bool
    shipments: tuple[PlatformShipment, ...]
    changed_at: datetime | None = None
    refund_lines: tuple[str, ...] = ()
    unknown_lines: tuple[str, ...] = ()
    line_ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Handover:
    """A write-back: this order (or these lines of it) left with that waybill. `courier` is our name.

    `lines`: pieces by line of this package. `outside`: lines of the order that stand and are not wholly in it; a
    platform may have no record of some of them, as of a gift that only a promotion names. `completes`: lines of which
    other packages hold pieces too, and the platform has heard of all of those.
    """

    platform_order_id: str
    courier: str
    waybill: str
    lines: Mapping[str, int]
    outside: frozenset[str]
    shipped_at: datetime
    completes: frozenset[str] = frozenset()

    @property
    def divided(self) -> frozenset[str]:
        """Lines of which this package holds some pieces, and others hold or will hold the rest."""
        return self.outside & self.lines.keys()


class Purpose(StrEnum):
    """What a receiver is decrypted for; platforms allow and count each purpose on its own."""

    LABEL = "label"
    NOTICE = "notice"


class Platform(Protocol):
    """One shop's account at a sales platform."""

    @property
    def window_max_s(self) -> float:
        """Longest change window that one listing may span."""
        ...

    @property
    def divides_lines(self) -> bool:
        """Whether a write-back can name some pieces of a line; otherwise a line is shipped whole."""
        ...

    @property
    def after_sale(self) -> AfterSale | None:
        """The shop's after-sale cases; None where they cannot be read here."""
        ...

    def changes(self, window: Window) -> AsyncIterator[Sequence[ListedChange]]:
        """Pages of changed orders in an order that loses nothing while rows move.

        What changes around the window's end may be left to the next window, which overlaps this one.
        """
        ...

    async def fetch(self, platform_order_id: str) -> RawOrder:
        """The whole order as the platform has it now."""
        ...

    async def status(self, platform_order_id: str) -> PlatformStatus:
        """State, open refunds and shipments; asked before a label and around a write-back."""
        ...

    async def reveal(self, tokens: Mapping[str, str], purpose: Purpose) -> Mapping[str, Address | FulfilmentError]:
        """Decrypt receivers: platform order id -> merge token in, plain address or error out."""
        ...

    async def write_back(self, handover: Handover) -> None:
        """Tell the platform. Conflict ``already_shipped`` when it has a shipment for it already."""
        ...

    def courier_code(self, courier: str) -> str:
        """The platform's code of our courier; Misconfigured ``courier_unmapped`` when it has none."""
        ...


@dataclass(frozen=True, slots=True)
class Booking:
    """All that a courier needs for one package.

    `reference` identifies the package at the courier permanently. `shop`: the account of the order's shop; it is not
    sent to the courier.
    """

    reference: str
    sender: Address
    receiver: Address
    contents: tuple[tuple[str, int], ...]
    weight_g: int
    service: str = ""
    remark: str = field(default="", repr=False)
    shop: str = ""


@dataclass(frozen=True, slots=True)
class Waybill:
    """A courier's answer for one reference. `alive` is False for a shipment that was cancelled."""

    reference: str
    number: str
    alive: bool
    sort_code: str = ""


@dataclass(frozen=True, slots=True)
class Tracked:
    """A parcel to ask about. `phone`: the sender's or receiver's, for the time of the call only; empty: unknown."""

    waybill: str
    phone: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class TrackEvent:
    """One event of a parcel. `code` and `detail` are the courier's own; a text of the courier's is never among them."""

    code: str
    kind: ParcelKind
    at: datetime
    detail: str = ""


TrackAnswer = Mapping[str, tuple[TrackEvent, ...] | FulfilmentError]
"""By waybill: all events that the courier shows, in any order and perhaps repeated, or why they are not known."""


class Interception(StrEnum):
    """What a courier says about the interception of a parcel. Only STOPPED proves that the parcel comes back.

    TAKEN: the courier tries. NOT_YET: the courier does not have the parcel, so it can be asked again. FAILED: this
    attempt is over, and the parcel goes on; it can be asked again. TOO_LATE: the receiver has the parcel.
    """

    TAKEN = "taken"
    STOPPED = "stopped"
    NOT_YET = "not_yet"
    FAILED = "failed"
    TOO_LATE = "too_late"


@dataclass(frozen=True, slots=True)
class InterceptRequest:
    """A parcel that its courier should bring back. `reference`: ours, of the package. `back_to`: the sender."""

    reference: str
    waybill: str
    back_to: Address


class Courier(Protocol):
    """One contract with a courier.

    `is_idempotent`: a repeated create with one reference never makes a second waybill.
    `can_find`: `find` works. `find_lag_s`: so long after a call ended, `find` may still not show what it booked.
    `can_track`: `track` works, and the account wants it. `track_max`: parcels that one call of `track` may ask about.
    `can_intercept`: `intercept` works, and the account wants it. `repeats_intercept`: a second interception of one
    parcel is never carried out beside the first. `can_ask_intercept`: `ask_intercept` works; otherwise only the events
    of the parcel tell what became of its interception.
    """

    is_idempotent: bool
    can_find: bool
    find_lag_s: float
    can_track: bool
    track_max: int
    can_intercept: bool
    repeats_intercept: bool
    can_ask_intercept: bool

    async def create(self, booking: Booking) -> Waybill:
        """Book. Conflict ``duplicate_reference`` when the courier knows the reference already."""
        ...

    async def find(self, reference: str) -> Waybill | None:
        """The shipment of our reference, dead or alive; None when the courier surely has none."""
        ...

    async def cancel(self, reference: str, waybill: str) -> None:
        """Cancel before pickup; returns without an error if it was cancelled before."""
        ...

    async def track(self, tracked: Sequence[Tracked]) -> TrackAnswer:
        """What happened to parcels, each by itself: an error of one is its answer, and stops no other."""
        ...

    async def intercept(self, request: InterceptRequest) -> Interception:
        """Ask that a parcel which has left comes back. Whether it does is told later.

        Raises Refused or Conflict when the courier does not take it, for whatever reason: it may take it later.
        """
        ...

    async def ask_intercept(self, waybill: str) -> Interception | None:
        """What became of the interception of a parcel; None when the courier surely has none."""
        ...


@dataclass(frozen=True, slots=True)
class Notice:
    """One event to report. `event_id` lets the receiver drop a repetition. `content` holds no personal data.

    `mobile`: the buyer's number, for channels that need one and for the time of the call only.
    """

    event_id: str
    event: str
    occurred_at: datetime
    content: Mapping[str, str]
    mobile: str = field(default="", repr=False)


class Notifier(Protocol):
    """One channel.

    `is_idempotent`: the receiver drops repeated event ids, so repeating is safe. Otherwise a notice is sent
    once at most. `needs_mobile`: `notify` wants `Notice.mobile`.
    """

    is_idempotent: bool
    needs_mobile: bool

    async def notify(self, notice: Notice) -> Unreachable | Later | None:
        """None: told. Later: surely not told, and this buyer may not be told again so soon."""
        ...


@dataclass(frozen=True, slots=True)
class WarehouseEvent:
    """One thing that happened to a document or package; `kind` is one of `domain.warehouse.Scan`.

    `reference`: ours, of the document or of the package. `event_id`: the same whenever the event is told again; not
    `is_key_trusted` where the warehouse is known to repeat ids. `packages`, `lines`: what the event tells of them, and
    whether that is all there will ever be (`is_final`). `code`: why, for a refusal or a short pick (`RefusalCode`).
    `returned`: the count of a package that came back; empty: the package is there, and not counted yet.
    """

    event_id: str
    reference: str
    waybill: str
    kind: str
    at: datetime
    their_id: str = ""
    packages: tuple[EventPackage, ...] = ()
    lines: tuple[EventLine, ...] = ()
    is_final: bool = False
    is_key_trusted: bool = True
    code: str = ""
    returned: tuple[ReturnedPieces, ...] = ()


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events after a cursor, with the raw page; `rejected` are entries that could not be read."""

    body: bytes
    events: tuple[WarehouseEvent, ...]
    rejected: tuple[Rejected, ...]
    cursor: str
    has_more: bool


@dataclass(frozen=True, slots=True)
class StockLevel:
    sku: str
    quantity: int


@dataclass(frozen=True, slots=True)
class StockCount:
    """A location's counted stock. A SKU with a row in `rejected`, or with two rows, is not in `levels`."""

    levels: tuple[StockLevel, ...]
    rejected: tuple[Rejected, ...] = ()


class Warehouse(Protocol):
    """One location's warehouse: what it is told, what it tells, and its counted stock."""

    @property
    def capabilities(self) -> Capabilities:
        """What this warehouse can do. The engine asks these before it calls, and never the warehouse's name."""
        ...

    async def place(self, document: Document) -> Taken:
        """Give the warehouse a document.

        Raises DocumentRefusedError (a Refused) when the warehouse surely does not work on it, and Conflict
        ``reference_used`` when the warehouse has another document under this reference. After an UnknownOutcome the
        document may be there: ask `find`.
        """
        ...

    async def stop(self, reference: str, their_id: str) -> Stop:
        """Ask the warehouse not to ship a document; harmless to repeat. `their_id`: empty where it is not known.

        Raises Conflict ``unknown_reference`` when the warehouse surely has no such document.
        """
        ...

    async def find(self, reference: str) -> Found | None:
        """The warehouse's view of the document of our reference; None when the warehouse surely has none."""
        ...

    async def events(self, cursor: str) -> EventPage: ...

    async def stock(self) -> StockCount: ...
