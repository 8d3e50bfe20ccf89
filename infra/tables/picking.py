"""What people pick, pack and hand over at a location of our own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from psycopg.rows import class_row

from domain.dispatch import PlacementStatus
from domain.order import OrderKey
from infra.tables.pool import Connection
from infra.tables.sql import load

PICKING = load("picking")


class PlacementProgress(NamedTuple):
    """A document. `code`: why it was refused. `is_packed`: a package of it; `has_left`: all packages of it."""

    status: PlacementStatus
    code: str
    is_packed: bool
    has_left: bool


class PickRow(NamedTuple):
    """A package that waits to be picked. `reference`: ours, of the package."""

    package_id: int
    location: str
    courier: str
    lane: str
    state: str
    ship_by: datetime | None
    order_id: int
    platform: str
    shop: str
    platform_order_id: str
    reference: str
    waybill: str


class PiecesToPick(NamedTuple):
    """Pieces of one line in a package."""

    line_id: str
    sku: str
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFound:
    """A package that a person names by `name`: its waybill, its reference, or its document's reference.

    `status`: of the shipment. `document`: status of the last document, empty without one. `version`: of the order's
    content. `document_reference`: of that document. `others`: further packages of it that were not cancelled.
    `checked_s`: so long ago the platform allowed to ship; None: nobody knows. `holds`: codes of open holds.
    """

    name: str
    reference: str
    waybill: str
    status: str
    package_id: int
    location: str
    is_cancelled: bool
    is_packed: bool
    has_left: bool
    fulfillment_order_id: int
    state: str
    lane: str
    order_id: int
    platform: str
    shop: str
    platform_order_id: str
    platform_state: str
    version: bytes
    checked_s: float | None
    document: str
    document_reference: str
    others: int
    holds: Sequence[str]

    @property
    def key(self) -> OrderKey:
        return OrderKey(self.platform, self.shop, self.platform_order_id)


def document_progress(connection: Connection, reference: str) -> PlacementProgress | None:
    """A document by our reference; None for a reference that no document has."""
    row = connection.execute(PICKING["document_progress"], {"reference": reference}).fetchone()
    return None if row is None else PlacementProgress(PlacementStatus(row[0]), *row[1:])


def load_picks(tx: Connection, locations: Sequence[str], limit: int) -> list[PickRow]:
    """Packages that wait to be picked at these locations, the most urgent first; `limit` at most."""
    rows = tx.execute(PICKING["load_picks"], {"locations": list(locations), "limit": limit})
    return [PickRow(*row) for row in rows]


def load_pieces(tx: Connection, package_ids: Sequence[int]) -> dict[int, list[PiecesToPick]]:
    """What lies in packages, by package."""
    found: dict[int, list[PiecesToPick]] = {}
    for id_, *pieces in tx.execute(PICKING["load_pieces"], {"ids": list(package_ids)}):
        found.setdefault(id_, []).append(PiecesToPick(*pieces))
    return found


def find_packages(tx: Connection, names: Sequence[str], couriers: Sequence[str]) -> dict[str, list[PackageFound]]:
    """Packages by the names that mean them. A name that nothing has is not in it."""
    named = {"names": list(names), "couriers": list(couriers)}
    found: dict[str, list[PackageFound]] = {}
    with tx.cursor(row_factory=class_row(PackageFound)) as cursor:
        for row in cursor.execute(PICKING["find_packages"], named):
            found.setdefault(row.name, []).append(row)
    return found


def lock_package(tx: Connection, package_id: int) -> None:
    """Lock the fulfillment order of a package. What is read of it must be read after that."""
    tx.execute(PICKING["lock_package"], {"id": package_id})
