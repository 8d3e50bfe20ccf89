"""Local steps: a batch of due rows, locked and finished in one short transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable
from uuid import UUID

import psycopg

from infra.engine.claims import Crowded, claim, fail
from infra.engine.failures import Failures
from infra.engine.results import Result
from infra.engine.write_outcomes import write_outcomes
from infra.process.failpoints import failpoint, failpoints
from infra.process.randomness import Randomness
from infra.queue.keys import BellKey, Bells
from infra.tables.claims import claim_one
from infra.tables.pool import Connection, Database
from infra.tables.running_batches import RunningBatch, add_running_batch, remove_running_batch
from infra.tables.work import finish
from infra.telemetry.log import get_logger

log = get_logger(__name__)


@runtime_checkable
class LocalStep(Protocol):
    """A step without calls to the outside.

    `work` reads its subjects set-based (locking the fulfillment orders it may move), decides each with
    pure rules, writes its own rows set-based and returns one result a subject. A subject that it does not return is
    gone, or is in a state in which the step does not act: its work ends without a result.
    """

    @property
    def step(self) -> str: ...

    def work(self, tx: Connection, subject_ids: Sequence[int]) -> Sequence[Result]: ...


@dataclass(frozen=True, slots=True)
class LocalRunner:
    """Runs one local step for one bell at a time; any number of them side by side."""

    step: LocalStep
    db: Database
    bells: Bells
    failures: Failures
    randomness: Randomness
    worker: int
    batch_max: int
    crowded: Crowded = field(default_factory=dict)

    def run(self, key: BellKey) -> int:
        """Claim and finish one batch; return how many subjects it had.

        A batch that raises is rolled back and each member runs alone, so that its neighbours commit.
        """
        failpoint(f"{self.step.step}.before_claim")
        claimed: list[int] = []
        try:
            rung = self._run_batch(key, claimed)
        except Exception as error:
            if isinstance(error, psycopg.OperationalError) and not self.db.is_reachable():
                raise
            log.warning("batch_failed", step=self.step.step, size=len(claimed), error=type(error).__name__)
            rung = set()
            for subject_id in claimed:
                rung |= self._run_alone(key, subject_id)
        if claimed and (key.alone or key in self.crowded):
            rung.add(key)
        failpoints(f"{self.step.step}.committed", claimed)
        self.bells.ring(rung)
        return len(claimed)

    def _run_batch(self, key: BellKey, claimed: list[int]) -> set[BellKey]:
        token = self.randomness.token()
        try:
            with self.db.transaction() as tx:
                claimed.extend(claim(tx, key, self.batch_max, self.crowded))
                if not claimed:
                    return set()
                failpoints(f"{self.step.step}.claimed", claimed, tx)
                self._note_start(token, claimed, is_alone=key.alone)
                rung = self._work(tx, claimed, token)
        except Exception:
            self._note_end(token)
            raise
        return rung

    def _run_alone(self, key: BellKey, subject_id: int) -> set[BellKey]:
        token = self.randomness.token()
        try:
            with self.db.transaction() as tx:
                if not claim_one(tx, key.step, subject_id):
                    return set()
                self._note_start(token, [subject_id], is_alone=True)
                rung = self._work(tx, [subject_id], token)
        except Exception as error:  # noqa: BLE001 - alone now, so the error is this member's
            self._note_end(token)
            return fail(self.db, key, subject_id, error, self.failures)
        return rung

    def _work(self, tx: Connection, subject_ids: Sequence[int], token: UUID) -> set[BellKey]:
        failpoints(f"{self.step.step}.work", subject_ids, tx)
        results = self.step.work(tx, subject_ids)
        vanished = sorted(set(subject_ids) - {result.ref.subject_id for result in results})
        with tx.pipeline():
            if vanished:
                finish(tx, self.step.step, vanished)
            rung = write_outcomes(tx, self.step.step, results, self.failures)
            remove_running_batch(tx, token)
        failpoints(f"{self.step.step}.settled", subject_ids, tx)
        return rung

    def _note_start(self, token: UUID, subject_ids: Sequence[int], *, is_alone: bool) -> None:
        # On a connection of its own, because it must survive the roll-back that a crash is. The table
        # is unlogged: this costs a round trip and no flush.
        with self.db.side() as side:
            add_running_batch(side, RunningBatch(token, self.worker, self.step.step, list(subject_ids), is_alone))

    def _note_end(self, token: UUID) -> None:
        if self.db.is_reachable():
            with self.db.side() as side:
                remove_running_batch(side, token)
