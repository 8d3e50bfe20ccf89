"""Which worker runs which batch, so that the subjects of a crashed worker are known."""

from typing import NamedTuple
from uuid import UUID

from infra.tables.pool import Connection
from infra.tables.sql import load

RUNNING_BATCHES = load("running_batches")


class RunningBatch(NamedTuple):
    """A batch under way. `is_alone`: it has one member, and runs as a suspect does."""

    token: UUID
    worker: int
    step: str
    subject_ids: list[int]
    is_alone: bool


class CrashedBatch(NamedTuple):
    """A batch whose worker is gone. `is_to_blame`: it had one member, and was all that the worker ran."""

    token: UUID
    step: str
    subject_ids: list[int]
    is_to_blame: bool
    worker: int


def add_running_batch(connection: Connection, batch: RunningBatch) -> None:
    """A worker begins a batch. The table is unlogged: a crash of Postgres empties it."""
    connection.execute(RUNNING_BATCHES["add_running_batch"], batch._asdict())


def remove_running_batch(connection: Connection, token: UUID) -> None:
    """A batch has ended."""
    connection.execute(RUNNING_BATCHES["remove_running_batch"], {"token": token})


def remove_running_batches(connection: Connection, worker: int) -> list[tuple[str, list[int]]]:
    """End all batches of a worker; (step, subjects) of each."""
    return connection.execute(RUNNING_BATCHES["remove_running_batches"], {"worker": worker}).fetchall()


def lock_crashed_batches(tx: Connection, presence_class: int) -> list[CrashedBatch]:
    """Batches of workers without a presence lock of that class; locked; batches that another transaction has locked are
    left out.
    """
    return [
        CrashedBatch(*row)
        for row in tx.execute(RUNNING_BATCHES["crashed_batches"], {"class": presence_class}).fetchall()
    ]
