"""What a warehouse's events tell of one document and of its packages; the packages that the warehouse has made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from actors.scans.after import contradicting, wrong_waybill
from actors.tools import Tools
from adapters.foreign import is_waybill
from adapters.ports import WarehouseEvent
from domain.cases import CaseKind, case_id_of
from domain.dispatch import EventBox, fill_boxes, known_waybill
from domain.holds import HoldCode, waybill_facts
from domain.order import Order
from domain.outcomes import Hold
from domain.references import reference
from domain.states import State
from domain.warehouse import Scan
from infra.engine.results import SubjectRef
from infra.tables.cases import NewCase
from infra.tables.packages import FilledPackage, create_filled
from infra.tables.placements import DocumentRow, Pieces
from infra.tables.pool import Connection
from infra.tables.shipments import WarehouseBooking, book_of_warehouse

# Scans that name packages.
NAMES_BOXES = frozenset({Scan.PACKED, Scan.HANDED_OVER})


@dataclass(slots=True)
class ToldPackage:
    """A package of the document and what this page says of it.

    `account`: who booked it. `is_tracked`: its courier tells when it has the package. `has_left`: it was handed over
    before this page. `is_new`: the warehouse has made it.
    """

    id: int
    reference: str
    waybill: str
    account: str
    has_lines: bool
    is_tracked: bool = False
    has_left: bool = False
    is_new: bool = False
    packed_at: str | None = None
    handed_over_at: str | None = None


@dataclass(slots=True)
class ToldDocument:
    """A document and what this page says of it."""

    row: DocumentRow
    order: Order
    parcels: list[ToldPackage]
    pieces: list[Pieces]
    now: State
    path: list[State] = field(default_factory=list)
    ended_parts: set[str] = field(default_factory=set)
    their_id: str = ""
    refusal: WarehouseEvent | None = None
    short: dict[str, int] = field(default_factory=dict)
    is_final: bool = False
    is_stopped: bool = False
    holds: list[Hold] = field(default_factory=list)
    cases: list[NewCase] = field(default_factory=list)
    notes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def ref(self) -> SubjectRef:
        row = self.row
        return SubjectRef(row.fulfillment_order_id, row.lane, row.order_id, row.fulfillment_order_id, None, row.state)

    @property
    def has_packed(self) -> bool:
        return any(parcel.packed_at for parcel in self.parcels)

    @property
    def at(self) -> State:
        """The state, or what a hold has interrupted."""
        resumes = self.row.state is State.ON_HOLD and self.row.resume_state is not None
        return self.row.resume_state if resumes and self.row.resume_state else self.row.state


def show_unwanted(tools: Tools, one: ToldDocument, told: WarehouseEvent, kind: Scan) -> None:
    """A case for each parcel that a warehouse booked by itself and that nobody wants: it is no package of ours."""
    if kind not in NAMES_BOXES or not tools.capabilities(one.row.location).books_waybill:
        return
    shop, known = one.order.key.account, {known_waybill(parcel.waybill) for parcel in one.parcels}
    for box in told.packages:
        if is_waybill(box.waybill) and known_waybill(box.waybill) not in known:
            facts = {**waybill_facts(box.courier, box.waybill), "document": one.row.reference}
            case_id = case_id_of(CaseKind.UNWANTED_PARCEL, f"{one.row.reference}-{box.waybill}")
            one.cases.append(
                NewCase(
                    shop=shop, case_id=case_id, kind=CaseKind.UNWANTED_PARCEL, order_id=one.row.order_id, facts=facts
                )
            )


def take_boxes(
    tx: Connection, tools: Tools, one: ToldDocument, told: WarehouseEvent, kind: Scan
) -> list[ToldPackage] | None:
    """Stamp the packages that the event names, and return them; create those that the warehouse has booked by itself.

    None: the event names other waybills only. What travels under them is told to nobody, and a person finds out.
    """
    known = {known_waybill(parcel.waybill): parcel for parcel in one.parcels}
    boxes = [EventBox(box.waybill, box.courier, box.weight_g, dict(box.lines)) for box in told.packages]
    if not boxes and told.waybill:
        boxes = [EventBox(told.waybill)]
    named = [known[key] for box in boxes if (key := known_waybill(box.waybill)) in known]
    unknown = [box for box in _once(boxes) if known_waybill(box.waybill) not in known]
    if unknown and tools.capabilities(one.row.location).books_waybill and (named or _has_room(one)):
        made = _make(tx, tools, one, unknown, is_final=told.is_final)
        one.parcels.extend(made)
        named += made
    elif unknown:
        _doubt(one, named, unknown[0].waybill)
        if not named:
            return None
    at = told.at.isoformat()
    touched = named if boxes else one.parcels
    for parcel in touched:
        parcel.packed_at = parcel.packed_at or at
        if kind is Scan.HANDED_OVER:
            parcel.handed_over_at = parcel.handed_over_at or at
    return touched


def _has_room(one: ToldDocument) -> bool:
    """Whether pieces are in no package yet. Where none are, another waybill replaces one that we were told before."""
    return not one.parcels or any(line.packed < line.quantity for line in one.pieces)


def _doubt(one: ToldDocument, named: Sequence[ToldPackage], scanned: str) -> None:
    """A case for each package that has left and that the event does not name; a hold while all are in the house."""
    ids = {parcel.id for parcel in named}
    doubted = [parcel for parcel in one.parcels if parcel.id not in ids] or one.parcels
    for parcel in doubted:
        if parcel.has_left or parcel.handed_over_at:
            facts = contradicting(parcel.waybill, scanned)
            shop = one.order.key.account
            one.cases.append(wrong_waybill(shop, one.row.order_id, parcel.id, parcel.reference, facts))
    if not one.cases:
        ours = doubted[0].waybill if doubted else ""
        one.holds.append(Hold(HoldCode.WAYBILL_CONTRADICTS, contradicting(ours, scanned)))


def _once(boxes: Sequence[EventBox]) -> list[EventBox]:
    """Each waybill once; a box without one is no package that a platform could be told of."""
    found: dict[str, EventBox] = {}
    for box in boxes:
        if box.waybill.strip():
            found.setdefault(known_waybill(box.waybill), box)
    return list(found.values())


def _make(
    tx: Connection, tools: Tools, one: ToldDocument, boxes: Sequence[EventBox], *, is_final: bool
) -> list[ToldPackage]:
    row = one.row
    packed = fill_boxes(boxes, {line.line_id: line.quantity - line.packed for line in one.pieces}, is_final=is_final)
    account = tools.directory.location(row.location).account
    made = create_filled(
        tx,
        [
            FilledPackage(
                row.fulfillment_order_id,
                row.order_id,
                filled.box.courier,
                account,
                row.location,
                filled.box.weight_g,
                tuple(filled.lines.items()),
            )
            for filled in packed.boxes
        ],
    )
    bookings = [
        WarehouseBooking(id_, reference(row.key, number, 1), filled.box.courier, filled.box.waybill)
        for (id_, number), filled in zip(made, packed.boxes, strict=True)
    ]
    book_of_warehouse(tx, bookings)
    held = _in_boxes([filled.lines for filled in packed.boxes])
    one.pieces = [Pieces(line.line_id, line.quantity, line.packed + held.get(line.line_id, 0)) for line in one.pieces]
    for (id_, _), filled in zip(made, packed.boxes, strict=True):
        facts = {"package": id_, "courier": filled.box.courier, "waybill": filled.box.waybill}
        one.notes.append(("package_told", {**facts, "pieces": dict(filled.lines)}))
    if packed.differs:
        one.notes.append(("packages_differ", {"pieces": dict(packed.differs)}))
    return [
        ToldPackage(
            *(booking.package_id, booking.reference, booking.waybill, account),
            has_lines=bool(filled.lines),
            is_new=True,
        )
        for booking, filled in zip(bookings, packed.boxes, strict=True)
    ]


def _in_boxes(contents: Sequence[Mapping[str, int]]) -> dict[str, int]:
    held: dict[str, int] = {}
    for lines in contents:
        for line, count in lines.items():
            held[line] = held.get(line, 0) + count
    return held
