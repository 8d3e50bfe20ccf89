"""Packages and what lies in them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

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

    `early_s`: until the order may be labelled; 0: it may. `lines`: (line, pieces) of the package. `version`: of the
    order's content.
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
    early_s: float
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
    """A package with a waybill, as a scan finds it. `shop`: the account."""

    reference: str
    waybill: str
    package_id: int
    fulfillment_order_id: int
    state: State
    lane: Lane
    order_id: int
    shop: str


class Stamp(NamedTuple):
    """When a package was packed and handed over, as far as that is known; a time that is stored already stays."""

    package_id: int
    packed_at: str | None
    handed_over_at: str | None


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


def closed_packages(tx: Connection, package_ids: Sequence[int]) -> set[int]:
    """Of some packages, those whose order is closed, here or on its platform."""
    return {row[0] for row in tx.execute(PACKAGES["closed_packages"], {"ids": list(package_ids)})}


def lock_scanned(tx: Connection, references: Sequence[str]) -> list[ScannedRow]:
    """Packages with a waybill under these references; locks their fulfillment orders, in id order."""
    rows = tx.execute(PACKAGES["packages_by_reference"], {"references": list(references)})
    return [
        ScannedRow(
            reference, waybill, id_, fulfillment_order_id, State(state), Lane(lane), order_id, f"{platform}/{shop}"
        )
        for reference, waybill, id_, fulfillment_order_id, state, lane, order_id, platform, shop in rows
    ]


def stamp_packages(tx: Connection, stamps: Sequence[Stamp]) -> None:
    """Store when packages were packed and handed over. No statement for none."""
    if stamps:
        rows: list[Row] = [
            {"id": one.package_id, "packed_at": one.packed_at, "handed_over_at": one.handed_over_at} for one in stamps
        ]
        tx.execute(PACKAGES["stamp_packages"], {"rows": rows_json(rows)})
