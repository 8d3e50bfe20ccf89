"""Parcels that come back, in Postgres: expected, and counted once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from psycopg.rows import class_row

from domain.cases import CaseKind
from domain.clocks import CLOCKS, ClockName
from domain.returns import BackLine, ReturnReason, SentLine
from infra.tables.packages import PackageRow, load_rows
from infra.tables.pool import Connection
from infra.tables.rows import rows_json
from infra.tables.sql import load

RETURNS = load("returns")


class NewReturn(NamedTuple):
    """A package that is expected back."""

    package_id: int
    order_id: int
    why: ReturnReason


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnRow(PackageRow):
    """A package with a waybill that may have come back. `location`: where it left from.

    `is_cancelled`: its order was stopped or made anew without it, and its pieces are stock again.
    """

    location: str
    courier: str
    reference: str
    waybill: str
    has_left: bool
    is_collected: bool
    is_cancelled: bool


class KnownReturn(NamedTuple):
    """What is known of the return of a package."""

    package_id: int
    why: str
    expected_at: datetime
    received_at: datetime | None
    received_by: str | None
    location: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnSum:
    """A return as a line of its order's page, with the sums of its pieces."""

    package_id: int
    why: str
    expected_at: datetime
    received_at: datetime | None
    received_by: str | None
    location: str | None
    sent: int
    sellable: int
    damaged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OverdueReturn:
    """A return that nobody has counted in time."""

    package_id: int
    order_id: int
    shop: str
    reference: str
    courier: str
    waybill: str
    since: datetime


def expect_returns(tx: Connection, returns: Sequence[NewReturn]) -> set[int]:
    """Expect packages back; those that were not expected before. No statement for none."""
    if not returns:
        return set()
    return {row[0] for row in tx.execute(RETURNS["expect"], {"rows": rows_json(one._asdict() for one in returns)})}


def lock_returns(tx: Connection, package_ids: Sequence[int]) -> list[ReturnRow]:
    """Packages with a waybill; their fulfillment orders are locked. No statement for none."""
    return load_rows(tx, RETURNS["lock"], package_ids, ReturnRow) if package_ids else []


def known_returns(tx: Connection, package_ids: Sequence[int]) -> dict[int, KnownReturn]:
    """Returns of packages, expected or received, by package."""
    rows = tx.execute(RETURNS["known"], {"ids": list(package_ids)})
    return {row[0]: KnownReturn(*row) for row in rows}


def sent_lines(tx: Connection, package_ids: Sequence[int]) -> dict[int, list[SentLine]]:
    """What packages held when they left."""
    found: dict[int, list[SentLine]] = {}
    for package_id, line_id, sku, quantity in tx.execute(RETURNS["sent"], {"ids": list(package_ids)}):
        found.setdefault(package_id, []).append(SentLine(line_id, sku or "", quantity))
    return found


def receive_return(
    tx: Connection, row: ReturnRow, lines: Sequence[BackLine], *, why: ReturnReason, location: str, by: str
) -> bool:
    """Write down what came back of a locked package. False: it was counted before, and nothing is changed.

    `why`: of one that was not expected until now.
    """
    named = {
        "package_id": row.package_id,
        "order_id": row.order_id,
        "why": why,
        "by": by,
        "location": location,
    }
    if tx.execute(RETURNS["receive"], named).fetchone() is None:
        return False
    rows = rows_json(
        {
            "line_id": one.line_id,
            "sku": one.sku,
            "sent": one.sent,
            "sellable": one.back.sellable,
            "damaged": one.back.damaged,
        }
        for one in lines
    )
    tx.execute(RETURNS["add_lines"], {"package_id": row.package_id, "rows": rows})
    return True


def all_back(tx: Connection, fulfillment_order_ids: Sequence[int]) -> set[int]:
    """Of locked fulfillment orders, those of which every package was counted back. No statement for none."""
    if not fulfillment_order_ids:
        return set()
    return {row[0] for row in tx.execute(RETURNS["all_back"], {"ids": list(fulfillment_order_ids)})}


def overdue_returns(tx: Connection, limit: int) -> list[OverdueReturn]:
    """Returns past their clock that have no case yet, the oldest first."""
    hours = CLOCKS[ClockName.EXPECTED_RETURN].hours
    named = {"hours": hours, "kind": CaseKind.RETURN_OVERDUE, "limit": limit}
    with tx.cursor(row_factory=class_row(OverdueReturn)) as cursor:
        return cursor.execute(RETURNS["overdue"], named).fetchall()


def returns_of(connection: Connection, order_id: int) -> list[ReturnSum]:
    """The returns of an order's packages."""
    with connection.cursor(row_factory=class_row(ReturnSum)) as cursor:
        return cursor.execute(RETURNS["of_order"], {"order_id": order_id}).fetchall()
