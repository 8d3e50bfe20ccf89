"""Due work: added, finished, postponed, put back, moved to another lane, and waiting behind gates."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from infra.process.steps import hurried_by_subject, steps_by_subject
from infra.tables.pool import Connection
from infra.tables.rows import Row, rows_json
from infra.tables.sql import load

WORK = load("work")


class NewWorkRow(NamedTuple):
    """New due work. `shop`: whose turn it takes in a crowded line. `after_s`: seconds until it is due."""

    step: str
    subject_id: int
    lane: str
    account: str
    shop: str
    after_s: float


class ReturnedWork(NamedTuple):
    """Work to put back without attempts and causes. `is_suspect`: it once killed its worker, so it runs alone."""

    step: str
    subject_id: int
    lane: str
    account: str
    order_id: int | None
    is_suspect: bool


class SuspectWork(NamedTuple):
    """A member of a crashed batch, freed."""

    subject_id: int
    crashes: int
    lane: str


class OverdueWork(NamedTuple):
    """A fulfillment order whose work has waited too long behind an account's gate."""

    fulfillment_order_id: int
    order_id: int
    package_id: int | None
    lane: str
    state: str
    step: str
    account: str

    @property
    def subject_id(self) -> int:
        """Of its work, or of the package that a notice is about."""
        return self.fulfillment_order_id if self.package_id is None else self.package_id

    @property
    def facts(self) -> dict[str, str]:
        """What the hold says of the wait."""
        return {"account": self.account}

    @property
    def behind(self) -> str:
        return self.account


def add(tx: Connection, added: Iterable[NewWorkRow]) -> None:
    """Make work due; a row that is there already keeps its place. No statement for none."""
    rows = [one._asdict() for one in added]
    if rows:
        tx.execute(WORK["add"], {"rows": rows_json(rows)})


def finish(tx: Connection, step: str, subject_ids: Sequence[int]) -> None:
    """Remove work that is done."""
    tx.execute(WORK["finish"], {"step": step, "subject_ids": list(subject_ids)})


def postpone(tx: Connection, step: str, rows: Iterable[Row]) -> None:
    """Make work due again later, and give back its lease.

    Rows of `subject_id`, `after_s` (seconds), `spent` (1: an attempt was used up), `cause` (an entry or None) and
    `is_fresh` (a round of endless work came through, so its past is forgotten).
    """
    tx.execute(WORK["postpone"], {"step": step, "rows": rows_json(rows)})


def wait_for_gate(tx: Connection, step: str, rows: Iterable[Row]) -> None:
    """Let work wait behind gates until those open. Rows of `subject_id`, `gate` (an account) and `cause`, or None."""
    tx.execute(WORK["wait_for_gate"], {"step": step, "rows": rows_json(rows)})


def lease(tx: Connection, step: str, subject_ids: Sequence[int], token: UUID, lease_s: float) -> None:
    """Lease rows that this transaction has locked, for `lease_s` seconds by the database's clock."""
    tx.execute(WORK["lease"], {"step": step, "subject_ids": list(subject_ids), "token": token, "lease_s": lease_s})


def release_expired(connection: Connection) -> list[str]:
    """Free leases that ran out, whose subjects become suspects; the step of each."""
    return [row[0] for row in connection.execute(WORK["release_expired"]).fetchall()]


def release_leases_without_batch(connection: Connection) -> list[str]:
    """Free leases without a batch under way; the step of each."""
    return [row[0] for row in connection.execute(WORK["release_leases_without_batch"]).fetchall()]


def free_batch_members(connection: Connection, worker: int) -> None:
    """Free all that a worker has leased. Waits for what is being recorded right now."""
    connection.execute(WORK["free_batch_members"], {"worker": worker})


def suspect(tx: Connection, step: str, subject_ids: Sequence[int], token: UUID, *, crashed: bool) -> list[SuspectWork]:
    """Free members of a crashed batch, which run alone from now on; `crashed`: the crash counts."""
    named = {"step": step, "subject_ids": list(subject_ids), "token": token, "crashed": int(crashed)}
    return [SuspectWork(*row) for row in tx.execute(WORK["suspect"], named).fetchall()]


def lock_work(tx: Connection, steps: Sequence[str], subject_ids: Sequence[int]) -> None:
    """Lock the work of named (step, subject) pairs, as far as there is any."""
    tx.execute(WORK["lock_work"], {"steps": list(steps), "subject_ids": list(subject_ids)})


def put_back(tx: Connection, works: Iterable[ReturnedWork]) -> None:
    """Make work due without attempts and causes, each in the turn of its own shop. No statement for none."""
    rows = [one._asdict() for one in works]
    if rows:
        tx.execute(WORK["put_back"], {"rows": rows_json(rows), **steps_by_subject()})


