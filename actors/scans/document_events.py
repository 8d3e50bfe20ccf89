"""What a warehouse's events about documents change: packages, waybills, states, short picks and refusals.

Lines rule the stock, packages rule the waybills. A repeated or overtaken event changes nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from actors.documents.document import refusal_of
from actors.documents.short_picks import ShortPick, split_short
from actors.documents.take_back import RefusedDocument, TakenBack, take_back
from actors.scans.after import ScannedPackage, want_followers
from actors.scans.stopped import LEFT_THOUGH_STOPPING, MOVED_THOUGH_STOPPED, LeftParcel, ToldOfStop, settle_stops
from actors.tools import Tools
from adapters.foreign import is_waybill
from adapters.ports import WarehouseEvent
from domain.dispatch import SHORT, EventBox, Picked, PlacementStatus, fill_boxes, known_waybill, shortfall
from domain.holds import HoldCode
from domain.order import Order
from domain.outcomes import Done, Hold
from domain.references import reference
from domain.states import RANK, Cause, State
from domain.warehouse import TARGET, Contradiction, Move, Scan, advance, leave_though_stopping
from infra.engine.reports import has_worker_without_parts
from infra.engine.results import Finished, NewWork, SubjectRef
from infra.engine.write_outcomes import Writes, add_hold, event, gather, write
from infra.queue.keys import BellKey
from infra.tables.orders import load_orders
from infra.tables.packages import FilledPackage, Stamp, create_filled, stamp_packages
from infra.tables.placements import (
    DocumentRow,
    Ended,
    Heard,
    KnownPackage,
    Pieces,
    end_documents,
    hear_of_packages,
    load_contents,
    lock_documents,
    note_heard,
)
from infra.tables.pool import Connection
from infra.tables.shipments import WarehouseBooking, book_of_warehouse
from infra.tables.stock import consume_stock
from infra.tables.writebacks import NewWriteback, want_writebacks

# Facts of holds: the warehouse did what nobody asked for.
STOPPED_UNASKED, MOVED_THOUGH_REFUSED = "stopped_by_warehouse", "moved_though_refused"
_ENDED = frozenset({PlacementStatus.REFUSED, PlacementStatus.STOPPED})
_BOXES = frozenset({Scan.PACKED, Scan.HANDED_OVER})
_IN_HOUSE = frozenset({State.ALLOCATED, State.IN_WAREHOUSE})


@dataclass(slots=True)
class _Parcel:
    """A package of the document and what this page says of it. `is_new`: the warehouse has made it."""

    id: int
    waybill: str
    has_lines: bool
    is_new: bool = False
    packed_at: str | None = None
    handed_over_at: str | None = None


@dataclass(slots=True)
class _Told:
    """A document and what this page says of it."""

    row: DocumentRow
    order: Order
    parcels: list[_Parcel]
    pieces: list[Pieces]
    now: State
    path: list[State] = field(default_factory=list)
    ended_parts: set[str] = field(default_factory=set)
    their_id: str = ""
    refusal: WarehouseEvent | None = None
    short: dict[str, int] = field(default_factory=dict)
    is_final: bool = False
    is_stopped: bool = False
    is_too_late: bool = False
    has_left_stopping: bool = False
    has_left_stopped: bool = False
    holds: list[Hold] = field(default_factory=list)
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

    def of_stop(self) -> ToldOfStop:
        row = self.row
        subject = LeftParcel(
            row.fulfillment_order_id, row.order_id, None, row.lane, self.order.key.account, row.reference
        )
        is_over = self.is_stopped or self.refusal is not None
        return ToldOfStop(
            subject,
            is_confirmed=self.is_stopped and row.is_stopping,
            is_too_late=self.is_too_late,
            has_left=self.has_left_stopping,
            has_left_after=self.has_left_stopped,
            is_over=row.is_stopping and is_over,
        )


def apply_documents(
    tx: Connection, tools: Tools, step: str, events: Sequence[WarehouseEvent]
) -> tuple[list[WarehouseEvent], set[BellKey]]:
    """Apply events about documents.

    Returns the events that must be looked at again (of documents that nobody knows, and of orders on hold), and the
    bells to ring after the commit.
    """
    told = _load(tx, events)
    waiting = [one for one in events if not _take_in(tx, tools, told.get(one.reference), one)]
    documents = list(told.values())
    note_heard(tx, [Heard(one.row.reference, one.their_id, tuple(sorted(one.ended_parts))) for one in documents])
    back = take_back(tx, [_refused(one) for one in documents if one.refusal is not None])
    short = [one for one in documents if one.short and one.refusal is None]
    parts = split_short(tx, [_short_pick(one) for one in _divisible(tx, short)])
    _stamp(tx, documents)
    ours = [one for one in documents if one.has_packed and not tools.capabilities(one.row.location).books_waybill]
    hear_of_packages(tx, [one.row.fulfillment_order_id for one in ours])
    consume_stock(tx, [one.row.fulfillment_order_id for one in documents if any(p.handed_over_at for p in one.parcels)])
    end_documents(tx, _ended(documents))
    stops = settle_stops(tx, [one.of_stop() for one in documents])
    follow = _followers(tx, tools, documents)
    writes = Writes()
    for one in documents:
        _settle(step, one, back.get(one.row.fulfillment_order_id), follow, writes)
        writes.added += stops.get(one.row.fulfillment_order_id, ())
    for part in parts:
        gather(step, part, writes)
    writes.finished.clear()
    write(tx, step, writes)
    return waiting, {BellKey(work.step, work.lane, work.account) for work in writes.added}


def _load(tx: Connection, events: Sequence[WarehouseEvent]) -> dict[str, _Told]:
    rows = lock_documents(tx, sorted({one.reference for one in events}))
    boxes, pieces = load_contents(tx, [row.fulfillment_order_id for row in rows])
    orders = load_orders(tx, sorted({row.order_id for row in rows})) if rows else {}
    return {
        row.reference: _Told(
            row,
            orders[row.order_id],
            [_parcel(box) for box in boxes.get(row.fulfillment_order_id, ()) if box.is_booked],
            pieces.get(row.fulfillment_order_id, []),
            row.state,
        )
        for row in rows
    }


def _parcel(box: KnownPackage) -> _Parcel:
    return _Parcel(box.id, box.waybill or "", has_lines=True)


def _take_in(tx: Connection, tools: Tools, one: _Told | None, told: WarehouseEvent) -> bool:
    """Take one event in. False: it must be looked at again, once its document is known or the hold is over."""
    if one is None:
        return False
    kind = Scan(told.kind) if told.kind in set(Scan) else Scan.OTHER
    one.their_id = one.their_id or told.their_id
    if one.row.status in _ENDED or one.refusal is not None:
        _take_after_the_end(one, kind)
    elif kind is Scan.REFUSED:
        _take_refusal(one, told)
    elif kind is Scan.STOPPED:
        _take_stop(one)
    elif kind is Scan.STOP_FAILED and one.row.is_stopping:
        one.is_too_late = True
        one.notes.append((f"warehouse_{kind}", _facts(told)))
    elif (kind in TARGET or kind is Scan.SHORT) and not _may_move(one, kind):
        return one.now is not State.ON_HOLD
    else:
        _take_work(tx, tools, one, told, kind)
    return True


def _may_move(one: _Told, kind: Scan) -> bool:
    """Whether the order's state lets goods move; what contradicts it is noted."""
    if kind is Scan.HANDED_OVER and one.now is State.ON_HOLD and one.row.is_stopping:
        one.path.extend(leave_though_stopping(one.at, is_tracked=False))
        if one.path:
            one.now, one.has_left_stopping = one.path[-1], True
            one.notes.append(("scan_contradicts", {"code": LEFT_THOUGH_STOPPING}))
    answer = advance(one.now, kind) if kind in TARGET else None
    if isinstance(answer, Contradiction):
        _contradict(one, answer)
        return False
    return one.now is not State.ON_HOLD


