"""Late binding, with the engine's own bells and sweeper: a message names a key, the worker claims what is due."""

from dataclasses import dataclass

from benchmarks.binding.bells import MarkedBells
from benchmarks.binding.course import BATCH_MAX, NEXT, Course
from infra.process.clock import SystemClock
from infra.queue.bells import BellKey
from infra.sweeper.stuck_work import Sweeper
from infra.tables.claims import CLAIMS
from infra.tables.pool import Database
from infra.tables.rows import rows_json
from infra.tables.work import WORK


@dataclass(frozen=True, slots=True)
class Late:
    """See `benchmarks.binding.course.Way`."""

    db: Database
    bells: MarkedBells
    course: Course

    def handle(self, step: str, *said: object) -> int:
        lane, account, _ = said
        key = BellKey(step, str(lane), str(account))
        self.bells.hush(key)
        with self.db.transaction() as tx:
            named = {"step": step, "lane": key.lane, "account": key.account, "limit": BATCH_MAX, "taken": []}
            claimed = [row[0] for row in tx.execute(CLAIMS["claim_due"], named)]
            if not claimed:
                return 0
            rung: set[BellKey] = set()
            tx.execute(WORK["finish"], {"step": step, "subject_ids": claimed})
            if following := NEXT[step]:
                rows = [self._row(following, subject_id, key.lane) for subject_id in claimed]
                tx.execute(WORK["add"], {"rows": rows_json(rows)})
                rung = {BellKey(following, key.lane, str(row["account"])) for row in rows}
        if len(claimed) == BATCH_MAX:
            rung.add(key)
        self.bells.ring(rung)
        return len(claimed)

    def sweep(self) -> None:
        Sweeper(self.db, self.bells, SystemClock(), crashes_max=3).ring_due()

    def _row(self, step: str, subject_id: int, lane: str) -> dict[str, object]:
        account = self.course.account(step, subject_id)
        return {"step": step, "subject_id": subject_id, "lane": lane, "account": account, "shop": "", "after_s": 0}
