"""Due work taken by a worker: read and locked, never changed."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from infra.tables.pool import Connection
from infra.tables.sql import load

CLAIMS = load("claims")


class Key(NamedTuple):
    """What a worker claims by: due work of one step, lane and account."""

    step: str
    lane: str
    account: str


class Turns(NamedTuple):
    """Claimed subjects. `had_many`: of shops with many due rows. `are_others_due`: other shops have due rows too."""

    subject_ids: list[int]
    had_many: bool
    are_others_due: bool


class WorkRow(NamedTuple):
    """The work of a subject that failed. `causes`: one entry for each failure that is kept."""

    subject_id: int
    lane: str
    account: str
    attempts: int
    crashes: int
    causes: list[dict[str, Any]]


def claim_due(tx: Connection, key: Key, limit: int, taken: Sequence[int]) -> list[int]:
    """Lock due rows of a key, the oldest first, in addition to the rows `taken`; rows that others have locked are
    skipped.
    """
    return _ids(tx, "claim_due", {**key._asdict(), "limit": limit, "taken": list(taken)})


def claim_turns(tx: Connection, key: Key, limit: int, *, many: bool) -> Turns:
    """Lock due rows of a crowded key, either of the shops with `many` due rows or of the others.

    If the requested kind of shop has no due rows, the other kind is served.
    """
    rows = tx.execute(CLAIMS["claim_turns"], {**key._asdict(), "limit": limit, "many": many}).fetchall()
    had_many, are_others_due = rows[0][1:] if rows else (many, False)
    return Turns([row[0] for row in rows], had_many, are_others_due)


def claim_suspect(tx: Connection, key: Key) -> list[int]:
    """Lock one member of a batch whose process died, exclusive members first; none or one."""
    return _ids(tx, "claim_suspect", key._asdict())


def claim_probe(tx: Connection, key: Key, limit: int) -> list[int]:
    """Lock due rows of a step and account, of any lane, to try the account with."""
    return _ids(tx, "claim_probe", {**key._asdict(), "limit": limit})


def claim_one(tx: Connection, step: str, subject_id: int) -> bool:
    """Lock the row of one named subject. False: it is not due, or another transaction has it."""
    return tx.execute(CLAIMS["claim_one"], {"step": step, "subject_id": subject_id}).fetchone() is not None


def is_exclusive_due(connection: Connection, key: Key) -> bool:
    """Whether a suspect that must run exclusively is due. Takes no lock."""
    return connection.execute(CLAIMS["exclusive_due"], key._asdict()).fetchone() is not None


def lock_leased(tx: Connection, step: str, subject_ids: Sequence[int], token: UUID) -> list[int]:
    """Lock the rows that still carry our lease's token; returns their subjects, by id."""
    return _ids(tx, "still_ours", {"step": step, "subject_ids": list(subject_ids), "token": token})


def lock_failed(tx: Connection, step: str, subject_id: int) -> WorkRow | None:
    """Lock the work of a subject that failed; None: it is no work any more."""
    row = tx.execute(CLAIMS["load_for_letter"], {"step": step, "subject_ids": [subject_id]}).fetchone()
    return None if row is None else WorkRow(*row)


def due_keys(connection: Connection) -> list[Key]:
    """Every key with something due, without suspects."""
    return [Key(*row) for row in connection.execute(CLAIMS["due_keys"]).fetchall()]


def suspect_keys(connection: Connection) -> list[Key]:
    """Every key with a suspect that is due."""
    return [Key(*row) for row in connection.execute(CLAIMS["suspect_keys"]).fetchall()]


def _ids(tx: Connection, query: str, named: dict[str, Any]) -> list[int]:
    return [row[0] for row in tx.execute(CLAIMS[query], named).fetchall()]
