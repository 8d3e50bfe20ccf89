"""Which versions the living workers run. Rules and code are read at a process's start and stay until its end."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from infra.db.pool import Connection, Database
from infra.db.sql import load
from infra.engine.presence import PRESENCE_CLASS

REPORTS = load("reports")


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
    row = tx.execute(REPORTS["carry_whole"], {"class": PRESENCE_CLASS}).fetchone()
    return row is not None and bool(row[0])


def living(connection: Connection) -> list[Report]:
    """The reports of workers that live, by their numbers."""
    with connection.cursor(row_factory=class_row(Report)) as cursor:
        return cursor.execute(REPORTS["living"], {"class": PRESENCE_CLASS}).fetchall()
