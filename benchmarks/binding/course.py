"""The parts that both ways share: the steps, the accounts, and the initial work rows."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from infra.tables.pool import Connection

LANE = "bulk"
STEPS = ("one", "two", "three", "four", "five")
NEXT: Mapping[str, str | None] = dict(zip(STEPS, [*STEPS[1:], None], strict=True))
BATCH_MAX = 50


@dataclass(frozen=True, slots=True)
class Course:
    """How many orders run, and how many `accounts` the last step has; with 1 it has none, like the others.

    `call_s`: how long a batch of the last step occupies its thread, as a call to the outside does.
    `is_backlog`: all orders wait at the last step, where they arrived in batches of mixed accounts.
    """

    orders: int
    accounts: int
    call_s: float = 0.0
    is_backlog: bool = False

    @property
    def steps(self) -> int:
        """How many each order has to pass."""
        return 1 if self.is_backlog else len(STEPS)

    def account(self, step: str, subject_id: int) -> str:
        """Accounts come mixed, as the orders of many shops do."""
        if self.accounts == 1 or step != STEPS[-1]:
            return ""
        return f"shop/{zlib.crc32(str(subject_id).encode()) % self.accounts}"


class Way(Protocol):
    """One way to bind messages to work: ids, or late binding."""

    def handle(self, step: str, *said: object) -> int:
        """Do what a message says; return how many orders it moved."""
        ...

    def sweep(self) -> None:
        """Ring for due work that no message will bring."""
        ...


def seed(tx: Connection, course: Course) -> None:
    """All orders due at their first step."""
    first = STEPS[-course.steps]
    accounts = [course.account(first, subject_id) for subject_id in range(1, course.orders + 1)]
    tx.execute("TRUNCATE work")
    tx.execute(
        """
        INSERT INTO work (step, subject_id, lane, account, due_at)
        SELECT %s, number, %s, account, now() - interval '1 minute' + number * interval '1 microsecond'
        FROM unnest(%s::text[]) WITH ORDINALITY AS seeded (account, number)
        """,
        (first, LANE, accounts),
    )


def steps_left(tx: Connection) -> int:
    """Step runs that are still to come, over all orders."""
    rows = tx.execute("SELECT step, count(*) FROM work GROUP BY step").fetchall()
    return sum((len(STEPS) - STEPS.index(step)) * count for step, count in rows)