def _take_work(tx: Connection, tools: Tools, one: _Told, told: WarehouseEvent, kind: Scan) -> None:
    if kind in _BOXES:
        _take_boxes(tx, tools, one, told, kind)
    elif kind is not Scan.ACCEPTED:
        one.notes.append((f"warehouse_{kind}", _facts(told)))
    if kind is Scan.HANDED_OVER and not one.parcels:
        # The package has left and its waybill is unknown: write-back and notice wait for a person.
        one.holds.append(Hold(HoldCode.WAYBILL_CONTRADICTS, {"waybill": "", "scanned": "no waybill"}))
    elif kind in TARGET and isinstance(answer := advance(one.now, kind), Move):
        one.path.extend(answer.path)
        one.now = answer.path[-1]
    _take_lines(one, told, kind)


def _take_after_the_end(one: _Told, kind: Scan) -> None:
    """The document was refused or stopped: goods that move all the same are for a person."""
    is_stopped = one.row.status is PlacementStatus.STOPPED
    if kind in _BOXES:
        one.has_left_stopped = one.has_left_stopped or (is_stopped and kind is Scan.HANDED_OVER)
        code = MOVED_THOUGH_STOPPED if is_stopped else MOVED_THOUGH_REFUSED
        facts = {"code": code, "document": one.row.reference}
        one.holds.append(Hold(HoldCode.SHIPPED_ELSEWHERE, facts))
    elif kind not in {Scan.REFUSED, Scan.STOPPED, Scan.OTHER}:
        one.notes.append(("scan_contradicts", {"code": MOVED_THOUGH_REFUSED, "scan": kind.value}))


