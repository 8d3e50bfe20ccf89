"""Alarms of events: the code that meets an event opens its alarm, and a time without another such event closes the
alarm.
"""

from collections.abc import Callable

import psycopg

from domain.alarms import AlarmKind
from infra.config.secret import Secret
from infra.tables.alarms import open_alarm
from infra.tables.pool import Database
from infra.telemetry.log import get_logger

_CHECKOUT_S = 3.0

log = get_logger(__name__)


def note_event(db: Database, kind: AlarmKind, key: str, count: int = 1) -> None:
    """Open the alarm of a rare event, or raise its count, beside whatever transaction the caller has open.

    One statement that commits by itself. An unreachable database is only logged: a failed alarm must not stop the work.
    """
    try:
        with db.side() as connection:
            open_alarm(connection, kind, key, count=count)
    except psycopg.Error as error:
        log.warning("alarm_unrecorded", kind=kind, key=key, error=type(error).__name__)


def note_uncaught(database_url: Secret, process: str) -> Callable[[str], None]:
    """Records the type of an unexpected error, for `log_uncaught`, over a connection of its own."""

    def note(error: str) -> None:
        try:
            with Database(database_url.reveal(), 1, checkout_timeout_s=_CHECKOUT_S) as db:
                note_event(db, AlarmKind.UNCAUGHT, f"{process} {error}")
        except psycopg.Error as away:
            log.warning("alarm_unrecorded", kind=AlarmKind.UNCAUGHT, key=process, error=type(away).__name__)

    return note
