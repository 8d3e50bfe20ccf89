"""Brings database and stock up to date before anything else starts: ``python -m workers.release``.

With ``--wait`` it changes nothing and ends once somebody else has done so: for processes that start beside it.
"""

import time
from collections.abc import Callable

import click

from domain.errors import Misconfigured
from infra.config.settings import Settings, read_settings
from infra.engine.accounts import ensure_accounts, refuse_undecided
from infra.process.clock import SystemClock
from infra.tables.migrate import migrate, pending
from infra.telemetry.log import configure, get_logger
from infra.telemetry.uncaught import log_uncaught
from workers.ending import run_process
from workers.stocking import load
from workers.wiring import database

LOOK_EVERY_S = 1.0

log = get_logger(__name__)


def release(settings: Settings) -> None:
    """Apply waiting migrations, and make every configured account known. Safe to run by many at once.

    Raises Misconfigured ``take_over_missing`` for a new shop that does not say which of its orders are ours.
    """
    with database(settings, 1) as db:
        with db.direct() as session:
            applied = migrate(session)
        with db.transaction() as tx:
            refuse_undecided(tx, settings, SystemClock().utcnow())
            ensure_accounts(tx, settings)
    log.info("released", applied=len(applied))


def wait_for_release(settings: Settings, sleep: Callable[[float], object] = time.sleep) -> None:
    """Return once no migration of this version is waiting. A database that is further on is no obstacle.

    Raises Misconfigured ``migration_changed``, and psycopg.OperationalError when the database is away.
    """
    with database(settings, 1) as db, db.direct() as session:
        try:
            while waiting := pending(session):
                log.info("release_awaited", waiting=len(waiting))
                sleep(LOOK_EVERY_S)
        except Misconfigured as error:
            if error.code != "schema_newer":
                raise


@click.command()
@click.option("--wait", "is_waiting", is_flag=True, help="Change nothing; wait until the database is up to date.")
def main(*, is_waiting: bool) -> None:
    """Apply waiting migrations, make accounts known, and load counted stock."""
    settings = read_settings()
    configure(settings.log_format, settings.log_level)
    log_uncaught()
    if is_waiting:
        wait_for_release(settings)
        return
    release(settings)
    with database(settings, 1) as db:
        load(settings, db, settings.locations)


if __name__ == "__main__":
    run_process(main)
