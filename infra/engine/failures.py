"""The result for a subject whose step raised an error: a retry, a hold, or a dead letter."""

from dataclasses import dataclass

import psycopg

from domain.dead_letters import KILLED
from domain.errors import EVIDENCE_MAX_BYTES, Facts, FulfilmentError, Poison, Throttled, Transient, evidence_of
from domain.gates import ALONE, FAULT_KIND, FAULTY_ACCOUNT, PAUSED, FaultKind, GateShut
from domain.holds import HOLDS, HoldCode
from domain.outcomes import Hold
from domain.retry import GiveUp, HoldFor, Retry, RetryLimits, backoff_s, cause_of, causes_of, fate, fingerprint
from infra.engine.results import Failed, SubjectRef
from infra.engine.write_outcomes import Writes, gated_row, postponed, stop
from infra.process.clock import Clock
from infra.process.randomness import Randomness
from infra.process.steps import STEPS
from infra.tables.answers import NewAnswer
from infra.tables.claims import WorkRow, lock_failed
from infra.tables.gates import is_proven, note_spent
from infra.tables.pool import Connection
from infra.tables.rows import Row
from infra.telemetry.log import get_logger

# Seconds until a statement that our own database refused is tried again.
_BUSY_S = 2.0
# SQLSTATEs, or their prefixes, for a temporary condition of the server rather than a fault of the statement: connection
# lost, rolled back for another's sake, disk full, out of memory, too many connections, lock not had in time, shutting
# down or starting. A connection that fails on our side has none. (PostgreSQL manual, appendix A.)
_PASSING = ("08", "40", "53100", "53200", "53300", "55P03", "57P")

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Origin:
    """Who gave up: the worker's number (0: none), and the versions of the code and of the rules it ran."""

    worker: int = 0
    code: str = ""
    rules: str = ""


UNKNOWN = Origin()


@dataclass(frozen=True, slots=True)
class Failures:
    """Judges failed subjects by the error tree. `randomness` spreads the retries; `origin` is noted in dead letters."""

    limits: RetryLimits
    clock: Clock
    randomness: Randomness
    origin: Origin = UNKNOWN

    def judge(self, tx: Connection, step: str, failed: Failed, writes: Writes) -> None:
        """Gather the rows of one failure; the work row must be locked by this transaction or leased by us."""
        ref, error = failed.ref, _in_our_words(failed.error)
        shut = next((link for link in (error, error.__cause__) if isinstance(link, GateShut)), None)
        if shut is not None:
            # This is no failure, so the first real cause stays recorded.
            writes.gated.append(gated_row(ref, shut.account))
            return
        row = lock_failed(tx, step, ref.subject_id)
        if row is None:
            return
        attempts, crashes = row.attempts, row.crashes
        verdict = fate(
            error,
            step=STEPS[step],
            attempts=attempts + 1,
            crashes=crashes,
            limits=self.limits,
            jitter=self.randomness.fraction(),
        )
        cause = cause_entry(error, self.clock.utcnow().isoformat(), attempts + 1)
        log.warning(
            "step_failed",
            subject_id=ref.subject_id,
            order_id=ref.order_id,
            attempt=attempts + 1,
            fate=type(verdict).__name__,
            code=cause["code"],
            error=cause["message"],
            place=cause["at"],
        )
        answer = evidence_of(failed.error)
        # A call limit is no fault of the order.
        if answer and ref.order_id is not None and not isinstance(error, Throttled):
            writes.answers.append(
                NewAnswer(ref.order_id, step, ref.subject_id, row[2], cause["code"], answer[:EVIDENCE_MAX_BYTES])
            )
        excuse = _excuse(tx, step, ref, _fault_of(error)) if crashes < self.limits.crashes_max else None
        match verdict:
            case _ if excuse:
                writes.gated.append(gated_row(ref, excuse, cause))
            case _ if excuse is not None:
                after_s = backoff_s(
                    attempts + 1, self.limits.backoff_first_s, self.limits.backoff_max_s, self.randomness.fraction()
                )
                writes.postponed.append(postponed(ref, after_s, cause=cause))
            case Retry(after_s=after_s, spends_attempt=spends):
                writes.postponed.append(postponed(ref, after_s, spent=int(spends), cause=cause))
            case HoldFor(code=code):
                writes.finished.append(ref.subject_id)
                stop(step, ref, Hold(code, {"code": cause["code"], "message": cause["message"]}), writes)
            case GiveUp():
                add_dead_letter(step, ref, row, cause, writes, origin=self.origin)
                log.error("dead_letter", subject_id=ref.subject_id, order_id=ref.order_id, code=cause["code"])


