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
from adapters.door import Door
from adapters.guarded import GuardedCourier, GuardedWarehouse
from adapters.ports import Courier, Warehouse
from domain.errors import Misconfigured
from domain.gates import About, GateShut
from infra.accounts.gates import Gates
from infra.accounts.process_gates import gates_of
from infra.config.settings import Location, Settings
from infra.engine.event_loop import Outside
from infra.process.clock import Clock
from infra.queue.keys import BellKey
from infra.tables.pool import Database

T = TypeVar("T")

# So long a command waits for the next call that an account's owner allows, in seconds.
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
    """Nobody waits for a command's batch to end: a command begins none."""

    def ring(self, keys: Iterable[BellKey]) -> None:
        pass


@dataclass(frozen=True, slots=True)
class GuardedCalls:
    """What one command or duty calls with. Every call raises GateShut while its account's gate is shut."""

    outside: Outside
    _settings: Settings
    _door: Door
    _gates: _Patient
    _clock: Clock

    def courier(self, account: str) -> Courier:
        """A courier account by its name. Raises Misconfigured ``account_unknown``, and for missing credentials."""
        found = next((one for one in self._settings.couriers if one.account == account), None)
        if found is None:
            raise Misconfigured("account_unknown", facts={"account": account})
        port = registry.courier(found.courier).connect(found, self._door, self._clock)
        return GuardedCourier(account, port, self._gates)

    def warehouse(self, location: Location) -> Warehouse:
        """A location of the settings. Raises Misconfigured for missing credentials."""
        port = registry.warehouse(location.kind).connect(location, self._door, self._clock)
        return GuardedWarehouse(location.account, port, self._gates)

    def run(self, call: Coroutine[object, object, T]) -> T:
        """Make a call and wait for its answer. Raises what the call raises."""
        return self.outside.run(call)


@contextmanager
def guarded_calls(settings: Settings, db: Database, clock: Clock) -> Iterator[GuardedCalls]:
    """Open the door and the gates for the length of a command."""
    with ExitStack() as stack:
        gates = stack.enter_context(gates_of(settings, db, _NoBells()))
        outside = stack.enter_context(Outside())
        door = Door(settings.door, registry.hosts(settings), clock)
        outside.run(door.open())
        stack.callback(lambda: outside.run(door.close()))
        yield GuardedCalls(outside, settings, door, _Patient(gates), clock)
