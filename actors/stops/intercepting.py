"""Asks that parcels which have left, or will leave, come back. Everything happens in the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.order import Lane
from infra.engine.results import NewWork
from infra.tables.interceptions import want_intercepts
from infra.tables.pool import Connection

# The step that asks couriers to intercept parcels.
INTERCEPT = "intercept"


@dataclass(frozen=True, slots=True)
class ParcelToStop:
    """A package with a waybill. `account`: its courier's. `shop`: account of its order's shop."""

    package_id: int
    lane: Lane
    account: str
    shop: str


def want(tx: Connection, parcels: Sequence[ParcelToStop]) -> list[NewWork]:
    """Want the interception of parcels; the work that is due then. What is wanted already stays as it is."""
    want_intercepts(tx, [one.package_id for one in parcels])
    return [NewWork(INTERCEPT, one.package_id, one.lane, one.account, one.shop) for one in parcels]
