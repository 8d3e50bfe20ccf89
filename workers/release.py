"""Brings database and stock up to date before anything else starts: ``python -m workers.release``.

With ``--wait`` it changes nothing and ends once somebody else has done so: for processes that start beside it.

Whether it ends when it is done depends on who started it. Heroku runs the line ``release`` of a Procfile by itself,
before the others, and waits for its end. Honcho, Foreman and Overmind run it beside the others, and stop all as soon as
one ends: there it stays until SIGTERM.
"""

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Mapping

import click

from infra.config.settings import Settings, read_settings
from infra.engine.accounts import ensure_accounts, refuse_undecided
from infra.process.clock import SystemClock
from infra.tables.migrate import migrate
from infra.telemetry.log import configure, get_logger
from infra.telemetry.uncaught import log_uncaught
from workers.ending import run_process
from workers.parent import is_orphaned
from workers.starting import wait_until_released
from workers.stocking import load
from workers.wiring import database

LOOK_EVERY_S = 1.0
# As Honcho (HONCHO_PROCESS_NAME), Foreman and Overmind (PS) name what they start.
_PROCESS_NAME = re.compile(r"[\w-]+\.[0-9]+")

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

    def pause(_waiting: int) -> bool:
        sleep(LOOK_EVERY_S)
        return True

    wait_until_released(settings, pause)


def starts_beside_others(environ: Mapping[str, str]) -> bool:
    """Whether a program for Procfiles has started this process beside the others, and stops all when it ends."""
    name = environ.get("HONCHO_PROCESS_NAME") or environ.get("PS", "")
    return bool(_PROCESS_NAME.fullmatch(name)) and "DYNO" not in environ


@click.command()
@click.option("--wait", "is_waiting", is_flag=True, help="Change nothing; wait until the database is up to date.")
@click.option(
    "--stay/--end",
    "is_staying",
    default=None,
    help="Stay until SIGTERM when done.  [default: under Honcho and its like]",
)
def main(*, is_waiting: bool, is_staying: bool | None) -> None:
    """Apply waiting migrations, make accounts known, and load counted stock."""
    settings = read_settings()
    configure(settings.log_format, settings.log_level)
    log_uncaught()
    if is_waiting:
        wait_for_release(settings)
        return
    release(settings)
    with database(settings, 1) as db:
        load(settings, db, settings.outside_locations)
    if is_staying if is_staying is not None else starts_beside_others(os.environ):
        _stay()


def _stay() -> None:
    """Do nothing until SIGTERM or SIGINT, or until the process that started this one is gone."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    log.info("release_stays", until="SIGTERM")
    while not stopping.wait(LOOK_EVERY_S) and not is_orphaned():
        pass


if __name__ == "__main__":
    run_process(main)
