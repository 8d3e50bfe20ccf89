"""Remote steps: lease and intent in one transaction, the call with none open, the record in another.

A step that reads pages (`pull`, `scan`) stores each page in a transaction of its own between its calls; its record only
says when it is due again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable
from uuid import UUID

from domain.alarms import AlarmKind
from domain.errors import Throttled
from domain.outcomes import Later
from infra.engine.claims import Crowded, claim, fail
from infra.engine.event_loop import EventLoopThread
from infra.engine.failures import Failures
from infra.engine.results import Failed, Finished, HasSubject, Result
from infra.engine.watch import NOBODY, WatchStop
from infra.engine.write_outcomes import lock_subjects, write_outcomes
from infra.monitoring.alarm_events import note_event
from infra.process.clock import Clock
from infra.process.failpoints import failpoint, failpoints
from infra.process.randomness import Randomness
from infra.queue.keys import BellKey, Bells
from infra.tables.claims import claim_one, lock_leased
from infra.tables.pool import Connection, Database
from infra.tables.running_batches import RunningBatch, add_running_batch, remove_running_batch
from infra.tables.work import finish, lease
from infra.telemetry.log import get_logger

log = get_logger(__name__)

I = TypeVar("I", bound=HasSubject)  # noqa: E741 - intent
A = TypeVar("A")


class NotCalledError(Throttled):
    """The lease had too little time left for the call's own limit, or the process drains: certainly no call was
    made.
    """

    def __init__(self) -> None:
        super().__init__("lease_too_short", after_s=0.0)


def never() -> bool:
    """Never true: for a process that does not drain."""
    return False


@dataclass(frozen=True, slots=True)
class Lease:
    """The lease of a batch during its calls: its token, and the time (monotonic, seconds) by which its calls must end.

    `is_draining`: this process was told to stop, and begins no more calls.
    """

    key: BellKey
    token: UUID
    ends_at: float
    is_draining: Callable[[], bool] = never


@dataclass(frozen=True, slots=True)
class Intended(Generic[I]):
    """The result of the first transaction: intents that will be called, and subjects finished without a call."""

    intents: Sequence[I]
    finished: Sequence[Result] = ()


@runtime_checkable
class RemoteStep(Protocol):
    """A step that calls out. `call_s` is the total time limit of one subject's call."""

    @property
    def step(self) -> str: ...

    @property
    def call_s(self) -> float: ...

    def intend(self, tx: Connection, subject_ids: Sequence[int]) -> Intended[Any]:
        """Read the subjects and make the intents durable; nothing is called yet."""
        ...

    async def call(self, intents: Sequence[Any], lease: Lease) -> Mapping[int, Any]:
        """Call out for each intent; the answer, or the exception, by subject id."""
        ...

    def record(self, tx: Connection, answered: Sequence[tuple[Any, Any]]) -> Sequence[Result]:
        """Write (intent, answer) pairs, set-based, and return one result for each.

        `intent.ref` is read again after the call, with its fulfillment order locked. Everything commits with `tx`. An
        answer may be an exception of the error tree, or NotCalledError.
        """
        ...


