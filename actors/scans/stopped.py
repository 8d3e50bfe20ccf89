"""Scans of what is being stopped, or was stopped: a parcel that leaves all the same is evidence, and loud."""

from collections.abc import Sequence
from dataclasses import dataclass

from actors.stops.asking import STOPS, stop_work
from domain.cases import CaseKind, case_id_of
from domain.holds import HoldCode
from domain.order import Lane
from domain.stops import RecallStatus
from infra.engine.results import NewWork
from infra.tables.cases import NewCase, open_cases
from infra.tables.holds import release_holds
from infra.tables.placements import note_recalls, stop_documents
from infra.tables.pool import Connection

# Codes of contradictions: the parcel has left while its stop was open, and after its stop was confirmed.
LEFT_THOUGH_STOPPING = "left_though_stopping"
MOVED_THOUGH_STOPPED = "moved_though_stopped"


@dataclass(frozen=True, slots=True)
class LeftParcel:
    """What has left against a stop. `reference`: of the package or document. `shop`: account of its order's shop."""

    fulfillment_order_id: int
    order_id: int
    package_id: int | None
    lane: Lane
    shop: str
    reference: str


def let_leave(tx: Connection, left: Sequence[LeftParcel]) -> dict[int, NewWork]:
    """The holds of open stops end with the goods; the stops go on. Their work by fulfillment order."""
    release_holds(tx, [(one.fulfillment_order_id, HoldCode.STOPPING) for one in left], STOPS)
    return {one.fulfillment_order_id: stop_work(one.fulfillment_order_id, one.lane, one.shop) for one in left}


def report_stopped(tx: Connection, left: Sequence[LeftParcel]) -> None:
    """A case for each parcel that has left after its stop was confirmed. No statement for none."""
    open_cases(
        tx,
        [
            NewCase(
                shop=one.shop,
                case_id=case_id_of(CaseKind.MOVED_THOUGH_STOPPED, one.reference),
                kind=CaseKind.MOVED_THOUGH_STOPPED,
                order_id=one.order_id,
                package_id=one.package_id,
                facts={"reference": one.reference},
            )
            for one in left
        ],
    )


@dataclass(frozen=True, slots=True)
class ToldOfStop:
    """What a page of events says of the stop of a document.

    `is_confirmed`: the warehouse has stopped it as it was asked. `is_too_late`: it will not. `has_left`: handed over
    while the stop was open; `has_left_after`: after the stop was confirmed. `is_over`: the warehouse does not work on
    it any more.
    """

    subject: LeftParcel
    is_confirmed: bool
    is_too_late: bool
    has_left: bool
    has_left_after: bool
    is_over: bool


def settle_stops(tx: Connection, told: Sequence[ToldOfStop]) -> dict[int, tuple[NewWork, ...]]:
    """Store the answers about stops of one page. Returns the work of the stops that continue, by fulfillment order."""
    stop_documents(tx, [one.subject.reference for one in told if one.is_confirmed])
    note_recalls(tx, {one.subject.reference: RecallStatus.TOO_LATE for one in told if one.is_too_late})
    work = let_leave(tx, [one.subject for one in told if one.has_left])
    report_stopped(tx, [one.subject for one in told if one.has_left_after])
    for one in told:
        if one.is_over or one.is_too_late:
            id_ = one.subject.fulfillment_order_id
            work[id_] = stop_work(id_, one.subject.lane, one.subject.shop)
    return {id_: (one,) for id_, one in work.items()}
