"""The versions that each worker process recorded at its start, and which of the processes run."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from psycopg.rows import class_row

from infra.tables.pool import Connection
from infra.tables.sql import load

REPORTS = load("reports")


class NewReport(NamedTuple):
    """What a worker process runs: its number, its pool, and the versions of code and rules."""

    worker: int
    pool: str
    code: str
    rules: str


@dataclass(frozen=True, slots=True)
class Report:
    """What one worker process said at its start."""

    worker: int
    pool: str
    code_version: str
    rules_version: str
    started_at: datetime


def add_report(connection: Connection, presence_class: int, report: NewReport) -> None:
    """Store what a process runs, by the database's clock, and forget workers without a presence lock."""
    connection.execute(REPORTS["report"], {"class": presence_class, **report._asdict()})


def has_worker_without_parts(tx: Connection, presence_class: int, lines_class: int) -> bool:
    """Whether a worker lives that has no lock of `lines_class`: its version knows no parts of orders."""
    row = tx.execute(
        REPORTS["has_worker_without_parts"], {"class": presence_class, "lines_class": lines_class}
    ).fetchone()
    return row is not None and bool(row[1])


def is_waiting(tx: Connection) -> bool:
    """Whether any work waits for the end of an earlier version's workers."""
    row = tx.execute(REPORTS["is_waiting"]).fetchone()
    return row is not None and bool(row[0])


def living(connection: Connection, presence_class: int) -> list[Report]:
    """The reports of workers that have their presence lock, by number."""
    with connection.cursor(row_factory=class_row(Report)) as cursor:
        return cursor.execute(REPORTS["living"], {"class": presence_class}).fetchall()
