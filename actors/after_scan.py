"""What follows a scan: the platform hears of the package when its shop wants that, and buyers once it has left."""

from collections.abc import Sequence
from dataclasses import dataclass

from actors.tools import Tools
from infra.engine.results import NewWork, Place
from infra.tables.orders import rows_json
from infra.tables.pool import Connection
from infra.tables.shipments import SHIPMENTS

SHIPPED = "package.shipped"


@dataclass(frozen=True, slots=True)
class Left:
    """A package that was scanned, and when (ISO text) it was packed and handed over, if it was."""

    place: Place
    shop: str
    packed_at: str | None
    handed_over_at: str | None


def want_followers(tx: Connection, tools: Tools, scanned: Sequence[Left]) -> dict[int, tuple[NewWork, ...]]:
    """Write-backs at the moment each shop wants them, and notices for what left the house."""
    ship_on = {shop.account: shop.ship_on for shop in tools.settings.shops}
    told = [
        (one, one.packed_at if ship_on.get(one.shop) == "packed" else one.handed_over_at)
        for one in scanned
        if ship_on.get(one.shop) != "label"
    ]
    writebacks = [(one, at) for one, at in told if at]
    work: dict[int, tuple[NewWork, ...]] = {}
    if writebacks:
        rows = [
            {"package_id": one.place.package_id, "order_id": one.place.order_id, "shipped_at": at}
            for one, at in writebacks
        ]
        tx.execute(SHIPMENTS["want_writebacks"], {"rows": rows_json(rows)})
    for one, _ in writebacks:
        work[one.place.subject_id] = (NewWork("writeback", one.place.subject_id, one.place.lane, one.shop),)
    for one, notice_id, channel in _want_notices(tx, tools, [one for one in scanned if one.handed_over_at]):
        work[one.place.subject_id] = (
            *work.get(one.place.subject_id, ()),
            NewWork("notify", notice_id, one.place.lane, channel, one.shop),
        )
    return work


def _want_notices(tx: Connection, tools: Tools, left: Sequence[Left]) -> list[tuple[Left, int, str]]:
    rows = [
        {
            "package_id": one.place.package_id,
            "event": SHIPPED,
            "channel": channel.account,
            "occurred_at": one.handed_over_at,
        }
        for one in left
        for channel in tools.settings.channels
    ]
    if not rows:
        return []
    by_package = {one.place.package_id: one for one in left}
    return [
        (by_package[package_id], notice_id, channel)
        for notice_id, package_id, channel in tx.execute(SHIPMENTS["want_notices"], {"rows": rows_json(rows)})
    ]
