"""Placements: a document at a warehouse, intended, placed, refused, stopped or final."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from psycopg.rows import class_row

from domain.dispatch import PlacementStatus
from domain.order import Lane, OrderKey
from domain.references import document_reference
from domain.states import State
from domain.stops import RecallStatus
from infra.tables.pool import Connection
from infra.tables.rows import rows_json
from infra.tables.sql import load

PLACEMENTS = load("placements")


class KnownPackage(NamedTuple):
    """A package that was not cancelled, with its live shipment.

    `checked_s`: so long before its booking was recorded the platform allowed to ship; None: it was not asked then.
    `account`: who booked it, a courier account or the warehouse. `has_left`: it was handed over. `has_pieces`: not one
    that a warehouse named beside packages that hold everything.
    """

    id: int
    courier: str
    status: str | None
    reference: str | None
    waybill: str | None
    sort_code: str
    checked_s: float | None
    account: str
    has_left: bool
    has_pieces: bool

    @property
    def is_booked(self) -> bool:
        return self.status == "booked"


class Pieces(NamedTuple):
    """Pieces of a line in a fulfillment order, and how many of them are in packages."""

    line_id: str
    quantity: int
    packed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UndispatchedRow:
    """A fulfillment order whose row this transaction holds, with its live placement.

    `status` and `reference` are None without one; `is_asked_about`: a call may have happened, over in `busy_s` seconds.
    `checked_s`: so long ago the platform allowed to ship, asked for this document. `ended`: the last generation that
    was refused or stopped. `version`: of the order's content. `early_s`: until the order may be handed to a warehouse.
    `is_day_read`: as in `infra.tables.packages.UnlabelledRow`.
    """

    fulfillment_order_id: int
    state: str
    lane: str
    number: int
    location: str | None
    order_id: int
    platform: str
    shop: str
    platform_order_id: str
    version: bytes
    status: str | None
    reference: str | None
    courier: str
    service: str
    their_id: str
    is_asked_about: bool
    busy_s: float
    checked_s: float | None
    early_s: float
    is_day_read: bool
    ended: int

    @property
    def key(self) -> OrderKey:
        return OrderKey(self.platform, self.shop, self.platform_order_id)

    @property
    def package_id(self) -> int | None:
        return None


class Wanted(NamedTuple):
    """A document for a warehouse that books. `courier`, `service`: wanted; empty for its own choice."""

    fulfillment_order_id: int
    location: str
    courier: str
    service: str


class PlacementIntent(NamedTuple):
    """A document that is about to be placed. `unclear_s`: seconds until a look-up surely shows what was placed."""

    fulfillment_order_id: int
    location: str
    generation: int
    reference: str
    unclear_s: float


class Placed(NamedTuple):
    """A warehouse has the document. `parts`: its ids of the parts into which it has cut it."""

    reference: str
    their_id: str
    parts: tuple[str, ...]
    checked_s: float | None


class Ended(NamedTuple):
    """A document that was refused or stopped, or whose end the warehouse has told. `code`: why it was refused."""

    reference: str
    status: PlacementStatus
    code: str = ""


class CallEnded(NamedTuple):
    """A call that is over. `is_clear`: surely without effect. `lag_s`: until a look-up shows what was placed."""

    reference: str
    is_clear: bool
    lag_s: float
    checked_s: float | None


class Heard(NamedTuple):
    """An event spoke of a document. `parts`: the warehouse's ids of parts whose end it tells."""

    reference: str
    their_id: str
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentHere:
    """A fulfillment order and its live document as we have them. `generation`: None without one.

    `is_placed`: as far as we know. `known_generation`: the highest that a warehouse may have heard of. `is_calling`:
    the step dispatch works on it.
    """

    id: int
    number: int
    state: str
    lane: str
    order_id: int
    platform: str
    shop: str
    platform_order_id: str
    generation: int | None
    location: str
    is_placed: bool
    known_generation: int
    is_calling: bool

    @property
    def order(self) -> str:
        return f"{self.platform}/{self.shop}/{self.platform_order_id}"

    def reference(self, generation: int) -> str:
        return document_reference(OrderKey(self.platform, self.shop, self.platform_order_id), self.number, generation)


class DocumentRow(NamedTuple):
    """A document, as an event finds it, with its fulfillment order locked. `is_stopping`: held by an open stop."""

    reference: str
    status: PlacementStatus
    location: str
    open_parts: tuple[str, ...]
    fulfillment_order_id: int
    number: int
    state: State
    resume_state: State | None
    lane: Lane
    is_stopping: bool
    order_id: int
    key: OrderKey


def load_undispatched(tx: Connection, ids: Sequence[int]) -> list[UndispatchedRow]:
    """Fulfillment orders with the live placement, if there is one; locks them, in id order."""
    with tx.cursor(row_factory=class_row(UndispatchedRow)) as cursor:
        return cursor.execute(PLACEMENTS["load_undispatched"], {"ids": list(ids)}).fetchall()


