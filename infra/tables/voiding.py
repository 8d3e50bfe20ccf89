"""Packages whose waybills persons have cancelled: found by what is on the label, and where each stands. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from infra.tables.pool import Connection
from infra.tables.sql import load

VOIDING = load("voiding")


@dataclass(frozen=True, slots=True, kw_only=True)
class Voidable:
    """A package with its last shipment. `status`: of that; empty: none was ever begun. `void`: what its courier said of
    a cancel.

    `is_unwanted`: somebody wants it cancelled already. `is_stopping`: a stop of its fulfillment order is open.
    `is_at_warehouse`: a warehouse has it and may still ship it.
    """

    package_id: int
    order_id: int
    fulfillment_order_id: int
    state: str
    lane: str
    shop: str
    account: str
    courier: str
    reference: str
    waybill: str
    status: str
    void: str
    has_left: bool
    is_cancelled: bool
    is_unwanted: bool
    is_stopping: bool
    is_at_warehouse: bool


def load_voidable(tx: Connection, package_ids: Sequence[int]) -> list[Voidable]:
    """Packages by id. One that is not there is left out."""
    with tx.cursor(row_factory=class_row(Voidable)) as cursor:
        return cursor.execute(VOIDING["packages"], {"ids": list(package_ids)}).fetchall()


def packages_named(tx: Connection, names: Sequence[str]) -> dict[str, list[int]]:
    """Packages by a waybill or a reference of theirs, former ones too."""
    found: dict[str, list[int]] = {}
    for name, package_id in tx.execute(VOIDING["named"], {"names": list(names)}):
        found.setdefault(name, []).append(package_id)
    return found
