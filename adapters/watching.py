"""Ports of shops that are only watched: they read, and refuse every other call before it leaves the process.

The engine stops such calls earlier (`infra.engine.watch`). These ports catch a call that the engine fails to stop: a
method that does not read is missing here, or raises ShopWatchedError.
"""

from collections.abc import AsyncIterator, Mapping, Sequence

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
from domain.errors import FulfilmentError
from domain.order import Address, RawOrder
from domain.outcomes import Later
from domain.phone import Unreachable
from domain.take_over import ShopWatchedError


class WatchedPlatform:
    """A watched shop's account: only what reads is passed on. Cases are left to the system that ships its orders."""

    after_sale = None

    def __init__(self, account: str, port: Platform) -> None:
        self._account = account
        self._port = port

    @property
    def window_max_s(self) -> float:
        return self._port.window_max_s

    @property
    def divides_lines(self) -> bool:
        return self._port.divides_lines

    def changes(self, window: Window) -> AsyncIterator[Sequence[ListedChange]]:
        return self._port.changes(window)

    async def fetch(self, platform_order_id: str) -> RawOrder:
        return await self._port.fetch(platform_order_id)

    async def status(self, platform_order_id: str) -> PlatformStatus:
        return await self._port.status(platform_order_id)

    async def reveal(self, tokens: Mapping[str, str], purpose: Purpose) -> Mapping[str, Address | FulfilmentError]:  # noqa: ARG002 - as the port
        """Refuse every decryption, because it would use the shop's quota. Raises ShopWatchedError."""
        raise ShopWatchedError(self._account)

    async def write_back(self, handover: Handover) -> None:  # noqa: ARG002 - as the port
        """Refuse every write-back. Raises ShopWatchedError."""
        raise ShopWatchedError(self._account)

    def courier_code(self, courier: str) -> str:
        return self._port.courier_code(courier)


class WatchingCourier:
    """A courier's account that books nothing for watched shops, and nothing for a booking without a shop."""

    def __init__(self, port: Courier, watched: frozenset[str]) -> None:
        self.is_idempotent = port.is_idempotent
        self.can_find = port.can_find
        self.find_lag_s = port.find_lag_s
        self.can_track = port.can_track
        self.track_max = port.track_max
        self.can_intercept = port.can_intercept
        self.repeats_intercept = port.repeats_intercept
        self.can_ask_intercept = port.can_ask_intercept
        self._port = port
        self._watched = watched

    async def create(self, booking: Booking) -> Waybill:
        """Raises ShopWatchedError for a watched shop."""
        _refuse(booking.shop, self._watched)
        return await self._port.create(booking)

    async def find(self, reference: str) -> Waybill | None:
        return await self._port.find(reference)

    async def cancel(self, reference: str, waybill: str) -> None:
        """Cancelling is a person's decision about one waybill, so it is allowed for every shop."""
        await self._port.cancel(reference, waybill)

    async def track(self, tracked: Sequence[Tracked]) -> TrackAnswer:
        return await self._port.track(tracked)

    async def intercept(self, request: InterceptRequest) -> Interception:
        """What left before its shop was watched may be stopped, as a waybill may be cancelled."""
        return await self._port.intercept(request)

    async def ask_intercept(self, waybill: str) -> Interception | None:
        return await self._port.ask_intercept(waybill)


class WatchingNotifier:
    """A channel that sends no notice for watched shops, and no notice without a shop."""

    def __init__(self, port: Notifier, watched: frozenset[str]) -> None:
        self.is_idempotent = port.is_idempotent
        self.needs_mobile = port.needs_mobile
        self._port = port
        self._watched = watched

    async def notify(self, notice: Notice) -> Unreachable | Later | None:
        """Raises ShopWatchedError for a watched shop."""
        platform, shop = (notice.content.get(name, "") for name in ("platform", "shop"))
        _refuse(f"{platform}/{shop}" if shop else "", self._watched)
        return await self._port.notify(notice)


class WatchingWarehouse:
    """A warehouse that is told no order of a watched shop, nor of a shop that the document does not name."""

    def __init__(self, port: Warehouse, watched: frozenset[str]) -> None:
        self._port = port
        self._watched = watched

    @property
    def capabilities(self) -> Capabilities:
        return self._port.capabilities

    async def place(self, document: Document) -> Taken:
        """Raises ShopWatchedError for a watched shop."""
        _refuse(document.shop, self._watched)
        return await self._port.place(document)

    async def stop(self, reference: str, their_id: str) -> Stop:
        """What was placed before the shop was watched may be stopped, as a waybill may be cancelled."""
        return await self._port.stop(reference, their_id)

    async def find(self, reference: str) -> Found | None:
        return await self._port.find(reference)

    async def events(self, cursor: str) -> EventPage:
        return await self._port.events(cursor)

    async def stock(self) -> StockCount:
        return await self._port.stock()


def _refuse(account: str, watched: frozenset[str]) -> None:
    if not account or account in watched:
        raise ShopWatchedError(account or "unknown")
