"""What a warehouse's events about documents change: packages, waybills, states, short picks and refusals.

Lines rule the stock, packages rule the waybills. A repeated or overtaken event changes nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from actors.documents.document import refusal_of
from actors.documents.short_picks import ShortPick, split_short
from actors.documents.take_back import RefusedDocument, TakenBack, take_back
from actors.scans.after import ScannedPackage, first_look, is_followed, want_followers
from actors.scans.document_boxes import NAMES_BOXES, ToldDocument, ToldPackage, show_unwanted, take_boxes
from actors.tools import Tools
from adapters.ports import WarehouseEvent
from domain.dispatch import SHORT, Picked, PlacementStatus, shortfall
from domain.holds import HoldCode
from domain.outcomes import Done, Hold
from domain.states import RANK, Cause, State
from domain.warehouse import TARGET, Contradiction, Move, Scan, advance
from infra.engine.reports import has_worker_without_parts
from infra.engine.results import Finished, NewWork, SubjectRef
from infra.engine.write_outcomes import Writes, add_hold, event, gather, write
from infra.queue.keys import BellKey
from infra.tables.cases import open_cases
from infra.tables.fulfillment import back_to_dispatch
from infra.tables.holds import release_holds
from infra.tables.orders import load_orders
from infra.tables.packages import Stamp, stamp_packages
from infra.tables.placements import (
    Ended,
    Heard,
    KnownPackage,
    end_documents,
    hear_of_packages,
    load_contents,
    lock_documents,
    note_heard,
)
from infra.tables.pool import Connection
from infra.tables.stock import consume_stock
from infra.tables.writebacks import NewWriteback, want_writebacks

# Facts of holds: the warehouse did what nobody asked for.
STOPPED_UNASKED, MOVED_THOUGH_REFUSED = "stopped_by_warehouse", "moved_though_refused"
_ENDED = frozenset({PlacementStatus.REFUSED, PlacementStatus.STOPPED})
# Such an order is not to be shipped: its warehouse has been asked to stop, or will be.
_STOP_WANTED = frozenset({State.ON_HOLD, State.CLOSED})
_IN_HOUSE = frozenset({State.ALLOCATED, State.IN_WAREHOUSE})


def apply_documents(
    tx: Connection, tools: Tools, step: str, events: Sequence[WarehouseEvent]
) -> tuple[list[WarehouseEvent], set[BellKey]]:
    """Apply events about documents.

    Returns the events that must be looked at again (of documents that nobody knows, and of orders on hold), and the
    bells to ring after the commit.
    """
    told = _load(tx, tools, events)
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
    end_documents(tx, [*_stopped(documents), *_final(documents)])
    _settle_stops(tx, step, documents)
    open_cases(tx, [case for one in documents for case in one.cases])
    follow = _followers(tx, tools, documents)
    writes = Writes()
    for one in documents:
        _settle(step, one, back.get(one.row.fulfillment_order_id), follow, writes)
    for part in parts:
        gather(step, part, writes)
    writes.finished.clear()
    write(tx, step, writes)
    return waiting, {BellKey(work.step, work.lane, work.account) for work in writes.added if work.after_s <= 0}


def _load(tx: Connection, tools: Tools, events: Sequence[WarehouseEvent]) -> dict[str, ToldDocument]:
    rows = lock_documents(tx, sorted({one.reference for one in events}))
    boxes, pieces = load_contents(tx, [row.fulfillment_order_id for row in rows])
    orders = load_orders(tx, sorted({row.order_id for row in rows})) if rows else {}
    return {
        row.reference: ToldDocument(
            row,
            orders[row.order_id],
            [_parcel(tools, box) for box in boxes.get(row.fulfillment_order_id, ()) if box.is_booked],
            pieces.get(row.fulfillment_order_id, []),
            row.state,
        )
        for row in rows
    }


def _parcel(tools: Tools, box: KnownPackage) -> ToldPackage:
    return ToldPackage(
        *(box.id, box.reference or "", box.waybill or "", box.account),
        has_lines=box.has_pieces,
        is_tracked=is_followed(tools, box.account),
        has_left=box.has_left,
    )


def _take_in(tx: Connection, tools: Tools, one: ToldDocument | None, told: WarehouseEvent) -> bool:
    """Take one event in. False: it must be looked at again, once its document is known or the hold is over."""
    if one is None:
        return False
    kind = Scan(told.kind) if told.kind in set(Scan) else Scan.OTHER
    one.their_id = one.their_id or told.their_id
    if one.row.status in _ENDED or one.refusal is not None:
        _take_after_the_end(one, kind)
        show_unwanted(tools, one, told, kind)
    elif kind is Scan.REFUSED:
        _take_refusal(one, told)
    elif kind is Scan.STOPPED:
        _take_stop(one)
    elif (kind in TARGET or kind is Scan.SHORT) and not _may_move(one, kind):
        if one.now is State.ON_HOLD:
            return False
        show_unwanted(tools, one, told, kind)
    else:
        _take_work(tx, tools, one, told, kind)
    return True


def _may_move(one: ToldDocument, kind: Scan) -> bool:
    """Whether the order's state lets goods move; what contradicts it is noted."""
    answer = advance(one.now, kind) if kind in TARGET else None
    if isinstance(answer, Contradiction):
        _contradict(one, answer)
        return False
    return one.now is not State.ON_HOLD


