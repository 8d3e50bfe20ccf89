"""Calls to couriers and warehouses by a command or a duty, behind the same gates as the calls of workers.

A pause, an open breaker and the counted rate of an account hold for all: only this module and `workers.wiring` connect
an account to call it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TypeVar

from adapters import registry
from adapters.guarded import GuardedCourier, GuardedWarehouse
from adapters.http_client import HttpClient
from adapters.ports import Courier, Warehouse
from domain.errors import Misconfigured
from domain.gates import About, GateShut
from infra.accounts.gates import Gates
from infra.accounts.process_gates import gates_of
from infra.config.settings import Location, Settings
from infra.engine.event_loop import EventLoopThread
from infra.process.clock import Clock
from infra.queue.keys import BellKey
from infra.tables.pool import Database

T = TypeVar("T")

# The most seconds that a command waits for the next call that an account's rate allows.
PATIENCE_S = 2.0


@dataclass(frozen=True, slots=True)
class _Patient:
    """Waits once for the next call of a counted rate. A bucket that nobody used before is empty."""

    gates: Gates

    async def call(self, account: str, make: Callable[[], Awaitable[T]], about: About = None) -> T:
        try:
            return await self.gates.call(account, make, about)
        except GateShut as shut:
            if shut.why != "rate" or shut.after_s > PATIENCE_S:
                raise
            await asyncio.sleep(shut.after_s)
        return await self.gates.call(account, make, about)


class _NoBells:
    """Rings no bell: a command begins no batches, so no work waits for their end."""

    def ring(self, keys: Iterable[BellKey]) -> None:
        pass


@dataclass(frozen=True, slots=True)
class GuardedCalls:
    """The calls of one command or duty. Every call raises GateShut while its account's gate is shut."""

    event_loop: EventLoopThread
    _settings: Settings
    _door: HttpClient
    _gates: _Patient
    _clock: Clock

    def courier(self, account: str) -> Courier:
        """A courier account by its name. Raises Misconfigured ``account_unknown``, and for missing credentials."""
        found = next((one for one in self._settings.couriers if one.account == account), None)
        if found is None:
            raise Misconfigured("account_unknown", facts={"account": account})
        port = registry.courier(found.courier).connect(found, self._door, self._clock)
        return GuardedCourier(account, port, self._gates, found.tracking_account)

    def warehouse(self, location: Location) -> Warehouse:
        """A location of the settings. Raises Misconfigured for missing credentials."""
        port = registry.warehouse(location.kind).connect(location, self._door, self._clock)
        return GuardedWarehouse(location.account, port, self._gates)

    def run(self, call: Coroutine[object, object, T]) -> T:
        """Make a call and wait for its answer. Raises what the call raises."""
        return self.event_loop.run(call)


@contextmanager
def guarded_calls(settings: Settings, db: Database, clock: Clock) -> Iterator[GuardedCalls]:
    """Open the door and the gates for the length of a command."""
    with ExitStack() as stack:
        gates = stack.enter_context(gates_of(settings, db, _NoBells()))
        event_loop = stack.enter_context(EventLoopThread())
        http = HttpClient(settings.door, registry.hosts(settings), clock)
        event_loop.run(http.open())
        stack.callback(lambda: event_loop.run(http.close()))
        yield GuardedCalls(event_loop, settings, http, _Patient(gates), clock)
