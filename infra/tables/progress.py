"""How far the work of each step has come. A step's declaration names the functions that answer for it.

All take an open transaction and ids, and read only.
"""

from collections.abc import Sequence

from domain.steps import OpenCall, OpenSubject
from infra.tables.pool import Connection
from infra.tables.sql import load

PROGRESS = load("progress")


def closed_gaps(tx: Connection, subject_ids: Sequence[int]) -> set[int]:
    """The closed ones of the subjects that are gaps in a shop's listing (ids below zero). A shop is never done."""
    return _ids(tx, PROGRESS["closed_gaps"], subject_ids)


def read_payloads(tx: Connection, payload_ids: Sequence[int]) -> set[int]:
    """Payloads whose order has their content or a newer one."""
    return _ids(tx, PROGRESS["read_payloads"], payload_ids)


def promised_orders(tx: Connection, fulfillment_order_ids: Sequence[int]) -> set[int]:
    """Fulfillment orders that have stock."""
    return _ids(tx, PROGRESS["promised"], fulfillment_order_ids)


def booked_packages(tx: Connection, package_ids: Sequence[int]) -> set[int]:
    """Packages with a waybill."""
    return _ids(tx, PROGRESS["booked"], package_ids)


def open_bookings(tx: Connection, package_ids: Sequence[int]) -> dict[int, OpenCall]:
    """Bookings that were intended and not recorded, by package."""
    rows = tx.execute(PROGRESS["open_bookings"], {"ids": list(package_ids)})
    return {package_id: OpenCall(reference, is_unresolved) for package_id, reference, is_unresolved in rows}


def unbooked_packages(tx: Connection, fulfillment_order_ids: Sequence[int]) -> list[OpenSubject]:
    """Packages without a waybill, each with its courier's account."""
    return _open(tx, PROGRESS["unbooked"], fulfillment_order_ids)


def dispatched_orders(tx: Connection, fulfillment_order_ids: Sequence[int]) -> set[int]:
    """Fulfillment orders whose warehouse has their document."""
    return _ids(tx, PROGRESS["dispatched"], fulfillment_order_ids)


def open_documents(tx: Connection, fulfillment_order_ids: Sequence[int]) -> dict[int, OpenCall]:
    """Documents that were about to be placed, by fulfillment order."""
    rows = tx.execute(PROGRESS["open_documents"], {"ids": list(fulfillment_order_ids)})
    return {id_: OpenCall(reference, is_unresolved) for id_, reference, is_unresolved in rows}


def undispatched_orders(tx: Connection, fulfillment_order_ids: Sequence[int]) -> list[OpenSubject]:
    """Fulfillment orders whose document the warehouse has yet to get, each with the location's account."""
    return _open(tx, PROGRESS["undispatched"], fulfillment_order_ids)


def confirmed_packages(tx: Connection, package_ids: Sequence[int]) -> set[int]:
    """Packages whose platform shows their waybill."""
    return _ids(tx, PROGRESS["confirmed"], package_ids)


def unconfirmed_packages(tx: Connection, fulfillment_order_ids: Sequence[int]) -> list[OpenSubject]:
    """Packages whose write-back is not confirmed, each with its shop's account."""
    return _open(tx, PROGRESS["unconfirmed"], fulfillment_order_ids)


def ended_notices(tx: Connection, notice_ids: Sequence[int]) -> set[int]:
    """Notices that need no further call."""
    return _ids(tx, PROGRESS["ended_notices"], notice_ids)


def ended_stops(tx: Connection, fulfillment_order_ids: Sequence[int]) -> set[int]:
    """Fulfillment orders without an open stop."""
    return set(fulfillment_order_ids) - _ids(tx, PROGRESS["unstopped"], fulfillment_order_ids)


def open_recalls(tx: Connection, fulfillment_order_ids: Sequence[int]) -> dict[int, OpenCall]:
    """Documents to stop, by fulfillment order. A stop may be repeated, so its call is asked again in every state."""
    rows = tx.execute(PROGRESS["open_recalls"], {"ids": list(fulfillment_order_ids)})
    return {id_: OpenCall(reference, is_unresolved=True) for id_, reference in rows}


def ended_recalls(tx: Connection, fulfillment_order_ids: Sequence[int]) -> set[int]:
    """Fulfillment orders of which no document is to be stopped."""
    return set(fulfillment_order_ids) - open_recalls(tx, fulfillment_order_ids).keys()


def open_voids(tx: Connection, package_ids: Sequence[int]) -> dict[int, OpenCall]:
    """Living waybills that nobody wants, by package. A cancel may be repeated."""
    rows = tx.execute(PROGRESS["open_voids"], {"ids": list(package_ids)})
    return {id_: OpenCall(reference, is_unresolved=True) for id_, reference in rows}


def ended_voids(tx: Connection, package_ids: Sequence[int]) -> set[int]:
    """Packages without a living waybill that nobody wants."""
    return set(package_ids) - open_voids(tx, package_ids).keys()


def _ids(tx: Connection, query: bytes, ids: Sequence[int]) -> set[int]:
    return {row[0] for row in tx.execute(query, {"ids": list(ids)})}


def _open(tx: Connection, query: bytes, ids: Sequence[int]) -> list[OpenSubject]:
    return [OpenSubject(subject_id, account) for subject_id, account in tx.execute(query, {"ids": list(ids)})]