def _take_work(tx: Connection, tools: Tools, one: ToldDocument, told: WarehouseEvent, kind: Scan) -> None:
    touched: Sequence[ToldPackage] | None = ()
    if kind in NAMES_BOXES:
        touched = take_boxes(tx, tools, one, told, kind)
    elif kind is not Scan.ACCEPTED:
        one.notes.append((f"warehouse_{kind}", _facts(told)))
    if touched is None:
        # The event is about other goods, or about these under a number of which nobody knows whose it is.
        return
    is_tracked = any(parcel.is_tracked for parcel in touched)
    if kind is Scan.HANDED_OVER and not one.parcels:
        # The package has left and its waybill is unknown: write-back and notice wait for a person.
        one.holds.append(Hold(HoldCode.WAYBILL_CONTRADICTS, {"waybill": "", "scanned": "no waybill"}))
    elif kind in TARGET and isinstance(answer := advance(one.now, kind, is_tracked=is_tracked), Move):
        one.path.extend(answer.path)
        one.now = answer.path[-1]
    _take_lines(one, told, kind)


def _take_after_the_end(one: ToldDocument, kind: Scan) -> None:
    """The document was refused or stopped: goods that move all the same are for a person."""
    if kind in NAMES_BOXES:
        facts = {"code": MOVED_THOUGH_REFUSED, "document": one.row.reference}
        one.holds.append(Hold(HoldCode.SHIPPED_ELSEWHERE, facts))
    elif kind not in {Scan.REFUSED, Scan.STOPPED, Scan.OTHER}:
        one.notes.append(("scan_contradicts", {"code": MOVED_THOUGH_REFUSED, "scan": kind.value}))


def _take_refusal(one: ToldDocument, told: WarehouseEvent) -> None:
    if one.at in _IN_HOUSE and RANK[one.now] <= RANK[State.IN_WAREHOUSE]:
        one.refusal = told
    else:
        one.notes.append(("scan_contradicts", {"code": "refused_too_late", "state": one.now.value}))


def _take_stop(one: ToldDocument) -> None:
    """Of a held or closed order a stop is wanted: nothing leaves, and a release hands the order over anew.

    Otherwise nobody has asked for it: a person decides, and releasing the hold hands the order over anew.
    """
    if (
        any(parcel.has_left or parcel.handed_over_at for parcel in one.parcels)
        or one.row.status is PlacementStatus.FINAL
    ):
        one.notes.append(("scan_contradicts", {"code": STOPPED_UNASKED, "state": one.now.value}))
    elif one.row.state in _STOP_WANTED:
        one.is_stopped = True
        one.notes.append(("document_stopped", {"document": one.row.reference, "location": one.row.location}))
    elif one.at in _IN_HOUSE and RANK[one.now] <= RANK[State.IN_WAREHOUSE]:
        one.is_stopped = True
        one.holds.append(Hold(HoldCode.DISPATCH_ERROR, {"code": STOPPED_UNASKED, "document": one.row.reference}))
    else:
        one.notes.append(("scan_contradicts", {"code": STOPPED_UNASKED, "state": one.now.value}))


def _settle_stops(tx: Connection, step: str, documents: Sequence[ToldDocument]) -> None:
    """What a stop that was wanted ends: the warehouse's work on the order, and the hold about an unwanted document."""
    stopped = [one.row for one in documents if one.is_stopped]
    back_to_dispatch(tx, [row.fulfillment_order_id for row in stopped if row.state is State.ON_HOLD])
    closed = [row.fulfillment_order_id for row in stopped if row.state is State.CLOSED]
    release_holds(tx, [(id_, HoldCode.UNWANTED_DOCUMENT) for id_ in closed], step)


