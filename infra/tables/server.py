"""Version, settings and sessions of the Postgres server."""

from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection as Session

from infra.tables.pool import Connection
from infra.tables.sql import load

SERVER = load("server")


class Durability(NamedTuple):
    """Version, the settings that promises rest on, and the server's time."""

    version: str
    version_number: int
    fsync: str
    synchronous_commit: str
    now: datetime


def read_one_snapshot(tx: Connection) -> None:
    """Let every statement of this transaction, which has run none yet, see the same moment; it cannot write."""
    tx.execute(SERVER["read_one_snapshot"])


def durability(session: Connection) -> Durability:
    """Version and settings of the server."""
    row = session.execute(SERVER["durability"]).fetchone()
    assert row is not None
    return Durability(*row)


def lock_session(session: Session[Any], lock_class: int) -> int:
    """Take a session lock of that class under the number of the server process; the number."""
    row = session.execute(SERVER["lock_session"], {"class": lock_class}).fetchone()
    assert row is not None
    return int(row[0])


def session_holds_lock(session: Session[Any], lock_class: int, number: int) -> bool:
    """Whether the session is still in that server process, and has the lock."""
    row = session.execute(SERVER["session_holds_lock"], {"class": lock_class, "pid": number}).fetchone()
    return row is not None and bool(row[0])
