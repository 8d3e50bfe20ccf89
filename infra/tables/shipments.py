"""Shipments: a waybill of a courier, intended, booked or voided."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from psycopg.rows import class_row

from domain.order import Lane, OrderKey
from domain.references import reference
from domain.stops import VoidStatus
from infra.tables.pool import Connection
from infra.tables.rows import rows_json
from infra.tables.sql import load

SHIPMENTS = load("shipments")


class Intent(NamedTuple):
    """A booking that is about to be asked for. `unclear_s`: seconds until a look-up surely shows what was booked."""

    package_id: int
    generation: int
    reference: str
    courier: str
    unclear_s: float


class BookedShipment(NamedTuple):
    """A waybill that a courier gave for one of our references.

    `checked_before_s`: the platform allowed to ship no more than so many seconds before the intent's deadline; None: it
    was not asked for this call.
    """

    reference: str
    waybill: str
    sort_code: str
    checked_before_s: float | None = None


def intend_shipments(tx: Connection, intents: Iterable[Intent]) -> None:
    """Make intents durable before a courier hears of them; an intent that is there gets a new deadline."""
    tx.execute(SHIPMENTS["intend_shipments"], {"rows": rows_json(one._asdict() for one in intents)})


def book_shipments(tx: Connection, bookings: Iterable[BookedShipment]) -> None:
    """Intents became waybills."""
    tx.execute(SHIPMENTS["book_shipments"], {"rows": rows_json(one._asdict() for one in bookings)})


def note_checked(tx: Connection, package_id: int, age_s: float) -> None:
    """The platform allowed to ship a package so many seconds ago, asked after its waybill was booked."""
    tx.execute(SHIPMENTS["note_checked"], {"package_id": package_id, "age_s": age_s})


class WarehouseBooking(NamedTuple):
    """A waybill that a warehouse booked for a package, with its courier's name as the warehouse says it."""

    package_id: int
    reference: str
    courier: str
    waybill: str


def book_of_warehouse(tx: Connection, bookings: Sequence[WarehouseBooking]) -> None:
    """Packages have waybills that a warehouse booked. No statement for none."""
    if bookings:
        tx.execute(SHIPMENTS["book_of_warehouse"], {"rows": rows_json(one._asdict() for one in bookings)})


def void_shipments(tx: Connection, references: Sequence[str]) -> None:
    """The courier has cancelled these shipments."""
    tx.execute(SHIPMENTS["void_shipments"], {"references": list(references)})


class UnwantedPackage(NamedTuple):
    """A package whose waybill, or what a call may have booked, nobody wants. `shop`: account of the order's shop."""

    package_id: int
    fulfillment_order_id: int
    account: str
    lane: Lane
    shop: str


