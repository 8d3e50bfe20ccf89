"""How views and previews read: in a transaction that changes nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from infra.tables.pool import Connection, Database
from infra.tables.server import read_one_snapshot


@contextmanager
def looking(db: Database) -> Iterator[Connection]:
    """A transaction that only reads; all of its statements see one moment."""
    with db.transaction() as tx:
        read_one_snapshot(tx)
        yield tx


@contextmanager
def foreseeing(db: Database) -> Iterator[Connection]:
    """A transaction that locks what the verb would lock, and is rolled back at its end."""
    with db.transaction() as tx:
        yield tx
        raise psycopg.Rollback
