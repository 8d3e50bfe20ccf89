"""Applies scans: packages get their times, fulfillment orders move forward, never back, and stock is consumed."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from actors.scans.after import ScannedPackage, want_followers
from actors.scans.document_events import apply_documents
from actors.scans.early import sort_out_early
from actors.scans.stopped import (
    LEFT_THOUGH_STOPPING,
    MOVED_THOUGH_STOPPED,
    LeftParcel,
    let_leave,
    report_stopped,
)
from actors.tools import Tools
from adapters.foreign import is_waybill
from adapters.ports import WarehouseEvent
from domain.cases import CaseKind, case_id_of
from domain.errors import Facts
from domain.holds import HoldCode
from domain.order import Lane
from domain.outcomes import Done, Hold
from domain.references import is_document_reference
from domain.states import Cause, State
from domain.warehouse import Contradiction, Late, Move, Note, Scan, advance, leave_though_stopping, names_other_waybill
from infra.engine.results import Finished, NewWork, SubjectRef
from infra.engine.write_outcomes import Writes, add_hold, event, gather, write
from infra.queue.keys import BellKey
from infra.tables.cases import NewCase, open_cases
from infra.tables.packages import Stamp, lock_scanned, stamp_packages
from infra.tables.placements import hear_of_packages
from infra.tables.pool import Connection
from infra.tables.stock import consume_stock

# The timeline's word for a hand-over that moves no state.
HANDED_OVER = "handed_over"


@dataclass(slots=True)
class Scanned:
    """A package and what this page says of it. `other_waybill`: a number that a scan names instead of `waybill`.

    `account`: the courier's. `is_tracked`: the courier tells when it has the package. `has_left`: it was handed over
    before this page. `stopped_at`: what the hold of an open stop has interrupted.
    """

    ref: SubjectRef
    shop: str
    waybill: str
    now: State
    account: str
    is_tracked: bool
    has_left: bool
    reference: str
    is_cancelled: bool = False
    is_voided: bool = False
    stopped_at: State | None = None
    path: list[State] = field(default_factory=list)
    packed_at: str | None = None
    handed_over_at: str | None = None
    contradiction: Contradiction | None = None
    other_waybill: str = ""

    def as_left(self) -> LeftParcel:
        assert self.ref.fulfillment_order_id is not None
        assert self.ref.order_id is not None
        part, order_id = self.ref.fulfillment_order_id, self.ref.order_id
        return LeftParcel(part, order_id, self.ref.package_id, self.ref.lane, self.shop, self.reference)


def apply_scans(
    tx: Connection, tools: Tools, step: str, location: str, events: Sequence[WarehouseEvent]
) -> set[BellKey]:
    """Apply scans of a location, in the name of a step; return the bells to ring after the commit.

    Scans that come before the record of their label, or during a hold, are kept for later.
    """
    about_documents = [one for one in events if is_document_reference(one.reference)]
    # Written before the packages are looked at: scans of both kinds may walk one order.
    waiting, bells = apply_documents(tx, tools, step, about_documents) if about_documents else ([], set())
    scans = [one for one in events if not is_document_reference(one.reference)]
    scanned = _load(tx, tools, scans)
    waiting += [scan for scan in scans if not _is_understood(scanned.get(scan.reference), scan)]
    sort_out_early(tx, location, events, waiting, tools.settings.retention.early_scans_max)
    touched = list(scanned.values())
    _stamp(tx, touched)
    if tools.capabilities(location).takes_orders:
        hear_of_packages(tx, [one.ref.fulfillment_order_id for one in touched if one.ref.fulfillment_order_id])
    left = [one for one in touched if one.handed_over_at]
    consume_stock(tx, [one.ref.fulfillment_order_id for one in left if one.ref.fulfillment_order_id])
    follow = want_followers(
        tx, tools, [ScannedPackage(one.ref, one.shop, one.packed_at, one.handed_over_at) for one in touched]
    )
    first_s = tools.settings.tracking.first_s
    stops = let_leave(tx, [one.as_left() for one in left if one.stopped_at is not None])
    report_stopped(tx, [one.as_left() for one in touched if _left_though_stopped(one)])
    writes = Writes()
    for one in touched:
        stop = stops.get(one.ref.fulfillment_order_id or 0)
        after = (*follow.get(one.ref.subject_id, ()), *_tracking(tools, one, first_s), *((stop,) if stop else ()))
        _finish(step, one, after, writes)
    open_cases(tx, [_wrong_waybill(one) for one in touched if one.other_waybill and one.has_left])
    writes.finished.clear()
    write(tx, step, writes)
    return bells | {BellKey(work.step, work.lane, work.account) for work in writes.added if work.after_s <= 0}


def _load(tx: Connection, tools: Tools, events: Sequence[WarehouseEvent]) -> dict[str, Scanned]:
    references = sorted({scan.reference for scan in events})
    found: dict[str, Scanned] = {}
    for row in lock_scanned(tx, references):
        ref = SubjectRef(row.package_id, row.lane, row.order_id, row.fulfillment_order_id, row.package_id, row.state)
        courier = tools.couriers.get(row.account)
        found[row.reference] = Scanned(
            *(ref, row.shop, row.waybill, row.state, row.account),
            is_tracked=courier is not None and courier.can_track,
            has_left=row.has_left,
            reference=row.reference,
            is_cancelled=row.is_cancelled,
            is_voided=row.is_voided,
            stopped_at=row.resume_state if row.is_stopping else None,
        )
    return found


def _is_understood(one: Scanned | None, scan: WarehouseEvent) -> bool:
    """Apply one scan. False: the scan must be applied again later, once the label is recorded or the hold is over."""
    if one is None:
        # A word that we do not know changes nothing later either: its page is stored, and nobody waits for a package.
        return Scan(scan.kind) is Scan.OTHER
    if names_other_waybill(one.waybill, scan.waybill):
        # The scanned package has another number than ours: the state stays, and neither platform nor buyer is notified.
        one.other_waybill = scan.waybill
        return True
    kind = Scan(scan.kind)
    if one.is_voided:
        # Its stop was confirmed: what leaves all the same is for a person.
        one.contradiction = Contradiction(MOVED_THOUGH_STOPPED, needs_person=kind is Scan.HANDED_OVER)
        return True
    if one.is_cancelled:
        # The warehouse has refused it, and the order goes another way: what leaves all the same is for a person.
        one.contradiction = Contradiction("moved_though_refused", needs_person=kind in {Scan.PACKED, Scan.HANDED_OVER})
        return True
    answer = _advance(one, kind)
    match answer:
        case Move(path=path):
            one.path.extend(path)
            one.now = path[-1]
        case Contradiction():
            one.contradiction = answer
            return one.now is not State.ON_HOLD
        case Late() | Note():
            pass
    if kind is Scan.PACKED:
        one.packed_at = one.packed_at or scan.at.isoformat()
    if kind is Scan.HANDED_OVER:
        one.handed_over_at = one.handed_over_at or scan.at.isoformat()
        one.packed_at = one.packed_at or scan.at.isoformat()
    return True


def _advance(one: Scanned, kind: Scan) -> Move | Late | Note | Contradiction:
    """What leaves while it is being stopped is no longer held."""
    if one.stopped_at is not None and one.now is State.ON_HOLD and kind is Scan.HANDED_OVER:
        path = leave_though_stopping(one.stopped_at, is_tracked=one.is_tracked)
        if path:
            return Move(path)
    return advance(one.now, kind, is_tracked=one.is_tracked)


def _stamp(tx: Connection, touched: Sequence[Scanned]) -> None:
    stamps = [Stamp(one.ref.subject_id, one.packed_at, one.handed_over_at) for one in touched if one.packed_at]
    stamp_packages(tx, stamps)


def _finish(step: str, one: Scanned, follow: tuple[NewWork, ...], writes: Writes) -> None:
    if one.other_waybill and not one.has_left:
        add_hold(step, one.ref, Hold(HoldCode.WAYBILL_CONTRADICTS, _contradicting(one)), writes)
    if one.stopped_at is not None and one.handed_over_at:
        facts = {"code": LEFT_THOUGH_STOPPING, "waybill": one.waybill}
        writes.events.append(event(step, one.ref, "scan_contradicts", Cause.WAREHOUSE, facts=facts))
    if one.contradiction is not None:
        code = one.contradiction.code
        if one.contradiction.needs_person:
            hold = Hold(HoldCode.SHIPPED_ELSEWHERE, {"code": code})
            gather(step, Finished(one.ref, Done(), Cause.WAREHOUSE, holds=(hold,)), writes)
        else:
            writes.events.append(event(step, one.ref, "scan_contradicts", Cause.WAREHOUSE, facts={"code": code}))
    if one.path:
        done = Done(one.path[-1])
        gather(step, Finished(one.ref, done, Cause.WAREHOUSE, via=tuple(one.path[:-1]), follow=follow), writes)
    else:
        writes.added.extend(follow)
    if one.is_tracked and one.handed_over_at and not one.has_left:
        writes.events.append(event(step, one.ref, HANDED_OVER, Cause.WAREHOUSE, facts={"waybill": one.waybill}))


def _left_though_stopped(one: Scanned) -> bool:
    return one.contradiction is not None and one.contradiction == Contradiction(MOVED_THOUGH_STOPPED, needs_person=True)


def _tracking(tools: Tools, one: Scanned, first_s: float) -> tuple[NewWork, ...]:
    """The first look at a parcel that has just left, in the lane that urgent orders do not wait behind."""
    if not one.is_tracked or one.handed_over_at is None or one.has_left:
        return ()
    account = tools.directory.couriers[one.account].tracking_account
    return (NewWork("track", one.ref.subject_id, Lane.BULK, account, one.shop, first_s),)


def _contradicting(one: Scanned) -> Facts:
    # A text that is no waybill number may hold personal data: it is kept in the stored page only.
    shown = one.other_waybill if is_waybill(one.other_waybill) else "not a waybill number"
    return {"waybill": one.waybill, "scanned": shown}


def _wrong_waybill(one: Scanned) -> NewCase:
    """What has left under another number is stopped by no hold: somebody must find out what travels."""
    assert one.ref.order_id is not None
    return NewCase(
        shop=one.shop,
        case_id=case_id_of(CaseKind.WRONG_WAYBILL, one.reference),
        kind=CaseKind.WRONG_WAYBILL,
        order_id=one.ref.order_id,
        package_id=one.ref.package_id,
        facts=_contradicting(one),
    )
