"""The sweeper's duties. Each is safe to run twice, and safe beside another sweeper."""

from dataclasses import dataclass

from domain.states import Step
from infra.clock import Clock
from infra.db.pool import Database
from infra.engine.failures import bury, crash_cause
from infra.engine.presence import PRESENCE_CLASS
from infra.engine.settle import WORK, Writes, places, write
from infra.log import get_logger
from infra.queue.bells import BellKey, Bells

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sweeper:
    """Rings for due work that nobody has rung for, and picks up what dead or hanging processes left."""

    db: Database
    bells: Bells
    clock: Clock
    crashes_max: int

    def sweep(self) -> int:
        """One round of all duties; return the number of keys rung for."""
        self.free_crashed()
        self.free_expired()
        return self.ring_due()

    def ring_due(self) -> int:
        """Ring for every key with due rows. This, not the queue, is what guarantees that work goes on."""
        with self.db.connection() as connection:
            due = connection.execute(WORK["due_keys"]).fetchall()
            suspects = connection.execute(WORK["suspect_keys"]).fetchall()
        keys = [BellKey(step, lane, account) for step, lane, account in due]
        keys += [BellKey(step, lane, account, alone=True) for step, lane, account in suspects]
        self.bells.ring(keys)
        return len(keys)

    def free_expired(self) -> None:
        """Free leases that ran out, whose members run alone from now on, and leases that no flight holds."""
        with self.db.connection() as connection:
            freed = connection.execute(WORK["release_expired"]).fetchall()
            unflown = connection.execute(WORK["release_unflown"]).fetchall()
        if freed or unflown:
            log.warning("leases_freed", expired=len(freed), unflown=len(unflown))

    def free_crashed(self) -> None:
        """Free what died with its process. Only a subject that ran alone has the crash counted."""
        with self.db.transaction() as tx:
            for token, step, subject_ids, is_alone in tx.execute(
                WORK["crashed_flights"], {"class": PRESENCE_CLASS}
            ).fetchall():
                freed = tx.execute(
                    WORK["suspect"],
                    {"step": step, "subject_ids": subject_ids, "token": token, "crashed": int(is_alone)},
                ).fetchall()
                tx.execute(WORK["close_flight"], {"token": token})
                log.warning("worker_died", step=step, subjects=len(subject_ids), freed=len(freed), alone=is_alone)
                writes = Writes()
                for subject_id, crashes, lane in freed:
                    if crashes < self.crashes_max:
                        continue
                    row = tx.execute(WORK["load_for_letter"], {"step": step, "subject_ids": [subject_id]}).fetchone()
                    assert row is not None
                    place = places(tx, Step(step), lane, [subject_id])[subject_id]
                    bury(Step(step), place, row, crash_cause(self.clock.utcnow().isoformat(), crashes), writes)
                    log.error("dead_letter", step=step, subject_id=subject_id, code="worker_killed", crashes=crashes)
                write(tx, Step(step), writes)
