"""Gates in Postgres: who has paused what, and the work that rests behind accounts."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from domain.gates import GateKind, Pause
from infra.db.pool import Connection
from infra.db.sql import load

GATES = load("gates")


class Act(NamedTuple):
    """What a person did, for the audit."""

    who: str
    verb: str
    object: str
    reason: str
    facts: Mapping[str, Any]


def load_pauses(tx: Connection) -> tuple[Pause, ...]:
    """Every pause in force."""
    return tuple(Pause(GateKind(kind), *rest) for kind, *rest in tx.execute(GATES["load_pauses"]))


def pause(tx: Connection, kind: GateKind, name: str, *, by: str, reason: str, until: datetime | None) -> None:
    """Shut a gate for a person, and write it down."""
    tx.execute(GATES["shut_by_person"], {"kind": kind, "name": name, "reason": reason, "by": by, "until": until})
    facts = {"until": until.isoformat()} if until else {}
    _audit(tx, Act(by, "pause", f"{kind} {name}", reason, facts))


def resume(tx: Connection, kind: GateKind, name: str, *, by: str, reason: str) -> bool:
    """Open a gate for a person, and write it down. False when it was not shut."""
    row = tx.execute(GATES["resume"], {"kind": kind, "name": name}).fetchone()
    if row is None:
        return False
    _audit(tx, Act(by, "resume", f"{kind} {name}", reason, {"shut_by": row[0], "shut_for": row[1]}))
    return True


def shut_account(tx: Connection, account: str, reason: str, probe_s: float) -> bool:
    """Shut an account that does not accept us. False when it is shut already."""
    named = {"account": account, "reason": reason, "probe_s": probe_s}
    return tx.execute(GATES["shut_by_engine"], named).fetchone() is not None


def win_probe(tx: Connection, account: str, probe_s: float) -> bool:
    """Whether the caller is the one that may try an account which the engine has shut."""
    return tx.execute(GATES["win_probe"], {"account": account, "probe_s": probe_s}).fetchone() is not None


def reopen_account(tx: Connection, account: str) -> bool:
    """Open what the engine has shut. False when somebody else was faster, or a person has shut it."""
    return tx.execute(GATES["reopen"], {"account": account}).fetchone() is not None


def resting(tx: Connection, accounts: Sequence[str]) -> dict[str, int]:
    """Pieces of work that wait behind accounts, the given ones and all that work has met shut."""
    return dict(tx.execute(GATES["resting"], {"accounts": list(accounts)}).fetchall())


def _audit(tx: Connection, act: Act) -> None:
    tx.execute(GATES["audit"], {**act._asdict(), "facts": msgspec.json.encode(act.facts).decode()})