def load_contents(tx: Connection, ids: Sequence[int]) -> tuple[dict[int, list[KnownPackage]], dict[int, list[Pieces]]]:
    """Packages and pieces of locked fulfillment orders, by their ids."""
    named = {"ids": list(ids)}
    with tx.pipeline():
        packages = tx.execute(PLACEMENTS["load_boxes"], named)
        lines = tx.execute(PLACEMENTS["load_pieces"], named)
    boxes: dict[int, list[KnownPackage]] = {}
    for id_, *box in packages:
        boxes.setdefault(id_, []).append(KnownPackage(*box))
    pieces: dict[int, list[Pieces]] = {}
    for id_, *line in lines:
        pieces.setdefault(id_, []).append(Pieces(*line))
    return boxes, pieces


def want_documents(tx: Connection, wanted: Sequence[Wanted]) -> None:
    """Want documents of warehouses that book. No statement for none."""
    if wanted:
        tx.execute(PLACEMENTS["want"], {"rows": rows_json(one._asdict() for one in wanted)})


def intend_placements(tx: Connection, intents: Iterable[PlacementIntent]) -> None:
    """Make intents durable before a warehouse hears of them; an intent that is there gets a new deadline."""
    tx.execute(PLACEMENTS["intend"], {"rows": rows_json(one._asdict() for one in intents)})


def place_documents(tx: Connection, placed: Sequence[Placed]) -> None:
    """Intents became documents at a warehouse. No statement for none."""
    if placed:
        rows = rows_json({**one._asdict(), "parts": _array(one.parts)} for one in placed)
        tx.execute(PLACEMENTS["place"], {"rows": rows})


def end_documents(tx: Connection, ended: Sequence[Ended]) -> None:
    """Nothing more is asked about these documents. No statement for none."""
    if ended:
        tx.execute(PLACEMENTS["end"], {"rows": rows_json(one._asdict() for one in ended)})


def end_calls(tx: Connection, ended: Sequence[CallEnded]) -> None:
    """Calls are over that placed nothing as far as is known. No statement for none."""
    if ended:
        tx.execute(PLACEMENTS["end_calls"], {"rows": rows_json(one._asdict() for one in ended)})


def documents_since(tx: Connection, since: datetime, *, after: int, limit: int) -> list[DocumentHere]:
    """A page of fulfillment orders of orders that came since then and have not left, with an id above `after`."""
    named = {"since": since, "after": after, "limit": limit}
    with tx.cursor(row_factory=class_row(DocumentHere)) as cursor:
        return cursor.execute(PLACEMENTS["documents_since"], named).fetchall()


def adopt_document(tx: Connection, id_: int, location: str, generation: int, reference: str) -> bool:
    """Make what lives at a warehouse our intent, and dispatch due, which asks and records; False: a worker is at it."""
    row = tx.execute(PLACEMENTS["is_dispatching"], {"id": id_}).fetchone()
    if row is not None and row[0]:
        return False
    named = {"id": id_, "location": location, "generation": generation, "reference": reference}
    tx.execute(PLACEMENTS["intend_found"], named)
    ask_about_documents(tx, [id_])
    return True


def note_asked(tx: Connection, references: Sequence[str]) -> None:
    """The warehouse was asked about placed documents just now. No statement for none."""
    if references:
        tx.execute(PLACEMENTS["note_asked"], {"references": list(references)})


def lock_documents(tx: Connection, references: Sequence[str]) -> list[DocumentRow]:
    """Documents by our references; locks their fulfillment orders, in id order."""
    rows = tx.execute(PLACEMENTS["lock_documents"], {"references": list(references)})
    return [_document(row) for row in rows]


def lock_told(tx: Connection, references: Sequence[str]) -> None:
    """Lock the fulfillment orders of documents and packages, in id order, before either kind is looked at."""
    tx.execute(PLACEMENTS["lock_told"], {"references": list(references)})


def _document(row: tuple[Any, ...]) -> DocumentRow:
    reference, status, location, parts, id_, number, state, resume_state, lane, is_stopping, order_id, *key = row
    return DocumentRow(
        reference,
        PlacementStatus(status),
        location,
        tuple(parts),
        id_,
        number,
        State(state),
        State(resume_state) if resume_state else None,
        Lane(lane),
        is_stopping,
        order_id,
        OrderKey(*key),
    )


def note_heard(tx: Connection, heard: Sequence[Heard]) -> None:
    """Events spoke of documents: the warehouse has them, whatever became of the call. No statement for none."""
    if heard:
        rows = rows_json({**one._asdict(), "parts": _array(one.parts)} for one in heard)
        tx.execute(PLACEMENTS["note_heard"], {"rows": rows})


