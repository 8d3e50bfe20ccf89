"""Packages, write-backs and notices as the remote steps read them: rows by name, each set in one statement."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from psycopg.rows import class_row

from domain.order import OrderKey
from infra.tables.pool import Connection
from infra.tables.sql import load

SHIPMENTS = load("shipments")

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRow:
    """A package of a platform order, with the state of its fulfillment order as text."""

    package_id: int
    fulfillment_order_id: int
    state: str
    lane: str
    order_id: int
    platform: str
    shop: str
    platform_order_id: str

    @property
    def key(self) -> OrderKey:
        return OrderKey(self.platform, self.shop, self.platform_order_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlabelledRow(PackageRow):
    """`status`, `reference`: the live shipment's. `is_asked_about`: a call may have happened, over in `busy_s`.

    `lines`: (line, pieces) of the package. `version`: of the order's content.
    """

    number: int
    courier: str
    account: str
    location: str
    service: str
    weight_g: int
    status: str | None
    reference: str | None
    is_asked_about: bool
    busy_s: float
    voided: int
    version: bytes
    lines: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WritebackRow(PackageRow):
    """`is_taken`: another package of the order is being told. `outside`: lines of which not all is in this package.

    The rest as in `UnlabelledRow`.
    """

    courier: str
    waybill: str
    shipped_at: datetime
    status: str
    is_asked_about: bool
    busy_s: float
    is_taken: bool
    outside: list[str]
    lines: list[tuple[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRow(PackageRow):
    notice_id: int
    event: str
    event_id: UUID
    channel: str
    occurred_at: datetime
    status: str
    courier: str
    waybill: str


@dataclass(frozen=True, slots=True)
class ContactRow:
    """How the receiver of a notice's package can be reached. Personal data: not for longer than one call."""

    notice_id: int
    phone: str = field(repr=False)
    pii: str
    merge_token: str = field(repr=False)


def load_unlabelled(tx: Connection, package_ids: Sequence[int]) -> list[UnlabelledRow]:
    """Packages with the live shipment, if there is one; their fulfillment orders are locked."""
    rows = _load(tx, "load_packages", package_ids, UnlabelledRow)
    contents: dict[int, list[tuple[str, int]]] = {}
    for package_id, line_id, quantity in tx.execute(SHIPMENTS["load_contents"], {"ids": list(package_ids)}):
        contents.setdefault(package_id, []).append((line_id, quantity))
    return [replace(row, lines=tuple(contents.get(row.package_id, ()))) for row in rows]


def load_writebacks(tx: Connection, package_ids: Sequence[int]) -> list[WritebackRow]:
    return _load(tx, "load_writebacks", package_ids, WritebackRow)


def load_notices(tx: Connection, notice_ids: Sequence[int]) -> list[NoticeRow]:
    return _load(tx, "load_notices", notice_ids, NoticeRow)


def load_contacts(tx: Connection, notice_ids: Sequence[int]) -> dict[int, ContactRow]:
    """By notice id."""
    return {row.notice_id: row for row in _load(tx, "load_contacts", notice_ids, ContactRow)}


def _load(tx: Connection, query: str, ids: Sequence[int], kind: type[R]) -> list[R]:
    with tx.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(SHIPMENTS[query], {"ids": list(ids)}).fetchall()


def living_waybills(tx: Connection, fulfillment_order_ids: Sequence[int]) -> dict[int, tuple[str, str]]:
    """(courier, waybill) of what is booked and has not left, by fulfillment order."""
    rows = tx.execute(SHIPMENTS["living_waybills"], {"ids": list(fulfillment_order_ids)}).fetchall()
    return {id_: (courier, waybill) for id_, courier, waybill in rows}


def ask_about(
    tx: Connection, fulfillment_order_ids: Sequence[int], *, is_suspect: bool = False
) -> list[tuple[str, str]]:
    """Make label due for calls that may have happened and that nobody asks about; (lane, account) of each."""
    named = {"ids": list(fulfillment_order_ids), "is_suspect": is_suspect}
    return [(lane, account) for lane, account in tx.execute(SHIPMENTS["ask_about"], named)]


def tell_untold(tx: Connection, fulfillment_order_id: int) -> list[tuple[str, str]]:
    """Make write-backs due that waited for a hold's end; (lane, account) of each."""
    return [(lane, account) for lane, account in tx.execute(SHIPMENTS["tell_untold"], {"id": fulfillment_order_id})]
