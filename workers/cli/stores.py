"""The stores for a command: to look at what is there, or to carry out steps itself."""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from domain.errors import Misconfigured
from infra.db.migrate import pending
from infra.db.pool import Database
from infra.settings import Settings
from infra.stores import Connection, open_stores
from workers.wiring import Runtime, wired_worker


@contextmanager
def database_at_hand(settings: Settings) -> Iterator[Database]:
    """The configured database, or the private one, started for as long as needed if it does not run.

    Raises Misconfigured ``schema_behind`` for a database that has not been released to yet, and
    psycopg.OperationalError when there is none.
    """
    with open_stores(settings) as stores:
        _refuse_behind(stores)
        with Database(stores.database_url.reveal(), 1) as db:
            yield db


@contextmanager
def worker_at_hand(settings: Settings) -> Iterator[Runtime]:
    """A worker of the command's own, beside those that run or do not. Raises as `database_at_hand` does."""
    with open_stores(settings) as stores:
        _refuse_behind(stores)
        known = msgspec.structs.replace(settings.stores, database_url=stores.database_url, redis_url=stores.redis_url)
        with wired_worker(msgspec.structs.replace(settings, stores=known)) as runtime:
            yield runtime


def _refuse_behind(stores: Connection) -> None:
    with Database(stores.database_url.reveal(), 1) as db, db.direct() as session:
        if pending(session):
            advice = "start `orderlane run`, or apply them with `python -m workers.release`"
            raise Misconfigured("schema_behind", f"migrations are waiting: {advice}")
