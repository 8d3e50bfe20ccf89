"""Parcels that have left, and what their couriers tell of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from domain.cases import BESIDE_THE_ORDER
from domain.order import Lane
from domain.tracking import ParcelEvent, ParcelKind
from infra.tables.packages import PackageRow, load_rows
from infra.tables.pool import Connection
from infra.tables.rows import rows_json
from infra.tables.sql import load

TRACKING = load("tracking")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedRow(PackageRow):
    """A package that was handed over under a waybill. `account`: the courier's.

    `is_intercepted`: its courier is to bring it back, and no attempt has ended in vain; or it is back.
    """

    account: str
    location: str
    courier: str
    reference: str
    waybill: str
    handed_over_at: datetime
    delivered_at: datetime | None
    is_intercepted: bool


class NewEvent(NamedTuple):
    """An event of a package; `detail` holds codes of the courier beside `code`."""

    package_id: int
    at: datetime
    code: str
    kind: ParcelKind
    detail: str


class ParcelDelivery(NamedTuple):
    """Of a fulfillment order: when its last package was signed for, and whether a case keeps its order open."""

    delivered_at: datetime | None
    has_case: bool


def load_tracked(tx: Connection, package_ids: Sequence[int]) -> list[TrackedRow]:
    """Those of some packages that were handed over under a waybill; their fulfillment orders are locked."""
    return load_rows(tx, TRACKING["load_tracked"], package_ids, TrackedRow)


def load_phones(tx: Connection, package_ids: Sequence[int]) -> dict[int, str]:
    """Phones of receivers, as far as they are known in the plain. Personal data. No statement for none."""
    if not package_ids:
        return {}
    return dict(tx.execute(TRACKING["load_phones"], {"ids": list(package_ids)}).fetchall())


def events_of(tx: Connection, package_ids: Sequence[int]) -> dict[int, set[ParcelEvent]]:
    """The stored events of packages."""
    found: dict[int, set[ParcelEvent]] = {id_: set() for id_ in package_ids}
    for package_id, code, kind, at in tx.execute(TRACKING["events_of"], {"ids": list(package_ids)}):
        found[package_id].add(ParcelEvent(code, ParcelKind(kind), at))
    return found


def keep_events(tx: Connection, events: Sequence[NewEvent]) -> None:
    """Store events; what is stored already stays as it is. No statement for none."""
    if events:
        rows = rows_json({**one._asdict(), "at": one.at.isoformat()} for one in events)
        tx.execute(TRACKING["keep_events"], {"rows": rows})


def deliveries(tx: Connection, fulfillment_order_ids: Sequence[int]) -> Mapping[int, ParcelDelivery]:
    """How far the deliveries of fulfillment orders are. No statement for none."""
    if not fulfillment_order_ids:
        return {}
    rows = tx.execute(TRACKING["deliveries"], {"ids": list(fulfillment_order_ids), "beside": sorted(BESIDE_THE_ORDER)})
    return {id_: ParcelDelivery(delivered_at, has_case) for id_, delivered_at, has_case in rows}


def follow_forgotten(
    tx: Connection, accounts: Mapping[str, str], *, newest: int, within_s: float, limit: int
) -> list[tuple[Lane, str]]:
    """Make track due for parcels that have left and that nobody follows, `limit` at most; (lane, account) of each.

    `accounts`: of the couriers that are asked, each with the account of its questions. `newest`: packages that are
    looked at. Parcels that left longer than `within_s` seconds ago, or before parcels were followed at all, are left.
    """
    named = {
        "accounts": list(accounts),
        "asked": list(accounts.values()),
        "newest": newest,
        "within_s": within_s,
        "limit": limit,
    }
    return [(Lane(lane), account) for lane, account in tx.execute(TRACKING["follow_forgotten"], named)]
