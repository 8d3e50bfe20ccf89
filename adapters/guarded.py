"""Ports behind their account's gate: each call passes it, and raises GateShut instead of calling while it is shut."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from adapters.ports import (
    Booking,
    Courier,
    EventPage,
    Handover,
    Listed,
    Notice,
    Notifier,
    Platform,
    PlatformStatus,
    Purpose,
    StockCount,
    Warehouse,
    Waybill,
    Window,
)
from domain.contact import Unreachable
from domain.errors import FulfilmentError
from domain.order import Address, RawOrder
from domain.outcomes import Later

T = TypeVar("T")


class Caller(Protocol):
    """Makes a call if the account's gate lets it. Raises GateShut."""

    async def call(self, account: str, make: Callable[[], Awaitable[T]]) -> T: ...


class GuardedPlatform:
    """A shop's account at a platform. Every page of a listing is a call."""

    def __init__(self, account: str, port: Platform, gates: Caller) -> None:
        self._account = account
        self._port = port
        self._gates = gates

    @property
    def window_max_s(self) -> float:
        return self._port.window_max_s

    async def changes(self, window: Window) -> AsyncIterator[Sequence[Listed]]:
        pages = aiter(self._port.changes(window))

        async def turn() -> Sequence[Listed] | None:
            return await anext(pages, None)

        while (page := await self._gates.call(self._account, turn)) is not None:
            yield page

    async def fetch(self, platform_order_id: str) -> RawOrder:
        return await self._gates.call(self._account, lambda: self._port.fetch(platform_order_id))

    async def status(self, platform_order_id: str) -> PlatformStatus:
        return await self._gates.call(self._account, lambda: self._port.status(platform_order_id))

    async def reveal(self, tokens: Mapping[str, str], purpose: Purpose) -> Mapping[str, Address | FulfilmentError]:
        return await self._gates.call(self._account, lambda: self._port.reveal(tokens, purpose))

    async def tell_shipped(self, handover: Handover) -> None:
        await self._gates.call(self._account, lambda: self._port.tell_shipped(handover))

    def courier_code(self, courier: str) -> str:
        return self._port.courier_code(courier)


class GuardedCourier:
    """A contract with a courier."""

    def __init__(self, account: str, port: Courier, gates: Caller) -> None:
        self.is_idempotent = port.is_idempotent
        self.can_find = port.can_find
        self.find_lag_s = port.find_lag_s
        self._account = account
        self._port = port
        self._gates = gates

    async def create(self, booking: Booking) -> Waybill:
        return await self._gates.call(self._account, lambda: self._port.create(booking))

    async def find(self, reference: str) -> Waybill | None:
        return await self._gates.call(self._account, lambda: self._port.find(reference))

    async def cancel(self, reference: str, waybill: str) -> None:
        await self._gates.call(self._account, lambda: self._port.cancel(reference, waybill))


class GuardedNotifier:
    """A channel."""

    def __init__(self, account: str, port: Notifier, gates: Caller) -> None:
        self.is_idempotent = port.is_idempotent
        self.needs_mobile = port.needs_mobile
        self._account = account
        self._port = port
        self._gates = gates

    async def tell(self, notice: Notice) -> Unreachable | Later | None:
        return await self._gates.call(self._account, lambda: self._port.tell(notice))


class GuardedWarehouse:
    """A location's feed."""

    def __init__(self, account: str, port: Warehouse, gates: Caller) -> None:
        self._account = account
        self._port = port
        self._gates = gates

    async def events(self, cursor: str) -> EventPage:
        return await self._gates.call(self._account, lambda: self._port.events(cursor))

    async def stock(self) -> StockCount:
        return await self._gates.call(self._account, self._port.stock)
