"""Gates in Postgres: who has paused what, and the work that rests behind accounts."""

from collections.abc import Sequence

from domain.gates import GateKind, Pause
from infra.db.pool import Connection
from infra.db.sql import load

GATES = load("gates")


def load_pauses(tx: Connection) -> tuple[Pause, ...]:
    """Every pause in force."""
    return tuple(Pause(GateKind(kind), *rest) for kind, *rest in tx.execute(GATES["load_pauses"]))


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


def resting(tx: Connection, accounts: Sequence[str]) -> dict[tuple[str, str], int]:
    """Pieces of work by the (kind, name) of their gate: of paused lanes and steps, of the given accounts, and of
    every account whose gate work has met shut.
    """
    rows = tx.execute(GATES["resting"], {"accounts": list(accounts)}).fetchall()
    return {(kind, name): count for kind, name, count in rows}
