"""A line where worker processes wait, without using any CPU, until all of them are there."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from infra.tables.pool import Connection, Database

_KEY = 7_390_001
_READY_S = 180.0
_POLL_S = 0.05


@contextmanager
def start_line(db: Database) -> Iterator[Connection]:
    """Hold the workers back until `open_line`, or the end of the block.

    Begins before the workers are started: one that comes while there is no line is not held back.
    """
    with db.direct() as session:
        session.execute("SELECT pg_advisory_lock(%s)", (_KEY,))
        yield session


def open_line(session: Connection) -> None:
    """Let the workers go."""
    session.execute("SELECT pg_advisory_unlock(%s)", (_KEY,))


def wait_for_start(db: Database) -> None:
    """Called by a worker that is ready."""
    with db.direct() as session:
        session.execute("SET statement_timeout = 0; SET lock_timeout = 0")
        session.execute("SELECT pg_advisory_lock_shared(%s)", (_KEY,))


def await_workers(session: Connection, count: int) -> None:
    """Wait until `count` workers are ready. Raises TimeoutError when they do not become ready."""
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        row = session.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = %s", (_KEY,)
        ).fetchone()
        if row is not None and row[0] >= count:
            return
        time.sleep(_POLL_S)
    raise TimeoutError(f"{count} workers did not come to the start line")
