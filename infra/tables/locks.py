"""Session locks: which workers run, which sweeper leads. Postgres releases them when the session ends."""

from infra.tables.pool import Connection
from infra.tables.sql import load

LOCKS = load("locks")


def next_worker(connection: Connection) -> int:
    """A number that no worker process had before."""
    row = connection.execute(LOCKS["next_worker"]).fetchone()
    assert row is not None
    return int(row[0])


def ask_session(session: Connection) -> None:
    """Raises psycopg.OperationalError where the session, and with it its locks, is lost."""
    session.execute(LOCKS["is_alive"])


def lock_session(session: Connection, lock_class: int, number: int, name: str) -> None:
    """Name a session and take a lock until it ends; waits while another session has the lock."""
    session.execute(LOCKS["name_session"], {"name": name})
    session.execute(LOCKS["lock"], {"class": lock_class, "number": number})


def try_lock_session(session: Connection, lock_class: int) -> bool:
    """Take the one lock of a class for a session's life; False where another session has it."""
    row = session.execute(LOCKS["try_lock"], {"class": lock_class}).fetchone()
    return row is not None and bool(row[0])
