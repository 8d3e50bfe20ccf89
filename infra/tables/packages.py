"""Packages and what lies in them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

from psycopg.rows import class_row

from domain.order import Lane, OrderKey
from domain.states import State
from infra.tables.pool import Connection
from infra.tables.rows import Row, rows_json
from infra.tables.sql import load

PACKAGES = load("packages")

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

    `early_s`: until the order may be labelled; 0: it may. `is_day_read`: that was read from the content that the order
    has, which a worker of an earlier version does not do. `lines`: (line, pieces) of the package. `version`: of the
    order's content. `is_cancelled`: the order goes on without the package.
    """

    number: int
    courier: str
    account: str
    location: str
    service: str
    weight_g: int
    status: str | None
    reference: str | None
    is_cancelled: bool
    is_asked_about: bool
    busy_s: float
    early_s: float
    is_day_read: bool
    voided: int
    version: bytes
    lines: tuple[tuple[str, int], ...] = ()


class NewPackage(NamedTuple):
    """A package to make of all that is in no package yet of a fulfillment order. `account`: the courier's."""

    fulfillment_order_id: int
    courier: str
    account: str
    location: str
    service: str
    weight_g: int


class ScannedRow(NamedTuple):
    """A package with a waybill, as a scan finds it. `shop`, `account`: those of shop and courier.

    `is_cancelled`: it must not leave. `has_left`: it was handed over before. `is_voided`: its waybill is dead.
    `resume_state`: what a hold has interrupted; `is_stopping`: the hold of an open stop.
    """

    reference: str
    waybill: str
    package_id: int
    fulfillment_order_id: int
    state: State
    lane: Lane
    order_id: int
    shop: str
    account: str
    has_left: bool
    is_cancelled: bool
    is_voided: bool
    resume_state: State | None
    is_stopping: bool


class Stamp(NamedTuple):
    """When a package was packed and handed over, as far as that is known; a time that is stored already stays."""

    package_id: int
    packed_at: str | None
    handed_over_at: str | None


class TrackedTimes(NamedTuple):
    """What a package's events say of it: when it was collected and when it was signed for; None: not yet."""

    package_id: int
    collected_at: datetime | None
    delivered_at: datetime | None


def load_unlabelled(tx: Connection, package_ids: Sequence[int]) -> list[UnlabelledRow]:
    """Packages with the live shipment, if there is one; their fulfillment orders are locked."""
    rows = load_rows(tx, PACKAGES["load_packages"], package_ids, UnlabelledRow)
    contents: dict[int, list[tuple[str, int]]] = {}
    for package_id, line_id, quantity in tx.execute(PACKAGES["load_contents"], {"ids": list(package_ids)}):
        contents.setdefault(package_id, []).append((line_id, quantity))
    return [replace(row, lines=tuple(contents.get(row.package_id, ()))) for row in rows]


def load_rows(tx: Connection, query: bytes, ids: Sequence[int], kind: type[R]) -> list[R]:
    """The rows of a query that asks for `ids`, as values of a class with its columns."""
    with tx.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(query, {"ids": list(ids)}).fetchall()


def create_packages(tx: Connection, packages: Sequence[NewPackage]) -> dict[int, int]:
    """Make a package for each fulfillment order; package ids by fulfillment order. Those must be locked."""
    rows = rows_json(one._asdict() for one in packages)
    made = tx.execute(PACKAGES["create_packages"], {"rows": rows}).fetchall()
    return {fulfillment_order_id: package_id for package_id, fulfillment_order_id in made}


class CancelledPackage(NamedTuple):
    """A package that leaves no more. `waybill`, under `reference` at its courier: it has one, which lives.

    `is_told`: the platform heard, or may have. `last_waybill`: the last one, which may be void.
    """

    id: int
    fulfillment_order_id: int
    courier: str
    reference: str | None
    waybill: str | None
    is_told: bool
    last_waybill: str | None


def cancel_packages(tx: Connection, fulfillment_order_ids: Sequence[int]) -> list[CancelledPackage]:
    """Cancel the packages of locked fulfillment orders that have not left. No statement for none."""
    if not fulfillment_order_ids:
        return []
    rows = tx.execute(PACKAGES["cancel_packages"], {"ids": list(fulfillment_order_ids)})
    return [CancelledPackage(*row) for row in rows]


