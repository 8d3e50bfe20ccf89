"""Outer steps: lease and intent in one transaction, the call with none open, the record in another."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from domain.outcomes import Later
from domain.states import Step
from infra.clock import Clock
from infra.db.pool import Connection, Database
from infra.engine.failures import Failures
from infra.engine.results import Failed, HasPlace, Result, Settled
from infra.engine.settle import WORK, places, settle
from infra.failpoints import failpoint
from infra.ids import Dice
from infra.log import get_logger
from infra.outside import Outside
from infra.queue.bells import BellKey, Bells

log = get_logger(__name__)

I = TypeVar("I", bound=HasPlace)  # noqa: E741 - intent
A = TypeVar("A")


class NotCalledError(Exception):
    """The lease had too little time left for the call's own limit: it goes back untouched."""


@dataclass(frozen=True, slots=True)
class Lease:
    """What a batch holds while it calls out: its token, and the moment (monotonic) its calls must end."""

    key: BellKey
    token: UUID
    ends_at: float


@dataclass(frozen=True, slots=True)
class Intended(Generic[I]):
    """What the first transaction leaves: intents that will be called, and subjects settled without a call."""

    intents: Sequence[I]
    settled: Sequence[Result] = ()


class OuterStep(Protocol):
    """A step that calls out. `call_s` is the total time limit of one subject's call."""

    @property
    def step(self) -> Step: ...

    @property
    def call_s(self) -> float: ...

    def intend(self, tx: Connection, subject_ids: Sequence[int]) -> Intended[Any]:
        """Read the subjects and make the intents durable; nothing is called yet."""
        ...

    async def call(self, intents: Sequence[Any], lease: Lease) -> Mapping[int, Any]:
        """Call out for each intent; the answer, or the exception, by subject id."""
        ...

    def record(self, tx: Connection, answered: Sequence[tuple[Any, Any]]) -> Sequence[Result]:
        """Write (intent, answer) pairs, set-based, and return one result for each."""
        ...


