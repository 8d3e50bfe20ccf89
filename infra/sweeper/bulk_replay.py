"""The sweeper's duties about dead letters: bulk replays, letters that are over, and the tally of causes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg

from domain.dead_letters import ENDS_SEEN, NoReplay, why_stop
from domain.order import Lane
from domain.reasons import Reason
from infra.engine.author import ActSource, Author, Role, machine
from infra.engine.replay import ReplayAnswer, close_superseded, replay
from infra.queue.keys import BellKey, Bells
from infra.tables.audit import Act, Verb, record_acts
from infra.tables.bulk import (
    Mark,
    count_members,
    latest_ends,
    lock_bulk,
    mark_members,
    note_ended_members,
    open_bulks,
    pick_members,
    set_state,
    spend,
    take_bulk,
)
from infra.tables.letters import fold_tally, open_after
from infra.tables.pool import Connection, Database
from infra.telemetry.log import get_logger

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
        """Continue each open bulk, and record the results of members of the others.

        A round of a bulk is one transaction, which holds both its acts and their record.
        """
        with self.db.connection() as connection:
            found = open_bulks(connection)
        for bulk_id in found:
            try:
                with self.db.transaction() as tx:
                    rung = _go_on(tx, bulk_id)
            except psycopg.OperationalError:
                raise
            except Exception as error:
                # A defect stops its bulk, not the sweeper; what the round did is rolled back.
                log.exception("bulk_failed", bulk_id=bulk_id)
                with self.db.transaction() as tx:
                    _pause(tx, bulk_id, Reason(NoReplay.DEFECT, {"type": type(error).__name__}))
                continue
            self.bells.ring(rung)

    def close_superseded(self) -> None:
        """Check a section of the open letters for orders that moved on; the next round checks the next section."""
        with self.db.connection() as connection:
            ids = open_after(connection, self._looked_at, _LETTERS_A_ROUND)
        self._looked_at = ids[-1] if len(ids) == _LETTERS_A_ROUND else 0
        if not ids:
            return
        with self.db.transaction() as tx:
            closed, rung = close_superseded(tx, ids)
        self.bells.ring(rung)
        if closed:
            log.info("letters_superseded", letters=closed)

    def fold_tally(self) -> None:
        with self.db.connection() as connection:
            fold_tally(connection, _TALLY_ROWS_MAX)


def _go_on(tx: Connection, bulk_id: int) -> set[BellKey]:
    row = take_bulk(tx, bulk_id)
    if row is None:
        return set()
    _, who, role, source, request_id, reason, per_second, again, state, elapsed_s = row
    over = note_ended_members(tx, bulk_id)
    if state not in _MOVING:
        return set()
    waiting, out = count_members(tx, bulk_id)
    if over and waiting and (stop := _why_stop(tx, bulk_id, state, over)):
        _pause(tx, bulk_id, stop)
        return set()
    if state == "canary" and over:
        state = "running"
        _set_state(tx, bulk_id, state, "")
    if not waiting and not out:
        _set_state(tx, bulk_id, "done", "")
        return set()
    picked = pick_members(tx, bulk_id, _allowance(state, out, per_second, elapsed_s))
    if not picked:
        return set()
    # A bulk of an earlier version does not say in which role and by which way it was started.
    author = Author(who, f"bulk {bulk_id}: {reason}")
    if role and source and request_id:
        author = Author(author.who, author.reason, Role(role), ActSource(source), request_id)
    answers, rung = replay(tx, picked, author, lane=Lane.BULK, again=again)
    mark_members(tx, bulk_id, [Mark(one.letter_id, one.answer, one.why.stored() if one.why else "") for one in answers])
    # Only members whose step calls the outside count against the rate.
    taken = sum(one.answer is ReplayAnswer.REPLAYED for one in answers)
    spend(tx, bulk_id, taken)
    return rung


def _why_stop(tx: Connection, bulk_id: int, state: str, over: Sequence[tuple[str, str]]) -> Reason | None:
    """Why no further member may go; `over`: those whose end was just seen, each with what it died of."""
    died = [why for end, why in over if end == "died"]
    if not died:
        return None
    if state == "canary":
        return Reason(NoReplay.CANARY_DIED, {"of": died[0]})
    stop = why_stop(latest_ends(tx, bulk_id, ENDS_SEEN))
    return Reason(stop.code, {**stop.facts, "of": died[-1]}) if stop else None


def _allowance(state: str, out: int, per_second: float, elapsed_s: float) -> int:
    """How many members may be replayed now: the canary alone, then the number that the rate allows, at most for one
    second.
    """
    if state == "canary":
        return 0 if out else 1
    if elapsed_s < 0:
        return 0
    return min(MEMBERS_MAX, 1 + int(per_second * min(elapsed_s, 1.0)))


def _pause(tx: Connection, bulk_id: int, why: Reason) -> None:
    """Pause a bulk that moves, with an audit row; the alarm follows from its state."""
    was = lock_bulk(tx, bulk_id)
    if was not in _MOVING:
        return
    _set_state(tx, bulk_id, "paused", why.stored())
    act = Act(f"bulk/{bulk_id}", {"state": was}, {"state": "paused"}, dict(why.facts))
    record_acts(tx, machine(why.code, ActSource.SWEEPER), Verb.BULK_PAUSED, [act])


def _set_state(tx: Connection, bulk_id: int, state: str, note: str) -> None:
    if set_state(tx, bulk_id, state, note):
        log.info("bulk_turned", bulk_id=bulk_id, state=state, note=note)
