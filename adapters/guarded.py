"""Ports behind their account's gate.

While the gate is shut, a method raises GateShut and makes no call. Each call names its subject, so that the gate can
tell a fault of the subject from a fault of the account.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from adapters.after_sale import AfterSale, StopReport
from adapters.documents import Capabilities, Document, Found, Stop, Taken
from adapters.ports import (
    Booking,
    Courier,
    EventPage,
    Handover,
    Interception,
    InterceptRequest,
    ListedChange,
    Notice,
    Notifier,
    Platform,
    PlatformStatus,
    Purpose,
    StockCount,
    TrackAnswer,
    Tracked,
    Warehouse,
    Waybill,
    Window,
)
from domain.after_sale import AfterSaleCase
from domain.errors import FulfilmentError, Malformed, Misconfigured, Refused
from domain.gates import PAUSED, About
from domain.order import Address, RawOrder
from domain.outcomes import Later
from domain.phone import Unreachable
from domain.references import base_of

T = TypeVar("T")


class Caller(Protocol):
    """Makes a call if the account's gate is open. Raises GateShut."""

    async def call(self, account: str, make: Callable[[], Awaitable[T]], about: About = None) -> T: ...


class GuardedAfterSale:
    """The after-sale cases of a shop's account, behind a gate of their own."""

    def __init__(self, account: str, port: AfterSale, gates: Caller) -> None:
        self._account = account
        self._port = port
        self._gates = gates

    @property
    def window_max_s(self) -> float:
        return self._port.window_max_s

    @property
    def answers_stops(self) -> bool:
        return self._port.answers_stops

    async def cases(self, window: Window) -> AsyncIterator[Sequence[AfterSaleCase]]:
        pages = aiter(self._port.cases(window))

        async def turn() -> Sequence[AfterSaleCase] | None:
            return await anext(pages, None)

        while (page := await self._gates.call(self._account, turn)) is not None:
            yield page

    async def case(self, case_id: str) -> AfterSaleCase:
        return await self._gates.call(self._account, lambda: self._port.case(case_id), case_id)

    async def answer_stop(self, report: StopReport) -> None:
        await self._gates.call(self._account, lambda: self._port.answer_stop(report), report.case_id)


class GuardedPlatform:
    """A shop's account at a platform. Every page of a listing is a call.

    `after_sale_account`: the gate of its cases, if they have one of their own. A shop whose cases cannot be read, or
    may not be read, still sells.
    """

    def __init__(self, account: str, port: Platform, gates: Caller, after_sale_account: str = "") -> None:
        self._account = account
        self._port = port
        self._gates = gates
        cases = port.after_sale
        self.after_sale = None if cases is None else GuardedAfterSale(after_sale_account or account, cases, gates)

    @property
    def window_max_s(self) -> float:
        return self._port.window_max_s

    @property
    def divides_lines(self) -> bool:
        return self._port.divides_lines

    async def changes(self, window: Window) -> AsyncIterator[Sequence[ListedChange]]:
        pages = aiter(self._port.changes(window))

        async def turn() -> Sequence[ListedChange] | None:
            return await anext(pages, None)

        while (page := await self._gates.call(self._account, turn)) is not None:
            yield page

    async def fetch(self, platform_order_id: str) -> RawOrder:
        return await self._gates.call(self._account, lambda: self._port.fetch(platform_order_id), platform_order_id)

    async def status(self, platform_order_id: str) -> PlatformStatus:
        return await self._gates.call(self._account, lambda: self._port.status(platform_order_id), platform_order_id)

    async def reveal(self, tokens: Mapping[str, str], purpose: Purpose) -> Mapping[str, Address | FulfilmentError]:
        """If a call for several receivers fails, each receiver is asked for alone: one of them may be the cause."""
        try:
            return await self._reveal(tokens, purpose)
        except (Malformed, Misconfigured) as error:
            if len(tokens) == 1 or PAUSED in error.facts:
                raise
        found: dict[str, Address | FulfilmentError] = {}
        for id_, token in tokens.items():
            try:
                found |= await self._reveal({id_: token}, purpose)
            except FulfilmentError as error:
                found[id_] = error
        return found

    async def _reveal(self, tokens: Mapping[str, str], purpose: Purpose) -> Mapping[str, Address | FulfilmentError]:
        about = next(iter(tokens)) if len(tokens) == 1 else tuple(tokens)
        return await self._gates.call(self._account, lambda: self._port.reveal(tokens, purpose), about)

    async def write_back(self, handover: Handover) -> None:
        """Write back, as the port does. Raises Refused, not Misconfigured, for a courier without a code, because the
        shop's account is not at fault.
        """
        try:
            self._port.courier_code(handover.courier)
        except Misconfigured as error:
            raise Refused(error.code, error.message, error.facts) from None
        await self._gates.call(self._account, lambda: self._port.write_back(handover), handover.platform_order_id)

    def courier_code(self, courier: str) -> str:
        return self._port.courier_code(courier)


