"""Gates in Postgres: pauses with their authors, and the work that waits behind accounts."""

from datetime import datetime
from typing import NamedTuple

from domain.gates import PROOF_WITHIN_S, SUBJECTS_MIN, FaultKind, FaultRecord, GateKind, Pause
from infra.tables.pool import Connection
from infra.tables.sql import load

GATES = load("gates")

# Our own subjects are shorter; an order id of a platform may have any length.
_SUBJECT_MAX = 128


def load_pauses(tx: Connection) -> tuple[Pause, ...]:
    """Every pause in force."""
    return tuple(Pause(GateKind(kind), *rest) for kind, *rest in tx.execute(GATES["load_pauses"]))


def lock_gate(tx: Connection, kind: str, name: str) -> dict[str, str | None] | None:
    """Who has shut a gate and until when, as an audit row says it, with the gate locked; None: it is not shut."""
    row = tx.execute(GATES["lock_gate"], {"kind": kind, "name": name}).fetchone()
    return None if row is None else {"shut_by": row[0], "until": row[1].isoformat() if row[1] else None}


def load_shut_and_faulty(tx: Connection) -> tuple[tuple[Pause, ...], frozenset[str]]:
    """Every pause in force, and the accounts that have faults, in one statement."""
    rows = tx.execute(GATES["load_shut_and_faulty"]).fetchall()
    pauses = tuple(Pause(GateKind(kind), *rest) for kind, *rest in rows if kind != "accused")
    return pauses, frozenset(name for kind, name, *_ in rows if kind == "accused")


def record_fault(tx: Connection, account: str, charge: FaultKind, subject: str, code: str) -> FaultRecord:
    """Record that a call about `subject` blames its account, and forget what was recorded more than a day ago."""
    named = {
        "account": account,
        "charge": charge,
        "subject": _storable(subject),
        "code": code,
        "within_s": PROOF_WITHIN_S,
    }
    tx.execute(GATES["forget_faults"])
    row = tx.execute(GATES["record_fault"], named).fetchone()
    assert row is not None
    is_alone, others = row
    return FaultRecord(is_alone, others + 1)


def _storable(subject: str) -> str:
    """A platform's order id, as far as Postgres can store it."""
    return subject[:_SUBJECT_MAX].encode(errors="replace").decode().replace("\0", "?")


def clear_faults(tx: Connection, account: str) -> None:
    """A call of the account succeeded, so open accusations are their subjects' own faults."""
    tx.execute(GATES["clear_faults"], {"account": account})


def is_proven(tx: Connection, account: str, charge: str) -> bool:
    """Whether several subjects have proven by now that the account is the cause."""
    named = {"account": account, "charge": charge, "within_s": PROOF_WITHIN_S, "subjects_min": SUBJECTS_MIN}
    row = tx.execute(GATES["is_proven"], named).fetchone()
    return row is not None and bool(row[0])


def note_spent(tx: Connection, account: str, charge: str, step: str, subject_id: int) -> None:
    """Remember that a subject spent an attempt on its accusation."""
    tx.execute(GATES["note_spent"], {"account": account, "charge": charge, "step": step, "subject_id": subject_id})


def give_back(tx: Connection, account: str, charge: FaultKind) -> None:
    """The account is the cause: return the attempts that were spent on it."""
    named = {"account": account, "charge": charge}
    tx.execute(GATES["lock_spenders"], named)
    tx.execute(GATES["give_back"], named)


def shut_account(tx: Connection, account: str, reason: str, probe_s: float) -> bool:
    """Shut an account that does not accept us. False when it is shut already."""
    named = {"account": account, "reason": reason, "probe_s": probe_s}
    return tx.execute(GATES["shut_by_engine"], named).fetchone() is not None


def win_probe(tx: Connection, account: str, probe_s: float) -> bool:
    """Whether the caller is the one that may try an account which the engine has shut."""
    return tx.execute(GATES["win_probe"], {"account": account, "probe_s": probe_s}).fetchone() is not None


def return_probe(tx: Connection, account: str) -> None:
    """Return a probe without a call: another caller may try at once."""
    tx.execute(GATES["return_probe"], {"account": account})


def reopen_account(tx: Connection, account: str) -> bool:
    """Open what the engine has shut. False when somebody else was faster, or a person has shut it."""
    return tx.execute(GATES["reopen"], {"account": account}).fetchone() is not None


class FaultySubject(NamedTuple):
    """A subject that ended for a fault that turned out to be its account's."""

    account: str
    step: str
    subject_id: int


def take_ended_subjects(tx: Connection, limit: int) -> list[FaultySubject]:
    """Take some of those subjects off the list, the earliest proven first; what another has locked is left out."""
    return [FaultySubject(*row) for row in tx.execute(GATES["take_ended_subjects"], {"limit": limit}).fetchall()]


def shut_by_person(tx: Connection, kind: str, name: str, *, reason: str, by: str, until: datetime | None) -> None:
    """Pause something as a person; replaces the engine's pause, and an older one of a person."""
    named = {"kind": kind, "name": name, "reason": reason, "by": by, "until": until}
    tx.execute(GATES["shut_by_person"], named)


class Shut(NamedTuple):
    """Who had shut a gate, and why."""

    by: str
    reason: str


def open_gate(tx: Connection, kind: str, name: str) -> Shut | None:
    """Open a gate, regardless of who has shut it; None if it was not shut."""
    row = tx.execute(GATES["resume"], {"kind": kind, "name": name}).fetchone()
    return None if row is None else Shut(*row)
