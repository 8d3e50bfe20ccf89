"""Which versions the living workers run. Rules and code are read at a process's start and stay until its end."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from infra.engine.worker_lock import LINES_CLASS, PRESENCE_CLASS
from infra.tables.pool import Connection, Database
from infra.tables.sql import load
from infra.telemetry.log import get_logger

REPORTS = load("reports")
# For what must go in parts while a worker lives that knows none. That worker looks for due work as well, so the wait is
# ended by `wake_waiting`, not by time.
UNTIL_WOKEN_S = 100 * 365 * 86_400.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Report:
    """What one worker process said at its start."""

    worker: int
    pool: str
    code_version: str
    rules_version: str
    started_at: datetime


def report(db: Database, worker: int, *, pool: str, code: str, rules: str) -> None:
    """Say what this process runs; one statement in its life. Forgets workers that are gone."""
    with db.connection() as connection:
        given = {"class": PRESENCE_CLASS, "worker": worker, "pool": pool, "code": code, "rules": rules}
        connection.execute(REPORTS["report"], given)


def carry_whole(tx: Connection) -> bool:
    """Whether a worker lives whose version knows no parts of orders: what must go in parts waits until it has gone."""
    row = tx.execute(REPORTS["carry_whole"], {"class": PRESENCE_CLASS, "lines_class": LINES_CLASS}).fetchone()
    return row is not None and bool(row[1])


def wake_waiting(db: Database) -> int:
    """Let work that waited for the end of earlier versions be due, if no such worker lives; how much that was."""
    with db.transaction() as tx:
        row = tx.execute(REPORTS["is_waiting"]).fetchone()
        if row is None or not row[0] or carry_whole(tx):
            return 0
        woken = len(tx.execute(REPORTS["wake_waiting"]).fetchall())
    log.info("earlier_version_ended", woken=woken)
    return woken


def living(connection: Connection) -> list[Report]:
    """The reports of workers that live, by their numbers."""
    with connection.cursor(row_factory=class_row(Report)) as cursor:
        return cursor.execute(REPORTS["living"], {"class": PRESENCE_CLASS}).fetchall()
