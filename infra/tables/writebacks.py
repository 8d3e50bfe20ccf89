"""Write-backs of packages to their platforms."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from psycopg.rows import class_row

from infra.tables.packages import PackageRow, load_rows
from infra.tables.pool import Connection
from infra.tables.rows import rows_json
from infra.tables.sql import load

WRITEBACKS = load("writebacks")


@dataclass(frozen=True, slots=True, kw_only=True)
class WritebackRow(PackageRow):
    """`is_taken`: another package of the order is being told. `outside`: lines of which not all is in this package.
    `has_left`: the package was handed over.
    `is_in_doubt`: an open case says that the package travels under another number.

    The rest as in `UnlabelledRow`.
    """

    courier: str
    waybill: str
    shipped_at: datetime
    status: str
    is_asked_about: bool
    busy_s: float
    is_taken: bool
    has_left: bool
    is_in_doubt: bool
    outside: list[str]
    lines: list[tuple[str, int]]


class DividedLines(NamedTuple):
    """Of a package with a part of a line: the lines that `completes` the telling, and the waybills of our `others` that
    hold pieces of the same lines.

    `is_other_unclear`: the platform may have heard of such another package, and is still to be asked, so `completes` is
    not known yet.
    """

    completes: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    is_other_unclear: bool = False


class NewWriteback(NamedTuple):
    """A write-back to make. `shipped_at`: when the package left, by the rule of the shop."""

    package_id: int
    order_id: int | None
    shipped_at: datetime | str


class WritebackEnd(NamedTuple):
    """How a call ended. `is_clear`: the next try, if there is one, need not ask first.

    `changed_at`: when the order last changed, as the platform tells; None: unknown.
    """

    package_id: int
    status: str
    is_clear: bool
    changed_at: datetime | None


def want_writebacks(tx: Connection, writebacks: Sequence[NewWriteback]) -> None:
    """Store write-backs to make; existing ones stay. No statement for none."""
    if writebacks:
        tx.execute(WRITEBACKS["want_writebacks"], {"rows": rows_json(one._asdict() for one in writebacks)})


def drop_untold(tx: Connection, package_ids: Sequence[int]) -> None:
    """Platforms hear nothing of these packages, unless they have, or may have. No statement for none."""
    if package_ids:
        tx.execute(WRITEBACKS["drop_untold"], {"ids": list(package_ids)})


def load_writebacks(tx: Connection, package_ids: Sequence[int]) -> list[WritebackRow]:
    """The write-backs of packages with a waybill, by package; locked."""
    return load_rows(tx, WRITEBACKS["load_writebacks"], package_ids, WritebackRow)


def divided_lines(tx: Connection, package_ids: Sequence[int]) -> dict[int, DividedLines]:
    """How the lines of packages are divided. No statement for none."""
    if not package_ids:
        return {}
    rows = tx.execute(WRITEBACKS["divided"], {"ids": list(package_ids)})
    return {
        id_: DividedLines(frozenset(lines or ()), frozenset(others), is_other_unclear=is_other_unclear)
        for id_, lines, others, is_other_unclear in rows
    }


def begin_writebacks(tx: Connection, package_ids: Sequence[int], call_s: float) -> None:
    """Mark locked write-backs as being sent: for `call_s` seconds from now nobody asks about them.

    No statement for none.
    """
    if package_ids:
        tx.execute(WRITEBACKS["begin_writebacks"], {"ids": list(package_ids), "call_s": call_s})


def give_up_sending(tx: Connection, package_id: int) -> None:
    """End a write-back whose process died during its call, and that nobody will try again; one in another state stays.

    The platform may have heard it, so another try would ask first.
    """
    tx.execute(WRITEBACKS["give_up"], {"id": package_id})


def leave_untold(tx: Connection, package_ids: Sequence[int]) -> None:
    """Let locked write-backs wait for the end of a hold, also those that were refused before.

    No statement for none.
    """
    if package_ids:
        tx.execute(WRITEBACKS["leave_untold"], {"ids": list(package_ids)})


def end_writebacks(tx: Connection, ended: Iterable[WritebackEnd]) -> None:
    """Store how calls ended."""
    rows = rows_json(
        {"id": one.package_id, "status": one.status, "is_clear": one.is_clear, "changed_at": one.changed_at}
        for one in ended
    )
    tx.execute(WRITEBACKS["end_writebacks"], {"rows": rows})


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which write-backs. None asks nothing; `cause` is a code or a dead letter's fingerprint; `any_open` takes
    healthy ones too.
    """

    order_id: int | None = None
    package_id: int | None = None
    shop: str | None = None
    platform: str | None = None
    since: datetime | None = None
    cause: str | None = None
    any_open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenWriteBack:
    """A package whose platform has not confirmed its waybill. `holds` are those that the write-back opened.

    `is_held`: the order is held and the package is still here, so the platform is not told now.
    """

    package_id: int
    order_id: int
    platform: str
    shop: str
    platform_order_id: str
    lane: str
    waybill: str
    shipped_at: datetime
    status: str
    letter_id: int | None
    holds: list[str]
    cause: str | None
    is_held: bool

    @property
    def account(self) -> str:
        return f"{self.platform}/{self.shop}"

    @property
    def order(self) -> str:
        return f"{self.account}/{self.platform_order_id}"


def open_writebacks(tx: Connection, wanted: Selection, late_s: float) -> list[OpenWriteBack]:
    """The write-backs of a selection, the oldest first; a healthy one that waits is late after `late_s`."""
    named = {name: getattr(wanted, name) for name in wanted.__slots__}
    with tx.cursor(row_factory=class_row(OpenWriteBack)) as cursor:
        return cursor.execute(WRITEBACKS["open_writebacks"], {**named, "late_s": late_s}).fetchall()


def ask_again(tx: Connection, package_id: int, lane: str, account: str) -> tuple[str, str] | None:
    """Make a write-back due now, asking before telling; (lane, account) of the work.

    None: it is confirmed, or a worker has it.

    The work of the write-back must be locked.
    """
    named = {"package_id": package_id, "lane": lane, "account": account}
    row = tx.execute(WRITEBACKS["ask_again"], named).fetchone()
    return None if row is None else (row[0], row[1])


def is_confirmed(connection: Connection, package_id: int) -> bool:
    """Whether the platform has confirmed the waybill of a package."""
    row = connection.execute(WRITEBACKS["writeback_status"], {"package_id": package_id}).fetchone()
    return row is not None and row[0] == "confirmed"


def resume_writebacks(tx: Connection, fulfillment_order_id: int) -> list[tuple[str, str]]:
    """Make write-backs due that waited for a hold's end; (lane, account) of each."""
    return [
        (lane, account) for lane, account in tx.execute(WRITEBACKS["resume_writebacks"], {"id": fulfillment_order_id})
    ]


def lock_writeback_work(tx: Connection, package_id: int) -> None:
    """Lock the write-back work of a package, if there is any."""
    tx.execute(WRITEBACKS["lock_writeback_work"], {"package_id": package_id})
