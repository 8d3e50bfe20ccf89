"""Runs all checks. A check runs as soon as the earlier checks show that its requirements are met."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg

from domain.errors import FulfilmentError
from infra.config.absent_secrets import absent_secrets
from infra.config.settings import Settings
from infra.process.clock import Clock
from infra.servers import Connection, open_stores
from infra.tables.pool import Database
from ops.doctor import accounts, backlog, configuration, gates, invariants, retention, stores, take_over, workers
from ops.doctor.check import Check, fail, unreachable


def examine(file: Path, environ: Mapping[str, str], clock: Clock) -> Iterator[Check]:
    """All checks, one by one as they run. Without readable settings no further check runs."""
    settings, check = configuration.read(file, environ)
    yield check
    if settings is None:
        return
    yield configuration.rules(settings)
    absent = absent_secrets(file, environ)
    yield from configuration.secrets(absent)
    yield from accounts.credentials(settings, clock, {one.account for one in absent})
    yield from accounts.endpoints(settings)
    if not (settings.stores.database_url and settings.stores.redis_url):
        yield configuration.free_space(settings)
    yield from _stores(settings, clock)


def _stores(settings: Settings, clock: Clock) -> Iterator[Check]:
    try:
        with open_stores(settings) as connection:
            yield stores.redis_server(connection)
            with Database(connection.database_url.reveal(), 2) as db:
                yield from _database(db, connection, settings, clock)
    except FulfilmentError as error:
        yield fail("stores", str(error), "private stores need a data folder they can use; see data_dir, service_user")


def _database(db: Database, connection: Connection, settings: Settings, clock: Clock) -> Iterator[Check]:
    try:
        with db.direct() as session, db.direct() as other:
            yield from stores.server(session, clock, is_private=connection.embedded)
            yield stores.session_lock(session, other)
            migrations = stores.migrations(session)
            yield migrations
            yield backlog.counted_stock(session, [location.name for location in settings.locations])
            if not migrations.advice:
                yield from gates.shut(db, connection.redis_url.reveal(), settings, clock)
                yield from workers.versions(session, settings)
                yield from take_over.all_checks(session, settings, clock)
                yield from backlog.all_checks(session, settings.shops)
                yield from retention.all_checks(session, settings.retention)
                yield invariants.check(session)
    except psycopg.OperationalError as error:
        words = " ".join(str(error).split())
        yield unreachable("postgres", words, "start it, or correct ORDERLANE_DATABASE_URL")