def _take_refusal(one: _Told, told: WarehouseEvent) -> None:
    if one.at in _IN_HOUSE and RANK[one.now] <= RANK[State.IN_WAREHOUSE]:
        one.refusal = told
    else:
        one.notes.append(("scan_contradicts", {"code": "refused_too_late", "state": one.now.value}))


def _take_stop(one: _Told) -> None:
    """What nobody has asked for a person decides, and releasing the hold hands the order over anew."""
    if one.row.is_stopping:
        one.is_stopped = True
    elif one.at in _IN_HOUSE and RANK[one.now] <= RANK[State.IN_WAREHOUSE]:
        one.is_stopped = True
        one.holds.append(Hold(HoldCode.DISPATCH_ERROR, {"code": STOPPED_UNASKED, "document": one.row.reference}))
    else:
        one.notes.append(("scan_contradicts", {"code": STOPPED_UNASKED, "state": one.now.value}))


def _contradict(one: _Told, answer: Contradiction) -> None:
    if answer.needs_person:
        one.holds.append(Hold(HoldCode.SHIPPED_ELSEWHERE, {"code": answer.code}))
    else:
        one.notes.append(("scan_contradicts", {"code": answer.code}))


def _take_boxes(tx: Connection, tools: Tools, one: _Told, told: WarehouseEvent, kind: Scan) -> None:
    """Stamp the packages that the event names; create the packages that the warehouse has booked by itself."""
    known = {known_waybill(parcel.waybill): parcel for parcel in one.parcels}
    boxes = [EventBox(box.waybill, box.courier, box.weight_g, dict(box.lines)) for box in told.packages]
    if not boxes and told.waybill:
        boxes = [EventBox(told.waybill)]
    unknown = [box for box in _once(boxes) if known_waybill(box.waybill) not in known]
    if unknown and tools.capabilities(one.row.location).books_waybill:
        made = _make(tx, tools, one, unknown, is_final=told.is_final)
        known |= {known_waybill(parcel.waybill): parcel for parcel in made}
        one.parcels.extend(made)
    elif unknown:
        # What travels under a number that we did not book is told to nobody.
        shown = unknown[0].waybill if is_waybill(unknown[0].waybill) else "not a waybill number"
        ours = one.parcels[0].waybill if one.parcels else ""
        one.holds.append(Hold(HoldCode.WAYBILL_CONTRADICTS, {"waybill": ours, "scanned": shown}))
    named = [known[key] for box in boxes if (key := known_waybill(box.waybill)) in known]
    at = told.at.isoformat()
    for parcel in named if boxes else one.parcels:
        parcel.packed_at = parcel.packed_at or at
        if kind is Scan.HANDED_OVER:
            parcel.handed_over_at = parcel.handed_over_at or at


def _once(boxes: Sequence[EventBox]) -> list[EventBox]:
    """Each waybill once; a box without one is no package that a platform could be told of."""
    found: dict[str, EventBox] = {}
    for box in boxes:
        if box.waybill.strip():
            found.setdefault(known_waybill(box.waybill), box)
    return list(found.values())


def _make(tx: Connection, tools: Tools, one: _Told, boxes: Sequence[EventBox], *, is_final: bool) -> list[_Parcel]:
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
        _Parcel(id_, filled.box.waybill, has_lines=bool(filled.lines), is_new=True)
        for (id_, _), filled in zip(made, packed.boxes, strict=True)
    ]


def _in_boxes(contents: Sequence[Mapping[str, int]]) -> dict[str, int]:
    held: dict[str, int] = {}
    for lines in contents:
        for line, count in lines.items():
            held[line] = held.get(line, 0) + count
    return held


def _take_lines(one: _Told, told: WarehouseEvent, kind: Scan) -> None:
    """Lines of a final event rule what was shipped; a short pick that is not final is only noted."""
    if not told.is_final:
        return
    if told.their_id in one.row.open_parts:
        one.ended_parts.add(told.their_id)
    parts_left = set(one.row.open_parts) - one.ended_parts
    if kind in TARGET or kind is Scan.SHORT:
        planned = {line.line_id: line.quantity for line in one.pieces}
        picked = [Picked(line.line, line.planned, line.actual) for line in told.lines]
        # Of a part the lines are only that part's: what they plan is what they may fall short of.
        mine = planned if told.their_id not in one.row.open_parts else _planned_of(picked, planned)
        for line, missing in shortfall(picked, mine).items():
            one.short[line] = one.short.get(line, 0) + missing
        if picked and sum(one.short.values()) == sum(planned.values()) and not one.has_packed:
            one.refusal = told
    if not parts_left and (kind in _BOXES or kind is Scan.SHORT):
        one.is_final = True