class FilledPackage(NamedTuple):
    """A package that a warehouse has packed. `account`: the location's. `lines`: (line, pieces)."""

    fulfillment_order_id: int
    order_id: int
    courier: str
    account: str
    location: str
    weight_g: int
    lines: tuple[tuple[str, int], ...]


def create_filled(tx: Connection, packages: Sequence[FilledPackage]) -> list[tuple[int, int]]:
    """Make packages of locked fulfillment orders; (id, number) of each, in their order."""
    ordinals: list[int] = []
    counts: dict[int, int] = {}
    for one in packages:
        counts[one.fulfillment_order_id] = counts.get(one.fulfillment_order_id, 0) + 1
        ordinals.append(counts[one.fulfillment_order_id])
    rows: list[Row] = [
        {
            "fulfillment_order_id": one.fulfillment_order_id,
            "ordinal": ordinal,
            "courier": one.courier,
            "account": one.account,
            "location": one.location,
            "weight_g": one.weight_g,
        }
        for one, ordinal in zip(packages, ordinals, strict=True)
    ]
    lines: list[Row] = [
        {
            "fulfillment_order_id": one.fulfillment_order_id,
            "ordinal": ordinal,
            "order_id": one.order_id,
            "line_id": line_id,
            "quantity": quantity,
        }
        for one, ordinal in zip(packages, ordinals, strict=True)
        for line_id, quantity in one.lines
    ]
    named = {"rows": rows_json(rows), "lines": rows_json(lines)}
    made = {
        (id_, ordinal): (package, number)
        for id_, ordinal, package, number in tx.execute(PACKAGES["create_filled"], named)
    }
    return [made[one.fulfillment_order_id, ordinal] for one, ordinal in zip(packages, ordinals, strict=True)]


class Unwantedness(StrEnum):
    """Why nobody wants the waybill of a package.

    `ENDED`: the package or its order has ended here. `STOPPING`: a stop of the order is open. `CLOSED_BY_PLATFORM`: the
    platform has closed the order, and nothing has followed yet.
    """

    ENDED = "ended"
    STOPPING = "stopping"
    CLOSED_BY_PLATFORM = "closed_by_platform"


def unwanted_packages(tx: Connection, package_ids: Sequence[int]) -> dict[int, Unwantedness]:
    """Of some packages, those whose waybill nobody wants, and why. No statement for none."""
    if not package_ids:
        return {}
    rows = tx.execute(PACKAGES["unwanted_packages"], {"ids": list(package_ids)})
    return {id_: Unwantedness(why) for id_, why in rows}


def lock_scanned(tx: Connection, references: Sequence[str]) -> list[ScannedRow]:
    """Packages with a waybill under these references; locks their fulfillment orders, in id order."""
    rows = tx.execute(PACKAGES["packages_by_reference"], {"references": list(references)})
    return [_scanned(row) for row in rows]


def _scanned(row: tuple[Any, ...]) -> ScannedRow:
    state, lane, resume_state = State(row[4]), Lane(row[5]), row[-2]
    return ScannedRow._make((*row[:4], state, lane, *row[6:-2], State(resume_state) if resume_state else None, row[-1]))


def stamp_packages(tx: Connection, stamps: Sequence[Stamp]) -> None:
    """Store when packages were packed and handed over. No statement for none."""
    if stamps:
        rows: list[Row] = [
            {"id": one.package_id, "packed_at": one.packed_at, "handed_over_at": one.handed_over_at} for one in stamps
        ]
        tx.execute(PACKAGES["stamp_packages"], {"rows": rows_json(rows)})


def stamp_tracked(tx: Connection, tracked: Iterable[TrackedTimes]) -> None:
    """Store what the events of packages say of them, and that their courier has answered now."""
    rows = rows_json(
        {"id": one.package_id, "collected_at": _text(one.collected_at), "delivered_at": _text(one.delivered_at)}
        for one in tracked
    )
    tx.execute(PACKAGES["stamp_tracked"], {"rows": rows})


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
