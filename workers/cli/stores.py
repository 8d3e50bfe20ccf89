"""The stores of the instance, for a command."""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from domain.errors import Misconfigured
from infra.config.settings import Settings, read_settings
from infra.servers import Connection, open_stores
from infra.tables.migrate import pending
from infra.tables.pool import Database
from infra.telemetry.log import configure


def quiet_settings() -> Settings:
    """The settings, for a command that people read: of the logs it shows errors only."""
    configure(level="error")
    return read_settings()


@contextmanager
def open_database(settings: Settings) -> Iterator[Database]:
    """The configured database, or the private one, started for as long as needed if it does not run.

    Raises Misconfigured ``schema_behind`` for a database that has not been released to yet, and
    psycopg.OperationalError when there is none.
    """
    with open_stores(settings) as stores, Database(stores.database_url.reveal(), 1) as db:
        _refuse_behind(db)
        yield db


@contextmanager
def open_for_calls(settings: Settings) -> Iterator[tuple[Settings, Database]]:
    """As `open_database`, and the settings with the addresses of both stores, for calls behind gates."""
    with open_stores(settings) as stores, Database(stores.database_url.reveal(), 1) as db:
        _refuse_behind(db)
        yield with_stores(settings, stores), db


def with_stores(settings: Settings, stores: Connection) -> Settings:
    """The settings with the addresses of open stores in them."""
    known = msgspec.structs.replace(settings.stores, database_url=stores.database_url, redis_url=stores.redis_url)
    return msgspec.structs.replace(settings, stores=known)


def refuse_behind(stores: Connection) -> None:
    """Raises Misconfigured ``schema_behind`` for a database that has not been released to yet."""
    with Database(stores.database_url.reveal(), 1) as db:
        _refuse_behind(db)


def _refuse_behind(db: Database) -> None:
    # Not from the pool, because the pool would wait ten seconds for an unreachable server.
    with db.direct() as session:
        if pending(session):
            advice = "start `orderlane run`, or apply them with `python -m workers.release`"
            raise Misconfigured("schema_behind", f"migrations are waiting: {advice}")
