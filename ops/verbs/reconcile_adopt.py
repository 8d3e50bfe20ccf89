"""Makes a courier's waybill ours, or notes that we had one cancelled. The label step adopts, without booking."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from actors.label import LabelStep
from adapters.ports import Waybill
from domain.errors import Conflict
from domain.holds import HoldCode, waybill_facts
from domain.order import Lane
from domain.outcomes import Hold
from domain.reconcile import CourierShipment
from domain.states import State
from infra.engine.author import Author
from infra.engine.remote import Intended, Lease, NotCalledError, RemoteRunner, call_each
from infra.engine.replay import replay
from infra.engine.results import Result, SubjectRef
from infra.engine.write_outcomes import Writes, add_hold, write
from infra.process.steps import STEPS
from infra.queue.keys import BellKey
from infra.tables import shipments
from infra.tables.audit import Verb
from infra.tables.holds import label_holds
from infra.tables.pool import Connection, Database
from infra.tables.shipments import (
    BookedShipment,
    FoundShipment,
    PackageHere,
    add_label,
    book_shipments,
    booked_waybill,
    intend_found,
    is_label_leased,
    label_letters,
)
from ops.verbs.change import change
from ops.verbs.holds import release
from ops.views.looking import looking

_LABEL_MAY_ACT = STEPS["label"].works_in | {State.ON_HOLD}


@dataclass(frozen=True, slots=True)
class AskOnly:
    """The label step without its booking: a waybill that the courier has is recorded; without one nothing changes."""

    label: LabelStep
    step: str = "label"

    @property
    def call_s(self) -> float:
        return self.label.call_s

    def intend(self, tx: Connection, subject_ids: Sequence[int]) -> Intended[Any]:
        return self.label.intend(tx, subject_ids)

    async def call(self, intents: Sequence[Any], lease: Lease) -> Mapping[int, Any]:
        courier = self.label.tools.courier(lease.key.account)

        async def ask(one: Any) -> Waybill:  # noqa: ANN401 - label's own intent, which nobody else reads
            found = await courier.find(one.reference)
            if found is None or not found.alive:
                raise NotCalledError
            return found

        return await call_each(
            intents,
            ask,
            at_once=self.label.tools.settings.engine.outside_concurrency,
            start_before=lease.ends_at - self.call_s,
            now=self.label.tools.clock.monotonic,
        )

    def record(self, tx: Connection, answered: Sequence[tuple[Any, Any]]) -> Sequence[Result]:
        return self.label.record(tx, answered)


def adopt(runner: RemoteRunner, package: PackageHere, keep: CourierShipment, author: Author) -> bool:
    """Record `keep` as the package's booked waybill, with all that follows a label; False: not now.

    Not now is when a worker labels it at this moment, or when a hold of another kind keeps label from
    acting: then the intent is ours, and label asks by it as soon as it may.
    """
    assert isinstance(runner.step, LabelStep)
    with change(runner.db, author) as made:
        if is_label_leased(made.tx, package.id):
            made.unchanged()
            return False
        key = _intend(made.tx, package, keep)
        before = {"generation": package.generation, "is_booked": package.waybill is not None}
        after = {"generation": keep.generation, "is_booked": key is None}
        made.note(Verb.WAYBILL_ADOPTED, f"package/{package.id}", before, after)
    if key is not None:
        _clear_the_way(runner.db, package, author)
        replace(runner, step=AskOnly(runner.step)).run_named(key, [package.id])
    with looking(runner.db) as tx:
        return booked_waybill(tx, package.id) == keep.waybill


def _intend(tx: Connection, package: PackageHere, keep: CourierShipment) -> BellKey | None:
    """Set our intent to the generation that is alive; returns the key of label's work, if label is to record it."""
    intend_found(tx, _shipment(package, keep))
    if package.state not in _LABEL_MAY_ACT:
        # The package has left the label step: only the number is corrected.
        book_shipments(tx, [BookedShipment(package.reference(keep.generation), keep.waybill, sort_code="")])
        if package.state == State.CLOSED:
            _show_unwanted(tx, package, keep)
        return None
    (due,) = add_label(tx, package.id, Lane(package.lane), package.account)
    return BellKey("label", *due)


def _show_unwanted(tx: Connection, package: PackageHere, keep: CourierShipment) -> None:
    ref = SubjectRef(package.id, Lane(package.lane), package.order_id, package.fulfillment_order_id, package.id)
    writes = Writes()
    hold = Hold(HoldCode.UNWANTED_WAYBILL, waybill_facts(package.courier, keep.waybill))
    add_hold("label", ref, hold, writes)
    write(tx, "label", writes)


def _clear_the_way(db: Database, package: PackageHere, author: Author) -> None:
    """Close the hold and letter with which label had stopped: the waybill is found now."""
    with change(db, author) as made:
        made.noted_below()
        tx = made.tx
        letters = label_letters(tx, package.id)
        if letters:
            replay(tx, letters, author, again=True)
        codes = label_holds(tx, package.fulfillment_order_id)
    for code in codes:
        try:
            release(db, package.order_id, HoldCode(code), author)
        except Conflict:
            # Another transaction released it a moment ago.
            continue


def note_voided(db: Database, package: PackageHere, voided: CourierShipment, author: Author) -> None:
    """Write down that a generation was cancelled at the courier, so that it is never booked again."""
    with change(db, author) as made:
        shipments.note_voided(made.tx, _shipment(package, voided))
        generation = {"generation": voided.generation}
        made.note(
            Verb.WAYBILL_VOIDED,
            f"package/{package.id}",
            {**generation, "status": "booked"},
            {**generation, "status": "voided"},
        )


def _shipment(package: PackageHere, found: CourierShipment) -> FoundShipment:
    reference = package.reference(found.generation)
    return FoundShipment(package.id, found.generation, reference, package.courier, found.waybill)
