"""What follows a scan: the write-back at the moment that the shop's settings name, and once the package has left, the
notice to the buyer and the first look at its way; and the case of a parcel that left under another number than ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from actors.tools import Tools
from adapters.foreign import is_waybill
from domain.cases import CaseKind, case_id_of
from domain.errors import Facts
from domain.order import Lane
from domain.tracking import SHIPPED, event_name
from infra.engine.results import NewWork, SubjectRef
from infra.tables.cases import NewCase
from infra.tables.notices import NewNotice, want_notices
from infra.tables.pool import Connection
from infra.tables.writebacks import NewWriteback, want_writebacks


@dataclass(frozen=True, slots=True)
class ScannedPackage:
    """A package that was scanned, and when (ISO text) it was packed and handed over, if it was."""

    ref: SubjectRef
    shop: str
    packed_at: str | None
    handed_over_at: str | None


def want_followers(tx: Connection, tools: Tools, scanned: Sequence[ScannedPackage]) -> dict[int, tuple[NewWork, ...]]:
    """Write-backs at the moment each shop wants them, and notices for what left the house."""
    shops = tools.directory.shops
    ship_on = {one.shop: shops[one.shop].ship_on for one in scanned if one.shop in shops}
    told = [
        (one, one.packed_at if ship_on.get(one.shop) == "packed" else one.handed_over_at)
        for one in scanned
        if ship_on.get(one.shop) != "label"
    ]
    writebacks = [(one, at) for one, at in told if at]
    work: dict[int, tuple[NewWork, ...]] = {}
    want_writebacks(tx, [NewWriteback(one.ref.subject_id, one.ref.order_id, at) for one, at in writebacks])
    for one, _ in writebacks:
        work[one.ref.subject_id] = (NewWork("writeback", one.ref.subject_id, one.ref.lane, one.shop),)
    for one, notice_id, channel in _want_notices(tx, tools, [one for one in scanned if one.handed_over_at]):
        work[one.ref.subject_id] = (
            *work.get(one.ref.subject_id, ()),
            NewWork("notify", notice_id, one.ref.lane, channel, one.shop),
        )
    return work


def _want_notices(
    tx: Connection, tools: Tools, left: Sequence[ScannedPackage]
) -> list[tuple[ScannedPackage, int, str]]:
    notices = [
        NewNotice(one.ref.subject_id, event_name(SHIPPED), channel, one.handed_over_at)
        for one in left
        for channel, settings in tools.directory.channels.items()
        if SHIPPED in settings.events
    ]
    by_package = {one.ref.subject_id: one for one in left}
    return [(by_package[one.package_id], one.id, one.channel) for one in want_notices(tx, notices)]


def is_followed(tools: Tools, account: str) -> bool:
    """Whether the courier of an account tells when it has a package. A warehouse that books is no courier's account."""
    courier = tools.couriers.get(account)
    return courier is not None and courier.can_track


def first_look(tools: Tools, package_id: int, account: str, shop: str) -> NewWork:
    """The first look at a parcel that has just left, in the lane that urgent orders do not wait behind."""
    asked = tools.directory.couriers[account].tracking_account
    return NewWork("track", package_id, Lane.BULK, asked, shop, tools.settings.tracking.first_s)


def contradicting(ours: str, scanned: str) -> Facts:
    """The facts of a scan that names another number than `ours`.

    A text that is no waybill number may hold personal data: it is kept in the stored page only.
    """
    return {"waybill": ours, "scanned": scanned if is_waybill(scanned) else "not a waybill number"}


def wrong_waybill(shop: str, order_id: int, package_id: int | None, reference: str, facts: Facts) -> NewCase:
    """What has left under another number is stopped by no hold: somebody must find out what travels."""
    kind = CaseKind.WRONG_WAYBILL
    return NewCase(
        shop=shop,
        case_id=case_id_of(kind, reference),
        kind=kind,
        order_id=order_id,
        package_id=package_id,
        facts=facts,
    )