def _contradict(one: ToldDocument, answer: Contradiction) -> None:
    if answer.needs_person:
        one.holds.append(Hold(HoldCode.SHIPPED_ELSEWHERE, {"code": answer.code}))
    else:
        one.notes.append(("scan_contradicts", {"code": answer.code}))


def _take_lines(one: ToldDocument, told: WarehouseEvent, kind: Scan) -> None:
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
    if not parts_left and (kind in NAMES_BOXES or kind is Scan.SHORT):
        one.is_final = True


def _planned_of(picked: Sequence[Picked], planned: Mapping[str, int]) -> dict[str, int]:
    return {each.line: min(each.planned, planned[each.line]) for each in picked if each.line in planned}


def _facts(told: WarehouseEvent) -> dict[str, Any]:
    short = {line.line: line.planned - line.actual for line in told.lines if line.actual < line.planned}
    return {"code": told.code, **({"short": short} if short else {})} if told.code or short else {}


def _refused(one: ToldDocument) -> RefusedDocument:
    told = one.refusal
    assert told is not None
    code = told.code or (SHORT if Scan(told.kind) is not Scan.REFUSED else "")
    quantities = {line.line_id: line.quantity for line in one.pieces}
    refusal = refusal_of(code, told.lines)
    return RefusedDocument(one.ref, one.at, one.order, one.row.location, one.row.reference, quantities, refusal)


def _short_pick(one: ToldDocument) -> ShortPick:
    left = {line.line_id: line.quantity - one.short.get(line.line_id, 0) for line in one.pieces}
    return ShortPick(one.ref, one.order, one.row.location, one.row.reference, one.short, left)


def _divisible(tx: Connection, short: Sequence[ToldDocument]) -> Sequence[ToldDocument]:
    """While a worker of an earlier version without parts runs, a person decides about the remaining pieces."""
    if not short or not has_worker_without_parts(tx):
        return short
    for one in short:
        one.holds.append(Hold(HoldCode.STOCK_CONFLICT, {"code": "picked_short", "document": one.row.reference}))
    return ()


def _stamp(tx: Connection, documents: Sequence[ToldDocument]) -> None:
    stamped = [parcel for one in documents for parcel in one.parcels if parcel.packed_at]
    stamp_packages(tx, [Stamp(parcel.id, parcel.packed_at, parcel.handed_over_at) for parcel in stamped])


def _stopped(documents: Sequence[ToldDocument]) -> list[Ended]:
    return [Ended(one.row.reference, PlacementStatus.STOPPED) for one in documents if one.is_stopped]


def _final(documents: Sequence[ToldDocument]) -> list[Ended]:
    return [
        Ended(one.row.reference, PlacementStatus.FINAL) for one in documents if one.is_final and one.refusal is None
    ]


def _followers(
    tx: Connection, tools: Tools, documents: Sequence[ToldDocument]
) -> Callable[[ToldDocument], tuple[NewWork, ...]]:
    """Write-backs and notices of the packages that contain pieces; a platform accepts no other package."""
    left: list[ScannedPackage] = []
    on_label: list[tuple[ToldDocument, ToldPackage]] = []
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
    for one in documents:
        for parcel in filter(_has_just_left, one.parcels):
            look = first_look(tools, parcel.id, parcel.account, one.order.key.account)
            work[parcel.id] = (*work.get(parcel.id, ()), look)
    return lambda one: tuple(follow for parcel in one.parcels for follow in work.get(parcel.id, ()))


def _has_just_left(parcel: ToldPackage) -> bool:
    return parcel.is_tracked and parcel.handed_over_at is not None and not parcel.has_left


def _settle(
    step: str,
    one: ToldDocument,
    back: TakenBack | None,
    follow: Callable[[ToldDocument], tuple[NewWork, ...]],
    writes: Writes,
) -> None:
    ref = one.ref
    for kind, facts in one.notes:
        writes.events.append(event(step, ref, kind, Cause.WAREHOUSE, facts=facts))
    for parcel in filter(_has_just_left, one.parcels):
        writes.events.append(event(step, ref, Scan.HANDED_OVER, Cause.WAREHOUSE, facts={"waybill": parcel.waybill}))
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
