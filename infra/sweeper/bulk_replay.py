"""The sweeper's duties about dead letters: bulk replays, letters that are over, and the tally of causes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from domain.dead_letters import ENDS_SEEN, Why, why_stop
from domain.order import Lane
from domain.reasons import Reason
from infra.engine.author import Author, Role, Source
from infra.engine.replay import Answer, close_superseded, replay
from infra.process.steps import steps_by_subject
from infra.queue.keys import BellKey, Bells
from infra.tables.letters import LETTERS
from infra.tables.orders import rows_json
from infra.tables.pool import Connection, Database
from infra.tables.sql import load
from infra.telemetry.log import get_logger

BULK = load("bulk")
MEMBERS_MAX = 200
_LETTERS_A_ROUND = 200
_TALLY_ROWS_MAX = 1000
_MOVING = frozenset({"canary", "running"})

log = get_logger(__name__)


@dataclass(slots=True)
class LetterDuties:
    """One round at every sweep. Each is safe to run twice, and safe beside another sweeper."""

    db: Database
    bells: Bells
    _looked_at: int = field(default=0, init=False)

    def run(self) -> None:
        self.replay_bulks()
        self.close_superseded()
        self.fold_tally()

    def replay_bulks(self) -> None:
        """Let each open bulk go on, and see what became of the members of the others.

        A bulk's round is one transaction: what it did and its account of it are one.
        """
        with self.db.connection() as connection:
            open_bulks = [row[0] for row in connection.execute(BULK["open"]).fetchall()]
        for bulk_id in open_bulks:
            try:
                with self.db.transaction() as tx:
                    rung = _go_on(tx, bulk_id)
            except psycopg.OperationalError:
                raise
            except Exception as error:
                # A defect stops its bulk, not the sweeper; what the round did is rolled back.
                log.exception("bulk_failed", bulk_id=bulk_id)
                with self.db.transaction() as tx:
                    _set_state(tx, bulk_id, "paused", Reason(Why.DEFECT, {"type": type(error).__name__}).stored())
                continue
            self.bells.ring(rung)

    def close_superseded(self) -> None:
        """Look through a stretch of the open letters for orders that moved on; the next round takes the next."""
        asked = {"after": self._looked_at, "limit": _LETTERS_A_ROUND}
        with self.db.connection() as connection:
            ids = [row[0] for row in connection.execute(LETTERS["open_after"], asked).fetchall()]
        self._looked_at = ids[-1] if len(ids) == _LETTERS_A_ROUND else 0
        if not ids:
            return
        with self.db.transaction() as tx:
            closed = close_superseded(tx, ids)
        if closed:
            log.info("letters_superseded", letters=closed)

    def fold_tally(self) -> None:
        with self.db.connection() as connection:
            connection.execute(LETTERS["fold_tally"], {"rows_max": _TALLY_ROWS_MAX})


def _go_on(tx: Connection, bulk_id: int) -> set[BellKey]:
    row = tx.execute(BULK["take"], {"id": bulk_id}).fetchone()
    if row is None:
        return set()
    _, who, role, source, request_id, reason, per_second, again, state, elapsed_s = row
    over = tx.execute(BULK["settle_members"], {"id": bulk_id, **steps_by_subject()}).fetchall()
    if state not in _MOVING:
        return set()
    waiting, out = _count(tx, bulk_id)
    if over and waiting and (stop := _why_stop(tx, bulk_id, state, over)):
        _set_state(tx, bulk_id, "paused", stop.stored())
        return set()
    if state == "canary" and over:
        state = "running"
        _set_state(tx, bulk_id, state, "")
    if not waiting and not out:
        _set_state(tx, bulk_id, "done", "")
        return set()
    picked = _pick(tx, bulk_id, _allowance(state, out, per_second, elapsed_s))
    if not picked:
        return set()
    # A bulk of an earlier version does not say in which role and by which way it was started.
    known = {"role": Role(role), "source": Source(source), "request_id": request_id} if role else {}
    author = Author(who, f"bulk {bulk_id}: {reason}", **known)
    answers, rung = replay(tx, picked, author, lane=Lane.BULK, again=again)
    marks = [
        {"letter_id": one.letter_id, "state": one.answer, "why": one.why.stored() if one.why else ""} for one in answers
    ]
    tx.execute(BULK["mark_members"], {"id": bulk_id, "rows": rows_json(marks)})
    # Only what asks the outside again counts against the rate.
    taken = sum(one.answer is Answer.REPLAYED for one in answers)
    tx.execute(BULK["spend"], {"id": bulk_id, "taken": taken})
    return rung


def _why_stop(tx: Connection, bulk_id: int, state: str, over: Sequence[tuple[str, str]]) -> Reason | None:
    """Why no further member may go; `over`: those whose end was just seen, each with what it died of."""
    died = [why for end, why in over if end == "died"]
    if not died:
        return None
    if state == "canary":
        return Reason(Why.CANARY_DIED, {"of": died[0]})
    latest = [row[0] for row in tx.execute(BULK["latest_ends"], {"id": bulk_id, "limit": ENDS_SEEN})]
    stop = why_stop(latest)
    return Reason(stop.code, {**stop.facts, "of": died[-1]}) if stop else None


def _allowance(state: str, out: int, per_second: float, elapsed_s: float) -> int:
    """How many members may go now: the canary alone, then what the rate gave meanwhile, a second's worth at most."""
    if state == "canary":
        return 0 if out else 1
    if elapsed_s < 0:
        return 0
    return min(MEMBERS_MAX, 1 + int(per_second * min(elapsed_s, 1.0)))


def _pick(tx: Connection, bulk_id: int, limit: int) -> list[int]:
    return [row[0] for row in tx.execute(BULK["pick"], {"id": bulk_id, "limit": limit}).fetchall()]


def _count(tx: Connection, bulk_id: int) -> tuple[int, int]:
    row: Any = tx.execute(BULK["count_open"], {"id": bulk_id}).fetchone()
    return row[0], row[1]


def _set_state(tx: Connection, bulk_id: int, state: str, note: str) -> None:
    if tx.execute(BULK["set_state"], {"id": bulk_id, "state": state, "note": note}).rowcount:
        log.info("bulk_turned", bulk_id=bulk_id, state=state, note=note)
