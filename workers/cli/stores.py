"""The database for a command that looks at what is there."""

from collections.abc import Iterator
from contextlib import contextmanager

from domain.errors import Misconfigured
from infra.db.migrate import pending
from infra.db.pool import Database
from infra.settings import Settings
from infra.stores import open_stores


@contextmanager
def database_at_hand(settings: Settings) -> Iterator[Database]:
    """The configured database, or the private one, started for as long as needed if it does not run.

    Raises Misconfigured ``schema_behind`` for a database that has not been released to yet, and
    psycopg.OperationalError when there is none.
    """
    with open_stores(settings) as stores, Database(stores.database_url.reveal(), 1) as db:
        with db.direct() as session:
            if pending(session):
                advice = "start `orderlane run`, or apply them with `python -m workers.release`"
                raise Misconfigured("schema_behind", f"migrations are waiting: {advice}")
        yield db