def _planned_of(picked: Sequence[Picked], planned: Mapping[str, int]) -> dict[str, int]:
    return {each.line: min(each.planned, planned[each.line]) for each in picked if each.line in planned}


def _facts(told: WarehouseEvent) -> dict[str, Any]:
    short = {line.line: line.planned - line.actual for line in told.lines if line.actual < line.planned}
    return {"code": told.code, **({"short": short} if short else {})} if told.code or short else {}


def _refused(one: _Told) -> RefusedDocument:
    told = one.refusal
    assert told is not None
    code = told.code or (SHORT if Scan(told.kind) is not Scan.REFUSED else "")
    quantities = {line.line_id: line.quantity for line in one.pieces}
    refusal = refusal_of(code, told.lines)
    return RefusedDocument(one.ref, one.at, one.order, one.row.location, one.row.reference, quantities, refusal)


def _short_pick(one: _Told) -> ShortPick:
    left = {line.line_id: line.quantity - one.short.get(line.line_id, 0) for line in one.pieces}
    return ShortPick(one.ref, one.order, one.row.location, one.row.reference, one.short, left)


def _divisible(tx: Connection, short: Sequence[_Told]) -> Sequence[_Told]:
    """While a worker of an earlier version without parts runs, a person decides about the remaining pieces."""
    if not short or not has_worker_without_parts(tx):
        return short
    for one in short:
        one.holds.append(Hold(HoldCode.STOCK_CONFLICT, {"code": "picked_short", "document": one.row.reference}))
    return ()


def _stamp(tx: Connection, documents: Sequence[_Told]) -> None:
    stamped = [parcel for one in documents for parcel in one.parcels if parcel.packed_at]
    stamp_packages(tx, [Stamp(parcel.id, parcel.packed_at, parcel.handed_over_at) for parcel in stamped])


def _ended(documents: Sequence[_Told]) -> list[Ended]:
    stopped = [Ended(one.row.reference, PlacementStatus.STOPPED) for one in documents if one.is_stopped]
    final = [one for one in documents if one.is_final and one.refusal is None]
    return [*stopped, *(Ended(one.row.reference, PlacementStatus.FINAL) for one in final)]


def _followers(tx: Connection, tools: Tools, documents: Sequence[_Told]) -> Callable[[_Told], tuple[NewWork, ...]]:
    """Write-backs and notices of the packages that contain pieces; a platform accepts no other package."""
    left: list[ScannedPackage] = []
    on_label: list[tuple[_Told, _Parcel]] = []
    shops = tools.directory.shops
    for one in documents:
        shop = one.order.key.account
        for parcel in one.parcels:
            if not parcel.has_lines or not parcel.packed_at:
                continue
            ref = SubjectRef(
                parcel.id, one.row.lane, one.row.order_id, one.row.fulfillment_order_id, parcel.id, one.now
            )
            left.append(ScannedPackage(ref, shop, parcel.packed_at, parcel.handed_over_at))
            if parcel.is_new and shop in shops and shops[shop].ship_on == "label":
                on_label.append((one, parcel))
    work = want_followers(tx, tools, left)
    want_writebacks(tx, [NewWriteback(p.id, one.row.order_id, p.packed_at or "") for one, p in on_label])
    for one, parcel in on_label:
        told = NewWork("writeback", parcel.id, one.row.lane, one.order.key.account)
        work[parcel.id] = (*work.get(parcel.id, ()), told)
    return lambda one: tuple(follow for parcel in one.parcels for follow in work.get(parcel.id, ()))


def _settle(
    step: str,
    one: _Told,
    back: TakenBack | None,
    follow: Callable[[_Told], tuple[NewWork, ...]],
    writes: Writes,
) -> None:
    ref = one.ref
    for kind, facts in one.notes:
        writes.events.append(event(step, ref, kind, Cause.WAREHOUSE, facts=facts))
    if back is not None:
        gather(step, back.finished(ref, step), writes)
        return
    stops = [hold for hold in one.holds if hold.code is HoldCode.DISPATCH_ERROR]
    for hold in one.holds:
        if hold not in stops:
            add_hold(step, ref, hold, writes)
    if stops:
        gather(step, Finished(ref, stops[0], Cause.WAREHOUSE), writes)
    elif one.path:
        done = Done(one.path[-1], {"document": one.row.reference})
        gather(step, Finished(ref, done, Cause.WAREHOUSE, via=tuple(one.path[:-1]), follow=follow(one)), writes)
    else:
        writes.added.extend(follow(one))