def _fault_of(error: BaseException) -> Facts:
    """The facts of an error, or of its cause, about an account that may be at fault; empty without such facts."""
    for link in (error, error.__cause__):
        if isinstance(link, FulfilmentError) and (PAUSED in link.facts or FAULTY_ACCOUNT in link.facts):
            return link.facts
    return {}


def _excuse(tx: Connection, step: str, ref: SubjectRef, facts: Facts) -> str | None:
    """The account that the subject waits behind, empty to try again without it; None where its attempt is spent.

    The first subjects with a fault are often judged after it is proven to be the cause. An attempt that is
    spent before that is written down, to be given back.
    """
    if PAUSED in facts:
        return str(facts[PAUSED])
    if FAULTY_ACCOUNT not in facts or facts[ALONE]:
        return None
    account, charge = str(facts[FAULTY_ACCOUNT]), str(facts[FAULT_KIND])
    if is_proven(tx, account, charge):
        return account if charge == FaultKind.CREDENTIALS else ""
    note_spent(tx, account, charge, step, ref.subject_id)
    return None


def add_dead_letter(
    step: str, ref: SubjectRef, work: WorkRow, cause: Row, writes: Writes, *, origin: Origin = UNKNOWN
) -> None:
    """Close the work and open a dead letter with the whole cause chain; it blocks the order as a hold does."""
    subject_id, lane, account, attempts, crashes, causes = work
    rule = HOLDS[HoldCode.DEAD_LETTER]
    writes.finished.append(subject_id)
    writes.letters.append(
        {
            "step": step,
            "subject_id": subject_id,
            "lane": lane,
            "account": account,
            "order_id": ref.order_id,
            "fulfillment_order_id": ref.fulfillment_order_id,
            "code": cause["code"],
            "fingerprint": fingerprint(step, account.partition("/")[0], cause["code"], _shape(cause)),
            "causes": [*causes, cause],
            "attempts": attempts + 1,
            "crashes": crashes,
            "owner": rule.owner,
            "due_h": rule.due_h,
            "worker": origin.worker,
            "code_version": origin.code,
            "rules_version": origin.rules,
        }
    )
    if ref.fulfillment_order_id is not None:
        stop(step, ref, Hold(HoldCode.DEAD_LETTER, {"step": step, "code": cause["code"]}), writes)


def crash_cause(when: str, crashes: int) -> Row:
    """The cause of a dead letter whose subject killed its worker."""
    error = Poison(KILLED, f"the worker died {crashes} times with this subject alone")
    return cause_entry(error, when, crashes)


def _in_our_words(error: Exception) -> Exception:
    """A deadlock, a lost connection or a full disk of our own database is temporary: it counts as neither a bug nor an
    attempt.

    Any other refusal, such as a statement that took too long, may be permanent, so it counts as an attempt.
    """
    if not isinstance(error, psycopg.OperationalError):
        return error
    code, name = "database_unavailable", type(error).__name__
    passes = error.sqlstate is None or error.sqlstate.startswith(_PASSING)
    busy = Throttled(code, name, after_s=_BUSY_S) if passes else Transient(code, name)
    busy.__cause__ = error
    return busy


def _shape(cause: Row) -> str:
    """Type and file, without the line: the line number changes with every release and would divide one cause into
    two.
    """
    return f"{cause['type']}@{cause['at'].partition(':')[0]}"


def cause_entry(error: BaseException, when: str, attempt: int) -> Row:
    """One entry of a cause chain. A foreign error's code is the name of its type."""
    chain = causes_of(error)
    first = cause_of(error)
    return {
        **first,
        "code": first["code"] or type(error).__name__,
        "when": when,
        "attempt": attempt,
        "behind": chain[1:],
    }