@dataclass(frozen=True, slots=True)
class OuterRunner:
    """Runs one outer step for one bell at a time."""

    step: OuterStep
    db: Database
    bells: Bells
    outside: Outside
    failures: Failures
    dice: Dice
    clock: Clock
    worker: int
    batch_max: int
    lease_s: float

    def run(self, key: BellKey) -> int:
        """Lease, call and record one batch; return how many subjects it had."""
        self.bells.hush(key)
        token = self.dice.token()
        ends_at = self.clock.monotonic() + self.lease_s
        claimed, intended, rung = self._intend(key, token)
        if len(claimed) == self.batch_max or (key.alone and claimed):
            rung.add(key)
        self.bells.ring(rung)
        if not intended.intents:
            return len(claimed)
        answers = self._call(intended.intents, Lease(key, token, ends_at))
        pairs = [(intent, answers.get(intent.place.subject_id, NotCalledError())) for intent in intended.intents]
        self.bells.ring(self._record(key, token, pairs))
        return len(claimed)

    def _call(self, intents: Sequence[Any], lease: Lease) -> Mapping[int, Any]:
        try:
            return self.outside.run(self.step.call(intents, lease))
        except Exception as error:  # noqa: BLE001 - a defect of the step itself: every member's attempt failed
            return {intent.place.subject_id: error for intent in intents}

    def _intend(self, key: BellKey, token: UUID) -> tuple[list[int], Intended[Any], set[BellKey]]:
        try:
            return self._intend_batch(key, token)
        except Exception as error:
            if not self.db.is_reachable():
                raise
            log.warning("intents_failed", step=self.step.step, error=type(error).__name__)
            return self._intend_alone(key, token)

    def _intend_batch(self, key: BellKey, token: UUID) -> tuple[list[int], Intended[Any], set[BellKey]]:
        with self.db.transaction() as tx:
            query = WORK["claim_suspect" if key.alone else "claim_due"]
            claimed = [
                row[0]
                for row in tx.execute(
                    query, {"step": key.step, "lane": key.lane, "account": key.account, "limit": self.batch_max}
                ).fetchall()
            ]
            if not claimed:
                return [], Intended(()), set()
            intended, rung = self._intend_in(tx, token, claimed, is_alone=key.alone)
        return claimed, intended, rung

    def _intend_alone(self, key: BellKey, token: UUID) -> tuple[list[int], Intended[Any], set[BellKey]]:
        """One member after the other, each in its own transaction; the first that can be intended is called."""
        with self.db.transaction() as tx:
            due = tx.execute(
                WORK["claim_due"],
                {"step": key.step, "lane": key.lane, "account": key.account, "limit": self.batch_max},
            ).fetchall()
        rung: set[BellKey] = set()
        intents: list[Any] = []
        for subject_id, _ in due:
            try:
                with self.db.transaction() as tx:
                    if tx.execute(WORK["claim_one"], {"step": key.step, "subject_id": subject_id}).fetchone():
                        intended, more = self._intend_in(tx, token, [subject_id], is_alone=False)
                        rung |= more
                        intents.extend(intended.intents)
            except Exception as error:  # noqa: BLE001 - alone now, so the error is this member's
                rung |= self._fail(key, subject_id, error)
        return [row[0] for row in due], Intended(intents), rung

    def _intend_in(
        self, tx: Connection, token: UUID, subject_ids: list[int], *, is_alone: bool
    ) -> tuple[Intended[Any], set[BellKey]]:
        for subject_id in subject_ids:
            failpoint(f"{self.step.step}.intend", subject_id, tx)
        intended = self.step.intend(tx, subject_ids)
        called = [intent.place.subject_id for intent in intended.intents]
        known = {*called, *(result.place.subject_id for result in intended.settled)}
        vanished = sorted(set(subject_ids) - known)
        if vanished:
            tx.execute(WORK["finish"], {"step": self.step.step, "subject_ids": vanished})
        if called:
            tx.execute(
                WORK["lease"],
                {"step": self.step.step, "subject_ids": called, "token": token, "lease_s": self.lease_s},
            )
            tx.execute(
                WORK["open_flight"],
                {
                    "token": token,
                    "worker": self.worker,
                    "step": self.step.step,
                    "subject_ids": called,
                    "is_alone": is_alone,
                },
            )
        return intended, settle(tx, self.step.step, intended.settled, self.failures)

    def _record(self, key: BellKey, token: UUID, pairs: list[tuple[Any, Any]]) -> set[BellKey]:
        for intent, _ in pairs:
            failpoint(f"{self.step.step}.after_call", intent.place.subject_id)
        try:
            return self._record_in_one(token, pairs)
        except Exception as error:
            if not self.db.is_reachable():
                raise
            log.warning("record_failed", step=self.step.step, size=len(pairs), error=type(error).__name__)
        rung: set[BellKey] = set()
        for pair in pairs:
            try:
                rung |= self._record_in_one(token, [pair])
            except Exception as error:  # noqa: BLE001 - alone now, so the error is this member's
                rung |= self._fail(key, pair[0].place.subject_id, error)
        return rung

    def _record_in_one(self, token: UUID, pairs: Sequence[tuple[Any, Any]]) -> set[BellKey]:
        with self.db.transaction() as tx:
            ids = [intent.place.subject_id for intent, _ in pairs]
            ours = {
                row[0]
                for row in tx.execute(
                    WORK["still_ours"], {"step": self.step.step, "subject_ids": ids, "token": token}
                ).fetchall()
            }
            if len(ours) < len(ids):
                log.warning("late_save_refused", step=self.step.step, refused=len(ids) - len(ours))
            kept = [(intent, answer) for intent, answer in pairs if intent.place.subject_id in ours]
            uncalled = [
                Settled(intent.place, Later("lease_too_short"))
                for intent, answer in kept
                if isinstance(answer, NotCalledError)
            ]
            answered = [(intent, answer) for intent, answer in kept if not isinstance(answer, NotCalledError)]
            for intent, _ in answered:
                failpoint(f"{self.step.step}.record", intent.place.subject_id, tx)
            results = self.step.record(tx, answered) if answered else []
            rung = settle(tx, self.step.step, [*results, *uncalled], self.failures)
            tx.execute(WORK["close_flight"], {"token": token})
        return rung

    def _fail(self, key: BellKey, subject_id: int, error: Exception) -> set[BellKey]:
        with self.db.transaction() as tx:
            place = places(tx, self.step.step, key.lane, [subject_id])[subject_id]
            return settle(tx, self.step.step, [Failed(place, error)], self.failures)


async def call_each(
    intents: Sequence[I],
    call: Callable[[I], Awaitable[A]],
    *,
    at_once: int,
    start_before: float,
    now: Callable[[], float],
) -> dict[int, A | Exception]:
    """Call out for all intents, `at_once` at a time; every one ends with its answer or its own exception.

    No call starts after `start_before` (monotonic): what is left then ends with NotCalledError.
    """
    gate = asyncio.Semaphore(at_once)

    async def one(intent: I) -> A | Exception:
        async with gate:
            if now() > start_before:
                return NotCalledError()
            try:
                return await call(intent)
            except Exception as error:  # noqa: BLE001 - one member's failure is its own answer
                return error

    answers = await asyncio.gather(*(one(intent) for intent in intents))
    return {intent.place.subject_id: answer for intent, answer in zip(intents, answers, strict=True)}
