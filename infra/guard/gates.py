"""The gates of a process: before a batch is claimed, and before every call."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import psycopg

from domain.errors import FulfilmentError
from domain.gates import PAUSED, About, Charge, GateShut, Pause, charge_of, is_account_fault, is_success, mark
from infra.clock import Clock
from infra.guard.account import AccountGate, Call
from infra.guard.pauses import Pauses
from infra.guard.rules import Rules
from infra.guard.shared import SharedGates
from infra.log import get_logger
from infra.queue.keys import BellKey, Bells
from infra.repeats import repeating

# How long the winner of a probe may wait until it makes its one call.
PROBE_PASS_S = 60.0

T = TypeVar("T")

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Room:
    """How many subjects may be claimed now. `is_probe`: they try an account that was sick or paused."""

    subjects: int
    is_probe: bool = False


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
    def entry(self, key: BellKey, batch_max: int) -> Iterator[Room]:
        """How many subjects of a key may be claimed now; none while a gate before them is shut.

        At most one look at the pauses a second, and one question to Redis for each grant.
        """
        self._pauses.refresh()
        pause = self._pauses.before(step=key.step, lane=key.lane, account=key.account)
        if pause is not None:
            is_probe = self._win_probe(pause)
            try:
                yield Room(int(is_probe), is_probe)
            finally:
                self._return_probe(key.account)
            return
        gate = self._gates.get(key.account)
        if gate is None:
            yield Room(batch_max)
            return
        if not self._enter(key):
            yield Room(0)
            return
        begun = 0
        try:
            begun = gate.reserve(batch_max)
            yield Room(begun, gate.is_on_its_way_back)
        finally:
            gate.give_up(begun)
            self._leave(key)

    async def call(self, account: str, make: Callable[[], Awaitable[T]], about: About = None) -> T:
        """Make one call through the account's gate. Raises GateShut instead of calling.

        `about`: the subject of the call, or the subjects of one call for many; None for a call about nothing in
        particular. Wrong credentials in a call about nothing pause the account; the error then names it, so that the
        work rests behind it. In a call about one subject they accuse the account: it is paused once several subjects
        have accused it without a success between. Answers about one subject that cannot be read open the breaker by
        the same rule.
        """
        gate = self._gates[account]
        if self._pauses.is_stale:
            await asyncio.to_thread(self._pauses.refresh)
        is_paused = await self._check_pause(account)
        call = await asyncio.to_thread(gate.begin) if gate.needs_asking else gate.begin()
        try:
            with repeating(_never if is_paused else gate.take_another):
                answer = await make()
        except BaseException as error:
            await self._failed(account, call, error, about, is_paused=is_paused)
            raise
        await _end(call, None)
        await self._succeeded(account, is_paused=is_paused)
        return answer

    async def _succeeded(self, account: str, *, is_paused: bool) -> None:
        if is_paused:
            await asyncio.to_thread(self._pauses.reopen, account)
        elif self._pauses.is_accused(account):
            await asyncio.to_thread(self._pauses.acquit, account)

    async def _failed(self, account: str, call: Call, error: BaseException, about: About, *, is_paused: bool) -> None:
        charge = charge_of(error, about)
        if charge is not None and isinstance(error, FulfilmentError) and isinstance(about, str):
            is_proven = await asyncio.to_thread(self._accuse, account, error, about)
        else:
            is_proven = is_account_fault(error, about)
        # Content that only one subject cannot have read proves that the server answers.
        is_excused = charge is Charge.CONTENT and not is_proven
        await _end(call, None if is_excused else error, is_proven=is_proven)
        if is_success(error):
            await self._succeeded(account, is_paused=is_paused)
        elif isinstance(error, FulfilmentError) and is_account_fault(error, None) and (is_proven or is_paused):
            await asyncio.to_thread(self._pause, account, error)

    def _accuse(self, account: str, error: FulfilmentError, about: str) -> bool:
        """Record what a subject's error accuses the account of; whether that is proven now."""
        charge = charge_of(error, about)
        assert charge is not None
        try:
            accusation = self._pauses.accuse(account, charge, about, error.code)
        except psycopg.Error as unavailable:
            # The subject's own error says more than this one, and another subject will accuse again.
            log.warning("accusation_unrecorded", account=account, error=type(unavailable).__name__)
            return False
        mark(error, account, charge, about, accusation)
        return accusation.is_proven

    async def _check_pause(self, account: str) -> bool:
        """Whether the account is paused and this call is the one that tries it. Raises GateShut for any other."""
        pause = self._pauses.of(account)
        if pause is None:
            return False
        with self._lock:
            has_pass = self._clock.monotonic() < self._passes.pop(account, 0.0)
        if not has_pass and not (pause.is_probe_due and await asyncio.to_thread(self._pauses.win_probe, pause)):
            raise GateShut(account, "paused", after_s=0.0)
        return True

    def _win_probe(self, pause: Pause) -> bool:
        if not self._pauses.win_probe(pause):
            return False
        with self._lock:
            self._passes[pause.name] = self._clock.monotonic() + PROBE_PASS_S
        return True

    def _return_probe(self, account: str) -> None:
        """A pass that nobody has used."""
        with self._lock:
            is_unused = self._passes.pop(account, None) is not None
        if is_unused:
            self._pauses.return_probe(account)

    def _pause(self, account: str, error: FulfilmentError) -> None:
        error.facts[PAUSED] = account
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


async def _end(call: Call, error: BaseException | None, *, is_proven: bool = False) -> None:
    if call.tells_at_once(error):
        await asyncio.to_thread(call.end, error, is_proven=is_proven)
    else:
        call.end(error, is_proven=is_proven)


def _never() -> bool:
    return False
