"""Presence: a session lock that shows that a worker process runs. Postgres releases the lock when the process dies."""

from psycopg import Connection, OperationalError

from infra.tables.locks import ask_session, lock_session, next_worker, try_lock_session
from infra.tables.pool import Database

# First keys of the two-key advisory locks of this application; the permanent registry.
PRESENCE_CLASS = 7301
SWEEPER_CLASS = 7302
DOCTOR_CLASS = 7303
EXCLUSIVE_CLASS = 7304
LINES_CLASS = 7305
# The application name of a presence session, followed by the pool's name: workers are counted by this name.
POOL_NAME = "orderlane worker "


class Presence:
    """One worker process's number and the lock that goes with it. `pool`: the worker pool it is a part of.

    Needs a direct connection: a transaction pooler would move the lock to another client.
    """

    def __init__(self, db: Database, pool: str = "") -> None:
        self._db = db
        self._pool = pool
        with db.connection() as connection:
            self.worker = next_worker(connection)
        self._session = self._held()

    def renew(self) -> None:
        """Take the lock again if the session was lost; call it every few seconds."""
        try:
            ask_session(self._session)
        except OperationalError:
            self._session.close()
            self._session = self._held()

    def close(self) -> None:
        self._session.close()

    def _held(self) -> Connection:
        """A new session that has the lock; raises, and is closed, while the lost one still has it."""
        session = self._db.direct()
        try:
            lock_session(session, PRESENCE_CLASS, self.worker, POOL_NAME + self._pool)
        except BaseException:
            session.close()
            raise
        return session


def take_lead(session: Connection) -> bool:
    """Become the leading sweeper, if there is none; held until the session ends."""
    return try_lock_session(session, SWEEPER_CLASS)


def take_exclusive(session: Connection) -> bool:
    """Become the only process in which a subject runs exclusively, if there is none; held until the session ends."""
    return try_lock_session(session, EXCLUSIVE_CLASS)