def hear_of_packages(tx: Connection, fulfillment_order_ids: Sequence[int]) -> None:
    """Scans spoke of packages that we booked; a document whose packages have all left is final.

    No statement for none.
    """
    if fulfillment_order_ids:
        tx.execute(PLACEMENTS["hear_of_packages"], {"ids": sorted(set(fulfillment_order_ids))})


def _array(texts: Iterable[str]) -> list[str]:
    """`json_to_recordset` reads a list of texts as text[]."""
    return list(texts)


def give_up_placement(tx: Connection, fulfillment_order_id: int) -> None:
    """A person has asked the warehouse, which has no document of the fulfillment order: the next try need not ask."""
    tx.execute(PLACEMENTS["give_up"], {"id": fulfillment_order_id})


def ask_about_documents(
    tx: Connection, fulfillment_order_ids: Sequence[int], *, is_suspect: bool = False
) -> list[tuple[str, str]]:
    """Make dispatch due for calls that may have happened and that nobody asks about; (lane, account) of each."""
    named = {"ids": list(fulfillment_order_ids), "is_suspect": is_suspect}
    return [(lane, account) for lane, account in tx.execute(PLACEMENTS["ask_about"], named)]


def ask_quiet(tx: Connection, *, quiet_s: float, limit: int, without: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Make dispatch due for placed documents of which nothing was heard for so long; (lane, account) of each.

    `without`: locations that are left alone.
    """
    named = {"quiet_s": quiet_s, "limit": limit, "without": list(without)}
    return [(lane, account) for lane, account in tx.execute(PLACEMENTS["ask_quiet"], named)]


def dispatch_forgotten(tx: Connection, *, newest: int, limit: int) -> list[tuple[str, str]]:
    """Make dispatch due for what an earlier version labelled, or that has lost its work; (lane, account) of each."""
    named = {"newest": newest, "limit": limit}
    return [(lane, account) for lane, account in tx.execute(PLACEMENTS["dispatch_forgotten"], named)]


def want_recalls(tx: Connection, fulfillment_order_ids: Sequence[int]) -> None:
    """Warehouses are to be asked not to ship what they have of these fulfillment orders. No statement for none."""
    if fulfillment_order_ids:
        tx.execute(PLACEMENTS["want_recalls"], {"ids": list(fulfillment_order_ids)})


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallRow:
    """A document that its warehouse is to stop. `busy_s`: so long a call that stops it may still run."""

    fulfillment_order_id: int
    state: str
    lane: str
    order_id: int
    location: str
    reference: str
    their_id: str
    recall: str
    busy_s: float


def load_recalls(tx: Connection, fulfillment_order_ids: Sequence[int]) -> list[RecallRow]:
    """Documents to stop, of fulfillment orders that this transaction holds."""
    with tx.cursor(row_factory=class_row(RecallRow)) as cursor:
        return cursor.execute(PLACEMENTS["load_recalls"], {"ids": list(fulfillment_order_ids)}).fetchall()


def intend_recalls(tx: Connection, references: Sequence[str], call_s: float) -> None:
    """Warehouses are about to be asked to stop documents; a call takes `call_s` seconds at most.

    No statement for none.
    """
    if references:
        tx.execute(PLACEMENTS["intend_recalls"], {"references": list(references), "call_s": call_s})


def note_recalls(tx: Connection, answers: Mapping[str, RecallStatus]) -> None:
    """What warehouses said of stops that are not confirmed, by reference. No statement for none."""
    if answers:
        rows = rows_json({"reference": reference, "status": status} for reference, status in answers.items())
        tx.execute(PLACEMENTS["note_recalls"], {"rows": rows})


def stop_documents(tx: Connection, references: Sequence[str]) -> None:
    """These documents are confirmed to be stopped. No statement for none."""
    if references:
        tx.execute(PLACEMENTS["stop"], {"references": list(references)})


def live_references(tx: Connection, fulfillment_order_ids: Sequence[int]) -> list[str]:
    """References of what warehouses have of fulfillment orders."""
    return [row[0] for row in tx.execute(PLACEMENTS["live_references"], {"ids": list(fulfillment_order_ids)})]


def want_documents_again(tx: Connection, fulfillment_order_ids: Sequence[int]) -> None:
    """Documents are wanted after all, as long as no warehouse may still stop them."""
    tx.execute(PLACEMENTS["want_documents_again"], {"ids": list(fulfillment_order_ids)})


class SilentWarehouse(NamedTuple):
    """A location with open documents of which nothing was heard.

    `since`: the last event about any document, or the first document.
    """

    location: str
    documents: int
    since: datetime


def silent_warehouses(connection: Connection, silent_h: Mapping[str, float]) -> list[SilentWarehouse]:
    """Locations with documents older than so many hours (by location), and no event about any document since."""
    named = {"locations": list(silent_h), "hours": list(silent_h.values())}
    return [SilentWarehouse(*row) for row in connection.execute(PLACEMENTS["silent"], named)]
