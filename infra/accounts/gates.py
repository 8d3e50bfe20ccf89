"""The gates of a process: before a batch is claimed, and before every call."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import psycopg

from domain.errors import FulfilmentError, Throttled
from domain.gates import (
    PAUSED,
    About,
    FaultKind,
    FaultRecord,
    GateShut,
    Pause,
    fault_kind_of,
    is_account_fault,
    is_success,
    mark,
)
from infra.accounts.account import AccountGate, Call
from infra.accounts.pauses import Pauses
from infra.accounts.repeats import repeating
from infra.accounts.rules import GateRules
from infra.accounts.shared_breaker import SharedGates
from infra.process.clock import Clock
from infra.queue.keys import BellKey, Bells
from infra.telemetry.log import get_logger

# How long the winner of a probe may wait until it makes its one call.
PROBE_PASS_S = 60.0

T = TypeVar("T")

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Room:
    """How many subjects may be claimed now. `is_probe`: they try an account that was sick or paused."""

    subjects: int
    is_probe: bool = False


@dataclass(frozen=True, slots=True)
class _Failed:
    """A call that failed. `successes`: of its account, in this process, when the call began."""

    gate: AccountGate
    call: Call
    about: About
    successes: int
    is_paused: bool = field(kw_only=True)


class Gates:
    """Guards every account by its rules. `batches_max`: batches of one account that this process runs at once.

    This limit keeps threads free for the other accounts when one account answers slowly. Work that finds the limit
    reached gets another bell when a batch ends.
    """

    def __init__(
        self,
        rules: Mapping[str, GateRules],
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
        """How many subjects of a key may be claimed now; none while their gate is shut.

        Reads the pauses at most once a second, and asks Redis once for each grant.
        """
        self._pauses.refresh()
        pause = self._pauses.before(step=key.step, lane=key.lane, account=key.account)
        if pause is not None:
            is_probe = self._win_probe(pause)
            try:
                yield Room(int(is_probe), is_probe)
            finally:
                if is_probe:
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
        particular. Wrong credentials in a call about nothing pause the account; the error then names the account, so
        that the work waits until the account is resumed. In a call about one subject they accuse the account: it is
        paused once several subjects have accused it without a success between. Answers about one subject that cannot be
        read open the breaker by the same rule.
        """
        gate = self._gates[account]
        if self._pauses.is_stale:
            await asyncio.to_thread(self._pauses.refresh)
        pause = self._pauses.of(account)
        is_paused = pause is not None
        if pause is not None:
            await self._use_pass(pause)
        call = await asyncio.to_thread(gate.begin) if gate.needs_asking else gate.begin()
        successes = gate.successes
        try:
            with repeating(_never if is_paused else gate.take_another):
                answer = await make()
        except BaseException as error:
            await self._failed(_Failed(gate, call, about, successes, is_paused=is_paused), error)
            raise
        gate.note_success()
        await _end(call, None)
        if is_paused or self._pauses.has_faults(account):
            await self._clear_faults(account, is_paused=is_paused)
        return answer

    async def _clear_faults(self, account: str, *, is_paused: bool) -> None:
        """A call succeeded: a paused account is reopened, and accusations of the account are removed."""
        await asyncio.to_thread(self._pauses.reopen if is_paused else self._pauses.clear_faults, account)

    async def _failed(self, failed: _Failed, error: BaseException) -> None:
        charge = fault_kind_of(error, failed.about)
        is_proven = is_account_fault(error, failed.about)
        if charge is not None and isinstance(error, FulfilmentError) and isinstance(failed.about, str):
            is_proven = await asyncio.to_thread(self._record_fault, failed, error, charge, failed.about)
        # Content that only one subject cannot have read proves that the server answers.
        is_excused = charge is FaultKind.CONTENT and not is_proven
        await _end(failed.call, None if is_excused else error, is_proven=is_proven)
        if is_success(error):
            failed.gate.note_success()
            if failed.is_paused or self._pauses.has_faults(failed.gate.account):
                await self._clear_faults(failed.gate.account, is_paused=failed.is_paused)
        elif isinstance(error, Throttled):
            # No attempt of the work is spent, so nobody else would ever hear of it.
            if (throttled_s := failed.gate.note_throttled()) is not None:
                await asyncio.to_thread(self._pauses.report_throttled, failed.gate.account, throttled_s)
        elif isinstance(error, FulfilmentError) and is_account_fault(error, None) and (is_proven or failed.is_paused):
            await asyncio.to_thread(self._pause, failed.gate.account, error)

    def _record_fault(self, failed: _Failed, error: FulfilmentError, charge: FaultKind, about: str) -> bool:
        """Record the accusation in a subject's error; returns whether the account is now proven to be the cause."""
        fault = FaultRecord(is_alone=False, subjects=0)
        # If another call succeeded during this call, the account works and nothing is proven.
        if failed.gate.successes == failed.successes:
            try:
                fault = self._pauses.record_fault(failed.gate.account, charge, about, error.code)
            except psycopg.Error as unavailable:
                # The subject's own error is more useful than this one, and another subject will accuse the account
                # again.
                log.warning("accusation_unrecorded", account=failed.gate.account, error=type(unavailable).__name__)
        mark(error, failed.gate.account, charge, about, fault)
        return fault.is_proven

    async def _use_pass(self, pause: Pause) -> None:
        """Let one call begin that tries a paused account. Raises GateShut for any other call."""
        with self._lock:
            has_pass = self._clock.monotonic() < self._passes.pop(pause.name, 0.0)
        if not has_pass and not (pause.is_probe_due and await asyncio.to_thread(self._pauses.win_probe, pause)):
            raise GateShut(pause.name, "paused", after_s=0.0)

    def _win_probe(self, pause: Pause) -> bool:
        if not self._pauses.win_probe(pause):
            return False
        with self._lock:
            self._passes[pause.name] = self._clock.monotonic() + PROBE_PASS_S
        return True

    def _return_probe(self, account: str) -> None:
        """Return a pass that was not used."""
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
    if call.reports_at_once(error):
        await asyncio.to_thread(call.end, error, is_proven=is_proven)
    else:
        call.end(error, is_proven=is_proven)


def _never() -> bool:
    return False
