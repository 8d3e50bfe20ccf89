"""An order that its warehouse does not do: stock there is corrected, the location is left out, it is routed again.

The order lives on, so a waybill that it leaves behind is a case: a hold would keep the order from going on after any
later hold.

Everything happens in the caller's transaction, which has locked the fulfillment orders.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actors.parcels.unwanted import LeftBehind, unwanted_waybill
from domain.dispatch import Correction, DocumentRefusal, PlacementStatus, correction
from domain.lines import pieces_by_sku
from domain.order import Order
from domain.outcomes import Done
from domain.states import Cause, State
from domain.stock import Reservation, fill
from infra.engine.author import machine
from infra.engine.results import Finished, NewWork, SubjectRef
from infra.tables.cases import NewCase, open_cases
from infra.tables.fulfillment import set_reservations, unplace
from infra.tables.packages import CancelledPackage, cancel_packages
from infra.tables.placements import Ended, end_documents
from infra.tables.pool import Connection
from infra.tables.recount import lower_location
from infra.tables.shipments import want_voids
from infra.tables.stock import lock_levels, lock_location_levels, release_stock, reserve_stock
from infra.tables.writebacks import drop_untold

# The order still was in the house when the refusal came.
_TAKES_BACK = frozenset({State.ALLOCATED, State.IN_WAREHOUSE})


@dataclass(frozen=True, slots=True)
class RefusedDocument:
    """A document that its warehouse does not do. `quantities`: pieces by line.

    `at`: the state, or what a hold has interrupted.
    """

    ref: SubjectRef
    at: State | None
    order: Order
    location: str
    reference: str
    quantities: Mapping[str, int]
    refusal: DocumentRefusal


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What became of a refused order, and what follows. `is_over`: it is closed, or the refusal came too late.

    `voids`: waybills that nobody wants now.
    """

    refused: RefusedDocument
    facts: Mapping[str, Any]
    voids: tuple[NewWork, ...] = ()
    is_over: bool = False

    def finished(self, ref: SubjectRef, step: str) -> Finished:
        """The result of the step that heard of it."""
        if self.is_over or ref.state is State.ON_HOLD:
            # A held order goes back to its routing once it is released.
            return Finished(ref, Done(facts=self.facts), Cause.WAREHOUSE, follow=self.voids)
        assert ref.fulfillment_order_id is not None
        again = NewWork("route", ref.fulfillment_order_id, ref.lane, shop=self.refused.order.key.account)
        return Finished(
            ref,
            Done(State.APPROVED, {"refused_at": step, **self.facts}),
            Cause.WAREHOUSE,
            follow=(again, *self.voids),
        )


def take_back(tx: Connection, refused: Sequence[RefusedDocument]) -> dict[int, TakenBack]:
    """End the documents and take the orders back; by fulfillment order. No statement for none."""
    if not refused:
        return {}
    end_documents(tx, [Ended(one.reference, PlacementStatus.REFUSED, one.refusal.code) for one in refused])
    back = {_id(one): one for one in refused if one.at in _TAKES_BACK}
    cancelled, voids = _cancel(tx, list(back))
    open_cases(
        tx,
        [
            _unwanted(back[id_], package)
            for id_, mine in cancelled.items()
            for package in _needs_person(mine, voids.get(id_, ()))
        ],
    )
    corrected = _give_back(tx, list(back.values()))
    if back:
        unplace(tx, {id_: (one.location, one.refusal.code) for id_, one in back.items()})
    return {
        _id(one): _taken_back(
            one, cancelled.get(_id(one), ()), voids.get(_id(one), ()), corrected.get(_id(one), {}), back
        )
        for one in refused
    }


def _taken_back(
    one: RefusedDocument,
    cancelled: Sequence[CancelledPackage],
    voids: Sequence[NewWork],
    corrected: Mapping[str, int],
    back: Mapping[int, RefusedDocument],
) -> TakenBack:
    facts: dict[str, Any] = {"location": one.location, "document": one.reference, "code": one.refusal.code}
    if corrected:
        facts["stock_lowered"] = dict(corrected)
    if living := [package.waybill for package in cancelled if package.waybill]:
        facts["unwanted_waybills"] = ", ".join(living)
    return TakenBack(one, facts, tuple(voids), is_over=_id(one) not in back)


def _needs_person(cancelled: Sequence[CancelledPackage], voids: Sequence[NewWork]) -> list[CancelledPackage]:
    """Packages whose waybill is not ours to void, or that the platform was told and that do not travel."""
    voided = {work.subject_id for work in voids}
    return [one for one in cancelled if one.waybill is not None and (one.is_told or one.id not in voided)]


def _unwanted(one: RefusedDocument, package: CancelledPackage) -> NewCase:
    assert one.ref.order_id is not None
    left = LeftBehind(
        shop=one.order.key.account,
        order_id=one.ref.order_id,
        package_id=package.id,
        reference=package.reference,
        courier=package.courier,
        waybill=package.waybill or "",
        is_told=package.is_told,
    )
    return unwanted_waybill(left, {"document": one.reference})


def _cancel(tx: Connection, ids: Sequence[int]) -> tuple[dict[int, list[CancelledPackage]], dict[int, list[NewWork]]]:
    """The packages leave with their pieces; what the platform has not heard of them it does not hear.

    Returns what is to be voided beside them.
    """
    cancelled: dict[int, list[CancelledPackage]] = {}
    for package in cancel_packages(tx, ids):
        cancelled.setdefault(package.fulfillment_order_id, []).append(package)
    named = [package.id for mine in cancelled.values() for package in mine]
    drop_untold(tx, named)
    voids: dict[int, list[NewWork]] = {}
    for one in want_voids(tx, named):
        void = NewWork("void", one.package_id, one.lane, one.account, one.shop)
        voids.setdefault(one.fulfillment_order_id, []).append(void)
    return cancelled, voids


def _give_back(tx: Connection, refused: Sequence[RefusedDocument]) -> dict[int, Mapping[str, int]]:
    """Correct the stock and promise what is left to the orders again; pieces taken off by SKU, by fulfillment order.

    An order is corrected by pieces that were allocated to it, so no promise to another order is broken. One that cannot
    be promised again is found without stock when it is routed.
    """
    if not refused:
        return {}
    pieces = {_id(one): pieces_by_sku(one.order, one.quantities.items()) for one in refused}
    skus = sorted({sku for mine in pieces.values() for sku in mine})
    lock_location_levels(tx, skus)
    release_stock(tx, [_id(one) for one in refused])
    lowered: dict[int, Mapping[str, int]] = {}
    for one in refused:
        wrong = correction(one.refusal, pieces[_id(one)])
        if not wrong.is_empty:
            lowered[_id(one)] = _lower(tx, one, wrong)
    left = lock_levels(tx, skus)
    promised: dict[int, Mapping[str, int]] = {}
    taken: dict[str, int] = {}
    for id_, mine in pieces.items():
        if mine and fill(mine, left):
            promised[id_] = mine
            for sku, count in mine.items():
                left[sku] -= count
                taken[sku] = taken.get(sku, 0) + count
    reserve_stock(tx, taken, promised)
    set_reservations(tx, dict.fromkeys(promised, Reservation.RESERVED))
    return lowered


def _lower(tx: Connection, one: RefusedDocument, wrong: Correction) -> Mapping[str, int]:
    author = machine(f"{one.location} has refused {one.reference}: {one.refusal.code}")
    return lower_location(tx, one.location, wrong.lost, wrong.nothing_free, author)


def _id(one: RefusedDocument) -> int:
    assert one.ref.fulfillment_order_id is not None
    return one.ref.fulfillment_order_id
