"""Signals that pools are scaled by. The sweeper measures them, everybody else reads what it wrote."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from infra.process.steps import hurried_by_subject
from infra.tables.pool import Connection
from infra.tables.rows import Row, rows_json
from infra.tables.sql import load

SIGNALS = load("signals")


class DueRow(NamedTuple):
    """Due work of a key. `ship_by`: of the first in line; None: it has none."""

    step: str
    lane: str
    account: str
    depth: int
    oldest_s: float
    ship_by: datetime | None


class SignalRow(NamedTuple):
    """A lane of a group as it was `age_s` ago. `came`, `went`: orders in the last `span_s` seconds.

    `inflow`, `drain`: orders that ever came and went. `ship_by_s`: seconds until the earliest ship-by.
    """

    step_group: str
    lane: str
    depth: int
    oldest_s: float
    ship_by_s: float | None
    came: int
    went: int
    span_s: float | None
    age_s: float
    inflow: int
    drain: int
    under_way: int


class MilestoneRow(NamedTuple):
    """Orders that ever passed a milestone in a lane, counted up to a row."""

    name: str
    lane: str
    orders: int
    last_id: int


class MilestoneCount(StrEnum):
    """Where milestones are counted, as the query that counts them."""

    PAYLOADS = "stored_between"
    EVENTS = "passed_between"


def keep_to_indexes(tx: Connection) -> None:
    """Make the planner read few rows in index order in this transaction, regardless of its statistics of the table."""
    tx.execute(SIGNALS["keep_to_indexes"])


def due_work(tx: Connection, cap: int, narrow: Sequence[str]) -> list[DueRow]:
    """Due work by key, without suspects: at most `cap` rows of a step and lane, and one of a `narrow` account."""
    return [
        DueRow(*row)
        for row in tx.execute(SIGNALS["due"], {"cap": cap, "narrow": list(narrow), **hurried_by_subject()}).fetchall()
    ]


def due_suspects(tx: Connection, cap: int) -> list[DueRow]:
    """Due members of crashed batches by key, at most `cap` rows."""
    return [DueRow(*row) for row in tx.execute(SIGNALS["due_suspects"], {"cap": cap}).fetchall()]


def leased_work(tx: Connection) -> list[tuple[str, str, int]]:
    """(step, lane, rows) that workers hold a lease of."""
    return tx.execute(SIGNALS["leased"]).fetchall()


def load_milestones(tx: Connection) -> list[MilestoneRow]:
    """What was counted so far."""
    return [MilestoneRow(*row) for row in tx.execute(SIGNALS["milestones"]).fetchall()]


def newest_ids(tx: Connection) -> tuple[int, int]:
    """The last payload and the last event."""
    row = tx.execute(SIGNALS["newest"]).fetchone()
    assert row is not None
    return row[0], row[1]


def count_between(tx: Connection, counted: MilestoneCount, after: int, upto: int) -> list[tuple[str, str, int]]:
    """(milestone, lane, orders) that passed with the rows behind `after`, up to and with `upto`."""
    return tx.execute(SIGNALS[counted], {"after": after, "upto": upto}).fetchall()


def save_milestones(tx: Connection, milestones: Iterable[MilestoneRow]) -> None:
    """Store what was counted."""
    tx.execute(SIGNALS["save_milestones"], {"rows": rows_json(one._asdict() for one in milestones)})


def save_signals(tx: Connection, rows: Iterable[Row], kept_s: float) -> None:
    """Store a measurement, by the database's clock, and forget those older than `kept_s`.

    Rows of `step_group`, `lane`, `depth`, `under_way`, `oldest_s`, `ship_by`, `inflow` and `drain`.
    """
    tx.execute(SIGNALS["forget"], {"kept_s": kept_s})
    tx.execute(SIGNALS["save"], {"rows": rows_json(rows)})


def load_signals(connection: Connection, window_s: float) -> list[SignalRow]:
    """The newest measurement, with what came and went over the window, or as much of it as is known."""
    return [SignalRow(*row) for row in connection.execute(SIGNALS["read"], {"window_s": window_s}).fetchall()]


def living_workers(connection: Connection, presence_class: int) -> dict[str, int]:
    """Processes with a presence lock of that class, by the name of their session."""
    return dict(connection.execute(SIGNALS["workers"], {"class": presence_class}).fetchall())


def under_way(connection: Connection) -> dict[str, int]:
    """Subjects that workers have in hand, by step."""
    return dict(connection.execute(SIGNALS["under_way"]).fetchall())


def held(connection: Connection) -> dict[str, int]:
    """Open holds by code."""
    return dict(connection.execute(SIGNALS["open_holds"]).fetchall())


def gaps(connection: Connection) -> dict[str, int]:
    """Orders that were listed and are still tried to be fetched, by shop."""
    return dict(connection.execute(SIGNALS["open_gaps"]).fetchall())


def late(connection: Connection) -> dict[str, int]:
    """Changes that only a second reading has found, by shop."""
    return dict(connection.execute(SIGNALS["found_late"]).fetchall())