def move_order(tx: Connection, order_id: int, lane: str) -> list[str]:
    """Move work of an order to a lane, all that somebody waits for; the step of each piece that moved.

    Locks the work, and waits for that.
    """
    named = {"order_id": order_id, "lane": lane, **hurried_by_subject()}
    return [row[0] for row in tx.execute(WORK["move_work"], named)]


def move_ship_from(tx: Connection, moved: Iterable[Row], *, of_packages: str, of_fulfillment: str) -> None:
    """Let two steps that wait for the day from which orders ship wait for another; no statement for none.

    Rows of `order_id`, `was` (the day that they wait for) and `due_at` (the other; None: now).
    """
    rows = list(moved)
    if rows:
        steps = {"of_packages": of_packages, "of_fulfillment": of_fulfillment}
        tx.execute(WORK["move_ship_from"], {**steps, "rows": rows_json(rows)})


def gates_with_work(connection: Connection) -> list[str]:
    """Every account behind whose gate work waits."""
    return [row[0] for row in connection.execute(WORK["gates_with_work"])]


def let_through(connection: Connection, account: str, limit: int) -> list[tuple[str, str, str]]:
    """Make some of the work behind an open gate due; (step, lane, account) of each piece."""
    return connection.execute(WORK["let_through"], {"account": account, "limit": limit}).fetchall()


class Stretch(NamedTuple):
    """`size` rows of all work in the order of its key, behind the row of `step` and `subject_id`."""

    step: str
    subject_id: int
    size: int

    def named(self) -> dict[str, Any]:
        """The values for a statement, by name."""
        return {"after_step": self.step, "after_id": self.subject_id, "size": self.size}


def next_stretch(tx: Connection, stretch: Stretch) -> Stretch | None:
    """The stretch behind this one; None where this one reaches the end."""
    row = tx.execute(WORK["stretch_end"], stretch.named()).fetchone()
    if row is None:
        return None
    step, subject_id = row
    return Stretch(step, subject_id, stretch.size)


def overdue_behind_gates(
    tx: Connection, accounts: Sequence[str], stretch: Stretch, *, margin_s: float, patience_s: float, limit: int
) -> list[OverdueWork]:
    """Orders whose work waits behind these accounts, and that ship by within `margin_s` or have waited `patience_s`.

    Only the work of the stretch is read.
    """
    named = {"accounts": list(accounts), "margin_s": margin_s, "patience_s": patience_s, "limit": limit}
    rows = tx.execute(WORK["overdue_behind_gates"], {**named, **stretch.named(), **hurried_by_subject()}).fetchall()
    return [OverdueWork(*row) for row in rows]


def count_behind_gates(tx: Connection, accounts: Sequence[str]) -> dict[tuple[str, str], int]:
    """Pieces of work by the (kind, name) of their gate: of paused lanes and steps, of the given accounts, and of
    every account whose gate work has met shut.
    """
    rows = tx.execute(WORK["count_behind_gates"], {"accounts": list(accounts)}).fetchall()
    return {(kind, name): count for kind, name, count in rows}


def wake_waiting(tx: Connection) -> int:
    """Make work due that waits for the end of an earlier version's workers; how much that was."""
    return len(tx.execute(WORK["wake_waiting"]).fetchall())


class IdleWork(NamedTuple):
    """Due work of a step that nobody has taken up; `oldest_s`: how long the oldest has been due."""

    step: str
    rows: int
    oldest_s: float


def overdue_work(connection: Connection, grace_s: float) -> list[IdleWork]:
    """Steps with work that has been due for longer than `grace_s` and that nobody has taken up."""
    return [IdleWork(*row) for row in connection.execute(WORK["overdue_work"], {"grace_s": grace_s})]


class PausedWork(NamedTuple):
    """A fulfillment order whose work has waited too long for a paused lane or step. `pause`: kind and name of it."""

    fulfillment_order_id: int
    order_id: int
    subject_id: int
    package_id: int | None
    lane: str
    state: str
    step: str
    pause: str
    reason: str

    @property
    def facts(self) -> dict[str, str]:
        """What the hold says of the wait."""
        return {"pause": self.pause, "reason": self.reason}

    @property
    def behind(self) -> str:
        return self.pause


def overdue_behind_pauses(
    tx: Connection, stretch: Stretch, *, margin_s: float, patience_s: float, limit: int
) -> list[PausedWork]:
    """Orders whose lane or step is paused, and that ship by within `margin_s` or have waited `patience_s`.

    Only the work of the stretch is read.
    """
    named = {"margin_s": margin_s, "patience_s": patience_s, "limit": limit, **stretch.named(), **hurried_by_subject()}
    return [PausedWork(*row) for row in tx.execute(WORK["overdue_behind_pauses"], named).fetchall()]