@dataclass(frozen=True, slots=True)
class RemoteRunner:
    """Runs one remote step for one bell at a time. `is_probe`: what it claims tries whether the account works again.

    `watch`: shops for which nothing but reading is done.
    """

    step: RemoteStep
    db: Database
    bells: Bells
    event_loop: EventLoopThread
    failures: Failures
    randomness: Randomness
    clock: Clock
    worker: int
    batch_max: int
    lease_s: float
    crowded: Crowded = field(default_factory=dict)
    is_draining: Callable[[], bool] = never
    is_probe: bool = False
    watch: WatchStop = NOBODY

    def run(self, key: BellKey) -> int:
        """Lease, call and record one batch; return how many subjects it had. A process that drains leases none."""
        if self.is_draining():
            return 0
        failpoint(f"{self.step.step}.before_claim")
        token = self.randomness.token()
        ends_at = self.clock.monotonic() + self.lease_s
        claimed, intended, rung = self._intend(key, token)
        if claimed and (key.alone or key in self.crowded):
            rung.add(key)
        failpoints(f"{self.step.step}.intended", claimed)
        self.bells.ring(rung)
        self._carry_out(Lease(key, token, ends_at, self.is_draining), intended)
        return len(claimed)

    def run_named(self, key: BellKey, subject_ids: Sequence[int]) -> None:
        """Lease, call and record named subjects of a key, as far as they are due and not leased.

        For a person's command, which must show the result of each subject.
        """
        token = self.randomness.token()
        ends_at = self.clock.monotonic() + self.lease_s
        intended, rung = self._intend_alone(key, token, list(subject_ids))
        self.bells.ring(rung)
        self._carry_out(Lease(key, token, ends_at), intended)

    def _carry_out(self, lease: Lease, intended: Intended[Any]) -> None:
        if not intended.intents:
            return
        called = [intent.ref.subject_id for intent in intended.intents]
        failpoints(f"{self.step.step}.before_call", called)
        answers = self._call(intended.intents, lease)
        pairs = [(intent, answers.get(intent.ref.subject_id, NotCalledError())) for intent in intended.intents]
        failpoints(f"{self.step.step}.after_call", called)
        rung = self._record(lease.key, lease.token, pairs)
        failpoints(f"{self.step.step}.committed", called)
        self.bells.ring(rung)

    def _call(self, intents: Sequence[Any], lease: Lease) -> Mapping[int, Any]:
        try:
            return self.event_loop.run(self.step.call(intents, lease))
        except Exception as error:  # noqa: BLE001 - a defect of the step itself: every member's attempt failed
            log.warning("call_failed", step=self.step.step, size=len(intents), error=type(error).__name__)
            return {intent.ref.subject_id: error for intent in intents}

    def _intend(self, key: BellKey, token: UUID) -> tuple[list[int], Intended[Any], set[BellKey]]:
        claimed: list[int] = []
        try:
            return claimed, *self._intend_batch(key, token, claimed)
        except Exception as error:
            if not self.db.is_reachable():
                raise
            log.warning("intents_failed", step=self.step.step, size=len(claimed), error=type(error).__name__)
            return claimed, *self._intend_alone(key, token, claimed)

    def _intend_batch(self, key: BellKey, token: UUID, claimed: list[int]) -> tuple[Intended[Any], set[BellKey]]:
        with self.db.transaction() as tx:
            claimed.extend(claim(tx, key, self.batch_max, self.crowded, is_probe=self.is_probe))
            if not claimed:
                return Intended(()), set()
            return self._intend_in(tx, token, claimed, is_alone=key.alone)

    def _intend_alone(self, key: BellKey, token: UUID, claimed: list[int]) -> tuple[Intended[Any], set[BellKey]]:
        """One member after the other, each in its own transaction; each member whose intent is written is called."""
        rung: set[BellKey] = set()
        intents: list[Any] = []
        for subject_id in claimed:
            try:
                with self.db.transaction() as tx:
                    if claim_one(tx, key.step, subject_id):
                        intended, more = self._intend_in(tx, token, [subject_id], is_alone=key.alone)
                        rung |= more
                        intents.extend(intended.intents)
            except Exception as error:  # noqa: BLE001 - alone now, so the error is this member's
                rung |= fail(self.db, key, subject_id, error, self.failures)
        return Intended(intents), rung

    def _intend_in(
        self, tx: Connection, token: UUID, subject_ids: list[int], *, is_alone: bool
    ) -> tuple[Intended[Any], set[BellKey]]:
        failpoints(f"{self.step.step}.intend", subject_ids, tx)
        stopped = self.watch.stopped(tx, self.step.step, subject_ids)
        watched = {result.ref.subject_id for result in stopped}
        free = [id_ for id_ in subject_ids if id_ not in watched]
        intended = self.step.intend(tx, free) if free else Intended(())
        called = [intent.ref.subject_id for intent in intended.intents]
        known = {*called, *watched, *(result.ref.subject_id for result in intended.finished)}
        vanished = sorted(set(subject_ids) - known)
        with tx.pipeline():
            if vanished:
                finish(tx, self.step.step, vanished)
            if called:
                lease(tx, self.step.step, called, token, self.lease_s)
                add_running_batch(tx, RunningBatch(token, self.worker, self.step.step, called, is_alone))
            return intended, write_outcomes(tx, self.step.step, [*intended.finished, *stopped], self.failures)

    def _record(self, key: BellKey, token: UUID, pairs: list[tuple[Any, Any]]) -> set[BellKey]:
        try:
            return self._record_batch(key, token, pairs)
        except Exception as error:
            if not self.db.is_reachable():
                raise
            log.warning("record_failed", step=self.step.step, size=len(pairs), error=type(error).__name__)
        rung: set[BellKey] = set()
        for pair in pairs:
            try:
                with self.db.transaction() as tx:
                    rung |= self._record_in(tx, key, token, [pair])
            except Exception as error:  # noqa: BLE001 - alone now, so the error is this member's
                rung |= fail(self.db, key, pair[0].ref.subject_id, error, self.failures, token=token)
        with self.db.connection() as side:
            remove_running_batch(side, token)
        return rung

    def _record_batch(self, key: BellKey, token: UUID, pairs: Sequence[tuple[Any, Any]]) -> set[BellKey]:
        with self.db.transaction() as tx:
            return self._record_in(tx, key, token, pairs, is_last=True)

    def _record_in(
        self, tx: Connection, key: BellKey, token: UUID, pairs: Sequence[tuple[Any, Any]], *, is_last: bool = False
    ) -> set[BellKey]:
        ids = [intent.ref.subject_id for intent, _ in pairs]
        ours = lock_leased(tx, self.step.step, ids, token)
        if len(ours) < len(ids):
            log.warning("late_save_refused", step=self.step.step, refused=len(ids) - len(ours))
            note_event(self.db, AlarmKind.LATE_SAVE_REFUSED, self.step.step)
        # The order may have moved during the call: its subject is read again, and locked.
        now = lock_subjects(tx, self.step.step, key.lane, ours)
        kept = [
            (replace(intent, ref=now[intent.ref.subject_id]), answer)
            for intent, answer in pairs
            if intent.ref.subject_id in now
        ]
        failpoints(f"{self.step.step}.record", ours, tx)
        results = self.step.record(tx, kept) if kept else []
        with tx.pipeline():
            rung = write_outcomes(tx, self.step.step, [_untouched(result) for result in results], self.failures)
            if is_last:
                remove_running_batch(tx, token)
        failpoints(f"{self.step.step}.recorded", ours, tx)
        return rung


def _untouched(result: Result) -> Result:
    """A subject that was not called becomes due again unchanged: no failure, no attempt."""
    if isinstance(result, Failed) and isinstance(result.error, NotCalledError):
        return Finished(result.ref, Later(result.error.code))
    return result


async def call_each(
    intents: Sequence[I],
    call: Callable[[I], Awaitable[A]],
    *,
    at_once: int,
    start_before: float,
    now: Callable[[], float],
    is_draining: Callable[[], bool] = never,
) -> dict[int, A | Exception]:
    """Call out for all intents, `at_once` at a time; every one ends with its answer or its own exception.

    No call starts after `start_before` (monotonic) or in a process that drains: what is left then ends with
    NotCalledError.
    """
    gate = asyncio.Semaphore(at_once)

    async def one(intent: I) -> A | Exception:
        async with gate:
            if now() > start_before or is_draining():
                return NotCalledError()
            try:
                return await call(intent)
            except Exception as error:  # noqa: BLE001 - one member's failure is its own answer
                return error

    answers = await asyncio.gather(*(one(intent) for intent in intents))
    return {intent.ref.subject_id: answer for intent, answer in zip(intents, answers, strict=True)}
