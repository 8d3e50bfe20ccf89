"""Which worker runs which batch, so that the subjects of a crashed worker are known."""

from typing import NamedTuple
from uuid import UUID

from infra.tables.pool import Connection
from infra.tables.sql import load

FLIGHTS = load("flights")


class Flight(NamedTuple):
    """A batch under way. `is_alone`: it has one member, and runs as a suspect does."""

    token: UUID
    worker: int
    step: str
    subject_ids: list[int]
    is_alone: bool


class Crashed(NamedTuple):
    """A batch whose worker is gone. `is_to_blame`: it had one member, and was all that the worker ran."""

    token: UUID
    step: str
    subject_ids: list[int]
    is_to_blame: bool
    worker: int


def open_flight(connection: Connection, flight: Flight) -> None:
    """A worker begins a batch. The table is unlogged: a crash of Postgres empties it."""
    connection.execute(FLIGHTS["open_flight"], flight._asdict())


def close_flight(connection: Connection, token: UUID) -> None:
    """A batch has ended."""
    connection.execute(FLIGHTS["close_flight"], {"token": token})


def close_flights(connection: Connection, worker: int) -> list[tuple[str, list[int]]]:
    """End all batches of a worker; (step, subjects) of each."""
    return connection.execute(FLIGHTS["close_flights"], {"worker": worker}).fetchall()


def lock_crashed(tx: Connection, presence_class: int) -> list[Crashed]:
    """Batches of workers without a presence lock of that class; locked; batches that another transaction has locked are
    left out.
    """
    return [Crashed(*row) for row in tx.execute(FLIGHTS["crashed_flights"], {"class": presence_class}).fetchall()]