def want_voids(tx: Connection, package_ids: Sequence[int]) -> list[UnwantedPackage]:
    """Nobody wants the waybills of these packages any more, nor those that a call may have booked.

    Returns the packages with such a shipment at a contract of ours. No statement for none.
    """
    if not package_ids:
        return []
    rows = tx.execute(SHIPMENTS["want_voids"], {"ids": list(package_ids)})
    return [UnwantedPackage(id_, part, account, Lane(lane), shop) for id_, part, account, lane, shop in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnwantedRow:
    """A package whose waybill nobody wants. `busy_s`: so long a call that cancels it may still run.

    `shop`: account of the order's shop. `is_cancelled`: the order goes on without the package, unless it is closed.
    """

    package_id: int
    fulfillment_order_id: int
    state: str
    lane: str
    order_id: int
    shop: str
    account: str
    courier: str
    reference: str
    status: str
    waybill: str
    has_left: bool
    void: str
    is_cancelled: bool
    busy_s: float


def load_unwanted(tx: Connection, package_ids: Sequence[int]) -> list[UnwantedRow]:
    """Those of the packages whose waybill nobody wants; this transaction holds their fulfillment orders."""
    with tx.cursor(row_factory=class_row(UnwantedRow)) as cursor:
        return cursor.execute(SHIPMENTS["load_unwanted"], {"ids": list(package_ids)}).fetchall()


def intend_voids(tx: Connection, references: Sequence[str], call_s: float) -> None:
    """Couriers are about to be asked to cancel these shipments; a call takes `call_s` seconds at most.

    No statement for none.
    """
    if references:
        tx.execute(SHIPMENTS["intend_voids"], {"references": list(references), "call_s": call_s})


def note_voids(tx: Connection, answers: Mapping[str, VoidStatus]) -> None:
    """What couriers said of cancels that are not confirmed, by reference. No statement for none."""
    if answers:
        rows = rows_json({"reference": reference, "status": status} for reference, status in answers.items())
        tx.execute(SHIPMENTS["note_voids"], {"rows": rows})


def still_unwanted(tx: Connection, fulfillment_order_ids: Sequence[int]) -> set[int]:
    """Of some fulfillment orders, those with a living waybill of ours that nobody wants."""
    return {row[0] for row in tx.execute(SHIPMENTS["still_unwanted"], {"ids": list(fulfillment_order_ids)})}


def want_again(tx: Connection, fulfillment_order_ids: Sequence[int]) -> None:
    """Waybills are wanted after all, as long as no courier may still cancel them."""
    tx.execute(SHIPMENTS["want_again"], {"ids": list(fulfillment_order_ids)})


def settle_voids(tx: Connection, fulfillment_order_id: int) -> None:
    """A person has settled with the couriers what they had refused to cancel."""
    tx.execute(SHIPMENTS["settle_voids"], {"id": fulfillment_order_id})


def end_calls(tx: Connection, references: Sequence[str], lag_s: float) -> None:
    """Record that calls have ended with an unknown effect: the next try asks first, after `lag_s` seconds, when a
    look-up shows a booking.
    """
    tx.execute(SHIPMENTS["end_calls"], {"references": list(references), "lag_s": lag_s})


def clear_calls(tx: Connection, references: Sequence[str]) -> None:
    """Record that calls certainly had no effect, so that the next try need not ask first."""
    tx.execute(SHIPMENTS["clear_calls"], {"references": list(references)})


def being_labelled(tx: Connection, order_ids: Sequence[int]) -> set[int]:
    """Of some orders, those of which a worker is about to call a courier or a warehouse, or calls one now.

    No statement for none.
    """
    if not order_ids:
        return set()
    return {row[0] for row in tx.execute(SHIPMENTS["being_labelled"], {"order_ids": list(order_ids)})}


def give_up_intents(tx: Connection, fulfillment_order_id: int) -> None:
    """Void the intents that a person has settled with a courier without a look-up."""
    tx.execute(SHIPMENTS["give_up_intents"], {"id": fulfillment_order_id})


def waybill_owner(tx: Connection, our_reference: str, waybill: str) -> str | None:
    """The order whose package has this waybill of the same courier under another reference; None: nobody's."""
    row = tx.execute(SHIPMENTS["waybill_owner"], {"reference": our_reference, "waybill": waybill}).fetchone()
    return None if row is None else str(row[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageHere:
    """A package as we have it. `generation` and `waybill` are the live shipment's; `is_calling`: the step label works
    on the package.
    """

    id: int
    number: int
    courier: str
    account: str
    fulfillment_order_id: int
    state: str
    lane: str
    order_id: int
    platform: str
    shop: str
    platform_order_id: str
    generation: int | None
    waybill: str | None
    known_generation: int
    is_calling: bool

    @property
    def order(self) -> str:
        return f"{self.platform}/{self.shop}/{self.platform_order_id}"

    def reference(self, generation: int) -> str:
        return reference(OrderKey(self.platform, self.shop, self.platform_order_id), self.number, generation)


class FoundShipment(NamedTuple):
    """A shipment that lives, or was cancelled, at the courier."""

    package_id: int
    generation: int
    reference: str
    courier: str
    waybill: str


def packages_since(tx: Connection, since: datetime, *, after: int, limit: int) -> list[PackageHere]:
    """A page of packages made since then, with an id above `after`."""
    with tx.cursor(row_factory=class_row(PackageHere)) as cursor:
        named = {"since": since, "after": after, "limit": limit}
        return cursor.execute(SHIPMENTS["packages_since"], named).fetchall()


def intend_found(tx: Connection, found: FoundShipment) -> None:
    """Make what lives at the courier our intent, and void every other generation of the package."""
    named = found._asdict()
    tx.execute(SHIPMENTS["void_others"], named)
    tx.execute(SHIPMENTS["intend_found"], named)


def note_voided(connection: Connection, found: FoundShipment) -> None:
    """Write down that a generation was cancelled at the courier."""
    connection.execute(SHIPMENTS["note_voided"], found._asdict())


def booked_waybill(connection: Connection, package_id: int) -> str | None:
    """The waybill of a package; None: it has none."""
    row = connection.execute(SHIPMENTS["booked_waybill"], {"package_id": package_id}).fetchone()
    return None if row is None else str(row[0])


def ask_about(
    tx: Connection, fulfillment_order_ids: Sequence[int], *, is_suspect: bool = False
) -> list[tuple[str, str]]:
    """Make label due for calls with an unknown outcome that no work asks about; (lane, account) of each."""
    named = {"ids": list(fulfillment_order_ids), "is_suspect": is_suspect}
    return [(lane, account) for lane, account in tx.execute(SHIPMENTS["ask_about"], named)]


def is_label_leased(tx: Connection, package_id: int) -> bool:
    """Whether a worker labels this package now; locks the label work, if there is any."""
    row = tx.execute(SHIPMENTS["lock_label"], {"package_id": package_id}).fetchone()
    return row is not None and bool(row[0])


def add_label(tx: Connection, package_id: int, lane: str, account: str) -> list[tuple[str, str]]:
    """Make label of a package due now; (lane, account) of the work."""
    named = {"package_id": package_id, "lane": lane, "account": account}
    return [(lane, account) for lane, account in tx.execute(SHIPMENTS["label_found"], named)]


def label_letters(tx: Connection, package_id: int) -> list[int]:
    """Open letters about the label of a package."""
    return [row[0] for row in tx.execute(SHIPMENTS["label_letters"], {"package_id": package_id})]
