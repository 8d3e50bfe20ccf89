"""The sweeper's duties. Each is safe to run twice, and safe beside another sweeper."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.alarms import AlarmKind
from infra.engine.failures import Origin, add_dead_letter, crash_cause
from infra.engine.worker_lock import PRESENCE_CLASS
from infra.engine.write_outcomes import Writes, lock_subjects, write
from infra.monitoring.alarm_events import note_event
from infra.process.clock import Clock
from infra.process.failpoints import SWEEP_POINT, failpoints
from infra.queue.keys import BellKey, Bells
from infra.tables.claims import due_keys, lock_failed, suspect_keys
from infra.tables.pool import Database
from infra.tables.running_batches import lock_crashed_batches, remove_running_batch
from infra.tables.work import release_expired, release_leases_without_batch, suspect
from infra.telemetry.log import get_logger

log = get_logger(__name__)


class Gatekeeper(Protocol):
    """Knows which keys have a shut gate."""

    def open_keys(self, keys: Sequence[BellKey]) -> list[BellKey]:
        """The keys to ring for, with those of work that a gate lets through now."""
        ...


@dataclass(frozen=True, slots=True)
class Sweeper:
    """Rings for due work without a bell, and frees work of dead or hanging processes.

    Without `gates` it rings for all due work.
    """

    db: Database
    bells: Bells
    clock: Clock
    crashes_max: int
    gates: Gatekeeper | None = None

    def sweep(self) -> int:
        """One round of all duties; return the number of keys rung for."""
        self.free_crashed()
        self.free_expired()
        return self.ring_due()

    def ring_due(self) -> int:
        """Ring for every key with due rows. This duty, not the queue, guarantees that due work is done."""
        keys = self.due()
        if self.gates is not None:
            keys = self.gates.open_keys(keys)
        self.bells.ring(keys)
        return len(keys)

    def due(self) -> list[BellKey]:
        """Every key with due rows."""
        with self.db.connection() as connection:
            due, suspects = due_keys(connection), suspect_keys(connection)
        return [*(BellKey(*key) for key in due), *(BellKey(*key, alone=True) for key in suspects)]

    def free_expired(self) -> None:
        """Free leases that ran out, whose members run alone from now on, and leases that no running batch holds."""
        with self.db.connection() as connection:
            freed, without_batch = release_expired(connection), release_leases_without_batch(connection)
        if freed or without_batch:
            log.warning("leases_freed", expired=len(freed), unflown=len(without_batch))
            for step, count in Counter([*freed, *without_batch]).items():
                note_event(self.db, AlarmKind.LEASES_FREED, step, count)

    def free_crashed(self) -> None:
        """Free the work of processes that died.

        The crash counts only for a subject that was the only one in its process. Subjects that ran beside others become
        suspects; a suspect whose process dies again runs exclusively from then on (`infra/engine/exclusive.py`).
        """
        with self.db.transaction() as tx:
            for token, step, subject_ids, is_to_blame, worker in lock_crashed_batches(tx, PRESENCE_CLASS):
                freed = suspect(tx, step, subject_ids, token, crashed=is_to_blame)
                remove_running_batch(tx, token)
                log.warning(
                    "worker_died", step=step, subjects=len(subject_ids), freed=len(freed), is_to_blame=is_to_blame
                )
                note_event(self.db, AlarmKind.WORKER_DIED, step)
                writes = Writes()
                for subject_id, crashes, lane in freed:
                    if not is_to_blame or crashes < self.crashes_max:
                        continue
                    row = lock_failed(tx, step, subject_id)
                    assert row is not None
                    ref = lock_subjects(tx, step, lane, [subject_id])[subject_id]
                    cause = crash_cause(self.clock.utcnow().isoformat(), crashes)
                    add_dead_letter(step, ref, row, cause, writes, origin=Origin(worker))
                    log.error("dead_letter", step=step, subject_id=subject_id, code="worker_killed", crashes=crashes)
                write(tx, step, writes)
                failpoints(SWEEP_POINT, subject_ids, tx)
