"""The gates of a process: before a batch is claimed, and before every call."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from domain.errors import Misconfigured
from domain.gates import PAUSED, GateShut
from infra.clock import Clock
from infra.guard.account import AccountGate, Call
from infra.guard.pauses import Pauses
from infra.guard.rules import Rules
from infra.guard.shared import SharedGates
from infra.queue.keys import BellKey, Bells

# How long the winner of a probe may call an account that is paused for everybody else.
PROBE_PASS_S = 60.0

T = TypeVar("T")


class Gates:
    """Guards every account by its rules. `batches_max`: batches of one account that this process runs at once.

    That bulkhead keeps threads free for the other accounts when one answers slowly. Who finds it full is
    rung for again when a batch ends.
    """

    def __init__(
        self,
        rules: Mapping[str, Rules],
        shared: SharedGates,
        pauses: Pauses,
        bells: Bells,
        clock: Clock,
        *,
        batches_max: int,
        share: float,
    ) -> None:
        self._gates = {
            account: AccountGate(account, each, shared, clock, share=share) for account, each in rules.items()
        }
        self._pauses = pauses
        self._bells = bells
        self._clock = clock
        self._batches_max = batches_max
        self._lock = threading.Lock()
        self._batches: dict[str, int] = {}
        self._turned_away: dict[str, set[BellKey]] = {}
        self._passes: dict[str, float] = {}

    @contextmanager
    def entry(self, key: BellKey, batch_max: int) -> Iterator[int]:
        """How many subjects of a key may be claimed now; 0 while a gate before them is shut.

        At most one look at the pauses a second, and one question to Redis for each grant.
        """
        self._pauses.refresh()
        pause = self._pauses.before(step=key.step, lane=key.lane, account=key.account)
        if pause is not None:
            is_probe = self._pauses.win_probe(pause)
            if is_probe:
                with self._lock:
                    self._passes[key.account] = self._clock.monotonic() + PROBE_PASS_S
            yield int(is_probe)
            return
        gate = self._gates.get(key.account)
        if gate is None:
            yield batch_max
            return
        if not self._enter(key):
            yield 0
            return
        begun = 0
        try:
            begun = gate.reserve(batch_max)
            yield begun
        finally:
            gate.give_up(begun)
            self._leave(key)

    async def call(self, account: str, make: Callable[[], Awaitable[T]]) -> T:
        """Make one call through the account's gate. Raises GateShut instead of calling.

        Wrong credentials pause the account; the error then names it, so that the work rests behind it.
        """
        gate = self._gates[account]
        if self._pauses.is_stale:
            await asyncio.to_thread(self._pauses.refresh)
        is_paused = self._check_pause(account)
        call = await asyncio.to_thread(gate.begin) if gate.needs_asking else gate.begin()
        try:
            answer = await make()
        except BaseException as error:
            await _end(call, error)
            if isinstance(error, Misconfigured):
                await asyncio.to_thread(self._pause, account, error)
            raise
        await _end(call, None)
        if is_paused:
            await asyncio.to_thread(self._pauses.reopen, account)
        return answer

    def _check_pause(self, account: str) -> bool:
        pause = self._pauses.of(account)
        if pause is None:
            return False
        if self._clock.monotonic() >= self._passes.get(account, 0.0):
            raise GateShut(account, "paused", after_s=0.0)
        return True

    def _pause(self, account: str, error: Misconfigured) -> None:
        error.facts[PAUSED] = account
        with self._lock:
            self._passes.pop(account, None)
        self._pauses.shut(account, error.code)

    def _enter(self, key: BellKey) -> bool:
        with self._lock:
            under_way = self._batches.get(key.account, 0)
            if under_way >= self._batches_max:
                self._turned_away.setdefault(key.account, set()).add(key)
                return False
            self._batches[key.account] = under_way + 1
            return True

    def _leave(self, key: BellKey) -> None:
        with self._lock:
            self._batches[key.account] -= 1
            waiting = self._turned_away.pop(key.account, set())
        if waiting:
            self._bells.ring(waiting)


async def _end(call: Call, error: BaseException | None) -> None:
    if call.tells_at_once(error):
        await asyncio.to_thread(call.end, error)
    else:
        call.end(error)
