"""Cancel waybills that nobody wants, as a person: at the courier, or with the word that it is done there."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.errors import Conflict, Facts
from domain.holds import HoldCode
from domain.order import Lane
from domain.states import State
from domain.stops import VoidStatus
from infra.engine.author import Author
from infra.engine.results import NewWork
from infra.engine.write_outcomes import add_work
from infra.tables.audit import Verb
from infra.tables.cases import close_of_dead_waybills
from infra.tables.holds import open_holds, release_hold
from infra.tables.orders import lock_fulfillment
from infra.tables.pool import Connection, Database
from infra.tables.shipments import note_voids, still_unwanted, void_shipments, want_voids
from infra.tables.voiding import Voidable, load_voidable
from ops.verbs.change import Change, change
from ops.views.looking import looking


class VoidRefusal(StrEnum):
    """Why a waybill is not cancelled, as the code of the refusal."""

    VOID = "waybill_void"
    NOT_LABELLED = "not_labelled"
    OF_WAREHOUSE = "waybill_of_warehouse"
    LEFT = "package_left"
    AT_WAREHOUSE = "package_at_warehouse"
    WANTED = "waybill_wanted"


@dataclass(frozen=True, slots=True, kw_only=True)
class VoidedPackage:
    """A package whose waybill is to be cancelled. `is_settled`: a person has said that it is cancelled already."""

    package_id: int
    order_id: int
    courier: str
    waybill: str
    is_settled: bool


def void(db: Database, package_id: int, author: Author, *, is_settled: bool = False) -> VoidedPackage:
    """Have the courier cancel the waybill of a package that nobody wants, also if it refused before.

    `is_settled`: it was cancelled there by hand, and is recorded so. Raises Conflict ``waybill_void``,
    ``waybill_wanted``, ``waybill_of_warehouse``, ``package_left``, ``package_at_warehouse``, and ``not_labelled``.
    """
    with change(db, author) as made:
        return void_in(made, package_id, author, is_settled=is_settled)


def void_in(made: Change, package_id: int, author: Author, *, is_settled: bool = False) -> VoidedPackage:
    """The same in the caller's change, which must not have locked any row of the order before."""
    tx = made.tx
    [where] = load_voidable(tx, [package_id])
    lock_fulfillment(tx, [where.fulfillment_order_id])
    [found] = load_voidable(tx, [package_id])
    code = why_not(found, is_settled=is_settled)
    if code is not None:
        raise Conflict(code, facts=_facts(found))
    want_voids(tx, [package_id])
    before = {"status": found.status, "void": found.void}
    if is_settled:
        void_shipments(tx, [found.reference])
        _release_settled(tx, found, author)
        close_of_dead_waybills(tx, [package_id], author.who)
        step, subject, account = "stop", found.fulfillment_order_id, ""
    else:
        # Asked again, it looks first at what the courier has.
        if found.void:
            note_voids(tx, {found.reference: VoidStatus.UNKNOWN})
        step, subject, account = "void", package_id, found.account
    if not is_settled or found.is_stopping:
        add_work(tx, [NewWork(step, subject, Lane(found.lane), account, found.shop)])
    verb = Verb.WAYBILL_VOIDED if is_settled else Verb.WAYBILL_UNWANTED
    after = {"status": "voided" if is_settled else found.status, "void": "" if is_settled else VoidStatus.ASKED}
    made.note(verb, f"package/{package_id}", before, after, order_id=found.order_id, by_hand=is_settled)
    return _answer(found, is_settled=is_settled)


def foresee_void(tx: Connection, package_ids: Sequence[int], done: str) -> dict[int, str]:
    """What a void would end with, by package: `done`, or the code of the refusal. Changes nothing."""
    return {one.package_id: str(why_not(one) or done) for one in load_voidable(tx, package_ids)}


def preview_void(db: Database, package_id: int, *, is_settled: bool = False) -> VoidedPackage:
    """What a void would do. Changes nothing; raises as `void` does."""
    with looking(db) as tx:
        [found] = load_voidable(tx, [package_id])
    code = why_not(found, is_settled=is_settled)
    if code is not None:
        raise Conflict(code, facts=_facts(found))
    return _answer(found, is_settled=is_settled)


def why_not(found: Voidable, *, is_settled: bool = False) -> VoidRefusal | None:
    """Why the waybill of a package is not cancelled; None where it may be. `is_settled`: it was, by hand."""
    if found.status == "voided":
        return VoidRefusal.VOID
    if found.status != "booked":
        return VoidRefusal.NOT_LABELLED
    if found.account.startswith("warehouse/"):
        return VoidRefusal.OF_WAREHOUSE
    if found.has_left:
        return VoidRefusal.LEFT
    if found.is_stopping and found.is_at_warehouse and not is_settled:
        # A cancelled waybill does not keep a packed box from leaving: the stop there comes first.
        return VoidRefusal.AT_WAREHOUSE
    is_unwanted = found.is_unwanted or found.is_cancelled or found.is_stopping or found.state == State.CLOSED
    return None if is_unwanted else VoidRefusal.WANTED


def _release_settled(tx: Connection, found: Voidable, author: Author) -> None:
    """Release the hold by which the refused void had asked for a person, where no other waybill lives unwanted."""
    id_ = found.fulfillment_order_id
    if still_unwanted(tx, [id_]):
        return
    if any(code == HoldCode.UNWANTED_WAYBILL for code, _ in open_holds(tx, [id_]).get(id_, ())):
        release_hold(tx, id_, HoldCode.UNWANTED_WAYBILL, author, is_waived=False)


def _answer(found: Voidable, *, is_settled: bool) -> VoidedPackage:
    return VoidedPackage(
        package_id=found.package_id,
        order_id=found.order_id,
        courier=found.courier,
        waybill=found.waybill,
        is_settled=is_settled,
    )


def _facts(found: Voidable) -> Facts:
    return {"order": found.order_id, "package": found.package_id, "waybill": found.waybill, "courier": found.courier}
