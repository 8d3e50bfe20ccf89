"""Code that local and remote steps share: claiming due rows, recording the failure of one row, and handing rows back
when a worker stops.
"""

from uuid import UUID

from infra.engine.failures import Failures
from infra.engine.results import Failed
from infra.engine.write_outcomes import lock_subjects, write_outcomes
from infra.queue.keys import BellKey
from infra.tables.claims import Key, claim_due, claim_probe, claim_suspect, claim_turns, lock_failed, lock_leased
from infra.tables.pool import Connection, Database
from infra.tables.running_batches import remove_running_batches
from infra.tables.work import free_batch_members
from infra.telemetry.log import get_logger

log = get_logger(__name__)


# Keys that had more due than a batch holds when this process last claimed, and the credit that shops with few orders
# have there: how many orders they may still take before the shops with many orders are served.
Crowded = dict[BellKey, int]


def claim(tx: Connection, key: BellKey, limit: int, crowded: Crowded, *, is_probe: bool = False) -> list[int]:
    """Lock due rows of a key, skipping rows that others hold; of a key for suspects, one row at a time.

    `is_probe`: the rows try an account that was sick or paused. They are chosen over all lanes of the key's step and
    account: first those that have never failed, so that no subject's own fault keeps the account shut.

    Where one key has more due rows than a batch, shops take turns, or a shop with a thousand orders would keep other
    shops waiting. Shops with few due rows are claimed first, in a batch of their own, which ends sooner than one that
    large shops fill up. While both kinds of shops have due rows, small shops take no more orders than large shops, and
    at most two batches for each batch of the large shops. Otherwise a batch takes the oldest rows of all shops. The key
    is left in `crowded` while more rows may be due.
    """
    due = Key(key.step, key.lane, key.account)
    if key.alone:
        return claim_suspect(tx, due)
    claimed: list[int] = []
    if is_probe:
        claimed = claim_probe(tx, due, limit)
    elif (credit := crowded.get(key)) is not None:
        turns = claim_turns(tx, due, limit, many=credit < 0)
        claimed = turns.subject_ids
        if turns.are_others_due:
            # A batch of few orders costs nearly as much as a full batch, so it counts for at least half a batch.
            crowded[key] = credit + len(claimed) if turns.had_many else credit - max(len(claimed), limit // 2)
            if not turns.had_many:
                return claimed
    if len(claimed) < limit and not is_probe:
        claimed += claim_due(tx, due, limit - len(claimed), claimed)
    if len(claimed) < limit:
        crowded.pop(key, None)
    else:
        crowded.setdefault(key, 0)
    return claimed


def fail(
    db: Database, key: BellKey, subject_id: int, error: Exception, failures: Failures, *, token: UUID | None = None
) -> set[BellKey]:
    """Settle the failure of one subject whose own transaction was rolled back.

    With a lease's `token` nothing happens once the lease is lost: another worker has the subject then.
    """
    with db.transaction() as tx:
        # The work row first, as everywhere, then the fulfillment order.
        if token is None:
            is_ours = lock_failed(tx, key.step, subject_id) is not None
        else:
            is_ours = bool(lock_leased(tx, key.step, [subject_id], token))
        if not is_ours:
            return set()
        ref = lock_subjects(tx, key.step, key.lane, [subject_id])[subject_id]
        return write_outcomes(tx, key.step, [Failed(ref, error)], failures)


def hand_back(db: Database, worker: int) -> None:
    """Free the work that a stopping worker still holds.

    The worker was told to stop, so this counts as neither a crash nor a failed attempt. Later answers are refused by
    their lease's token, and the next worker asks the other side before it calls.
    """
    with db.connection() as connection:
        # Locks work before flights, as all code does; waits for work that is being recorded right now.
        free_batch_members(connection, worker)
        for step, subject_ids in remove_running_batches(connection, worker):
            log.warning("handed_back", step=step, subjects=len(subject_ids))