class GuardedCourier:
    """A contract with a courier.

    `tracking`: the gate of its tracking, if that has one of its own. A courier whose tracking is sick, or not allowed,
    still books.
    """

    def __init__(self, account: str, port: Courier, gates: Caller, tracking: str = "") -> None:
        self.is_idempotent = port.is_idempotent
        self.can_find = port.can_find
        self.find_lag_s = port.find_lag_s
        self.can_track = port.can_track
        self.track_max = port.track_max
        self.can_intercept = port.can_intercept
        self.repeats_intercept = port.repeats_intercept
        self.can_ask_intercept = port.can_ask_intercept
        self._account = account
        self._tracking = tracking or account
        self._port = port
        self._gates = gates

    async def create(self, booking: Booking) -> Waybill:
        return await self._gates.call(self._account, lambda: self._port.create(booking), _order_of(booking.reference))

    async def find(self, reference: str) -> Waybill | None:
        return await self._gates.call(self._account, lambda: self._port.find(reference), _order_of(reference))

    async def cancel(self, reference: str, waybill: str) -> None:
        await self._gates.call(self._account, lambda: self._port.cancel(reference, waybill), _order_of(reference))

    async def track(self, tracked: Sequence[Tracked]) -> TrackAnswer:
        """A question about many parcels is about none in particular: its fault is the account's."""
        return await self._gates.call(self._tracking, lambda: self._port.track(tracked))

    async def intercept(self, request: InterceptRequest) -> Interception:
        about = _order_of(request.reference)
        return await self._gates.call(self._account, lambda: self._port.intercept(request), about)

    async def ask_intercept(self, waybill: str) -> Interception | None:
        """A question about a parcel goes the way of all such questions, and is about this parcel alone."""
        return await self._gates.call(self._tracking, lambda: self._port.ask_intercept(waybill), waybill)


class GuardedNotifier:
    """A channel."""

    def __init__(self, account: str, port: Notifier, gates: Caller) -> None:
        self.is_idempotent = port.is_idempotent
        self.needs_mobile = port.needs_mobile
        self._account = account
        self._port = port
        self._gates = gates

    async def notify(self, notice: Notice) -> Unreachable | Later | None:
        return await self._gates.call(self._account, lambda: self._port.notify(notice), _order_of_notice(notice))


class GuardedWarehouse:
    """A location's warehouse."""

    def __init__(self, account: str, port: Warehouse, gates: Caller) -> None:
        self._account = account
        self._port = port
        self._gates = gates

    @property
    def capabilities(self) -> Capabilities:
        return self._port.capabilities

    async def place(self, document: Document) -> Taken:
        return await self._gates.call(self._account, lambda: self._port.place(document), _order_of(document.reference))

    async def stop(self, reference: str, their_id: str) -> Stop:
        return await self._gates.call(self._account, lambda: self._port.stop(reference, their_id), _order_of(reference))

    async def find(self, reference: str) -> Found | None:
        return await self._gates.call(self._account, lambda: self._port.find(reference), _order_of(reference))

    async def events(self, cursor: str) -> EventPage:
        return await self._gates.call(self._account, lambda: self._port.events(cursor))

    async def stock(self) -> StockCount:
        return await self._gates.call(self._account, self._port.stock)


def _order_of(reference: str) -> str:
    """All packages and documents of one order have its address: three of them are one subject."""
    try:
        return base_of(reference)
    except ValueError:
        return reference


def _order_of_notice(notice: Notice) -> str:
    order = (notice.content.get(name, "") for name in ("platform", "shop", "platform_order_id"))
    return "/".join(order).strip("/") or notice.event_id
