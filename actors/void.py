"""void: cancel a waybill that nobody wants. Intent first, ask what the courier has, cancel, record.

A parcel that its courier has collected already is not voided: a stop of it goes on with that knowledge.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actors.parcels.unwanted import LeftBehind, unwanted_waybill
from actors.tools import Tools
from adapters.ports import Courier
from domain.errors import Conflict, Malformed, Refused, Throttled, Transient
from domain.gates import ENGINE
from domain.holds import HoldCode, waybill_facts
from domain.order import Lane
from domain.outcomes import Done, Hold, Later
from domain.states import Cause, State
from domain.steps import Step, Subject
from domain.stops import VoidStatus
from infra.engine.actor import Runner, actor
from infra.engine.remote import Intended, Lease, call_each
from infra.engine.results import Failed, Finished, NewWork, Result, SubjectRef, decide_each
from infra.process.failpoints import failpoint
from infra.queue.keys import BellKey
from infra.tables.cases import NewCase, close_of_dead_waybills, open_cases
from infra.tables.fulfillment import SubjectsQuery, lock_subject_rows
from infra.tables.holds import open_holds, release_holds
from infra.tables.pool import Connection
from infra.tables.progress import ended_voids, open_voids
from infra.tables.shipments import (
    UnwantedRow,
    intend_voids,
    load_unwanted,
    note_voids,
    still_unwanted,
    void_shipments,
)
from infra.tables.stops import open_stops

STEP = Step(
    name="void",
    does="cancel a waybill that nobody wants at its courier",
    subject=Subject.PACKAGE,
    is_remote=True,
    leads_to=("stop",),
    group="label",
    failpoints=("asked", "decide"),
    stops_order=False,
    done=ended_voids,
    open_calls=open_voids,
)

# The code under which a courier says that it has the parcel already.
_COLLECTED = "shipment_collected"
# The code under which a courier says that it has no such shipment.
_UNKNOWN = "shipment_not_found"
_OVER = frozenset({VoidStatus.REFUSED, VoidStatus.COLLECTED})
# A call that ended so had no effect.
_NO_EFFECT = (Transient, Throttled)


@dataclass(frozen=True, slots=True)
class Unwanted:
    """A waybill to cancel. `seen_before`: a cancel may have been asked for already.

    `is_left_behind`: its order goes on without the package. `shop`: account of the order's shop.
    """

    ref: SubjectRef
    account: str
    courier: str
    reference: str
    waybill: str
    seen_before: bool
    shop: str = ""
    is_left_behind: bool = False

    @property
    def fulfillment_order_id(self) -> int:
        assert self.ref.fulfillment_order_id is not None
        return self.ref.fulfillment_order_id


@dataclass(frozen=True, slots=True)
class Voided:
    """The waybill is dead at its courier."""


@dataclass(frozen=True, slots=True)
class NotVoided:
    """The waybill lives, and the courier does not cancel it. `code`: its reason."""

    status: VoidStatus
    code: str


@dataclass(frozen=True, slots=True)
class VoidStep:
    """Cancels waybills at one courier account."""

    tools: Tools
    step: str = STEP.name

    @property
    def call_s(self) -> float:
        # What the courier has, before and after the cancel.
        return 3 * self.tools.settings.door.total_s

    def intend(self, tx: Connection, subject_ids: Sequence[int]) -> Intended[Unwanted]:
        lock_subject_rows(tx, SubjectsQuery.PACKAGE, subject_ids)
        rows = load_unwanted(tx, subject_ids)
        left = [row for row in rows if row.status == "booked" and row.has_left and row.void not in _OVER]
        # The waybill of a parcel that has left is never voided, even where a void is still due.
        note_voids(tx, {row.reference: VoidStatus.COLLECTED for row in left})
        shops = open_stops(tx, sorted({row.fulfillment_order_id for row in rows}))
        intents: list[Unwanted] = []
        finished: list[Result] = []
        for row in rows:
            ref, void = _place_of(row), VoidStatus(row.void)
            if row.busy_s > 0:
                # An earlier caller may still be talking to the courier: ask only after it has given up.
                finished.append(Finished(ref, Later("earlier_call_may_run", after_s=row.busy_s)))
            elif row.status != "booked" or row.has_left or void in _OVER:
                why = "not_booked" if row.status != "booked" else "has_left" if row.has_left else void
                finished.append(Finished(ref, Done(facts={"left_alone": why}), Cause.SAGA, follow=_again(ref, shops)))
            else:
                intents.append(_unwanted(ref, row, seen_before=void is not VoidStatus.NONE))
        intend_voids(tx, [one.reference for one in intents], self.call_s)
        return Intended(intents, finished)

    async def call(self, intents: Sequence[Unwanted], lease: Lease) -> Mapping[int, Any]:
        courier = self.tools.courier(lease.key.account)
        return await call_each(
            intents,
            lambda one: _cancel(courier, one),
            at_once=self.tools.settings.engine.outside_concurrency,
            start_before=lease.ends_at - self.call_s,
            now=self.tools.clock.monotonic,
            is_draining=lease.is_draining,
        )

    def record(self, tx: Connection, answered: Sequence[tuple[Unwanted, Any]]) -> Sequence[Result]:
        voided = [one for one, answer in answered if isinstance(answer, Voided)]
        void_shipments(tx, [one.reference for one in voided])
        note_voids(tx, {one.reference: _status(one, a) for one, a in answered if not isinstance(a, Voided)})
        _release_settled(tx, voided)
        close_of_dead_waybills(tx, [one.ref.subject_id for one in voided], ENGINE)
        shops = open_stops(tx, sorted({one.fulfillment_order_id for one, _ in answered}))
        open_cases(tx, [_case(one, a) for one, a in answered if _is_case(one, a, shops)])
        answers = {one.ref.subject_id: answer for one, answer in answered}

        def result_of(one: Unwanted) -> Result:
            return _result_of(one, answers[one.ref.subject_id], shops)

        return decide_each(STEP.name, [one for one, _ in answered], result_of)


@actor(STEP, VoidStep)
def void(message: BellKey, runner: Runner) -> None:
    """The Dramatiq actor of this step; `infra.engine.actor` tells how a message becomes work."""
    runner.run(message)


async def _cancel(courier: Courier, one: Unwanted) -> Voided | NotVoided:
    if one.seen_before and courier.can_find and await _is_dead(courier, one):
        return Voided()
    try:
        await courier.cancel(one.reference, one.waybill)
    except Conflict as error:
        if error.code == _COLLECTED:
            return NotVoided(VoidStatus.COLLECTED, error.code)
        if error.code != _UNKNOWN:
            return NotVoided(VoidStatus.REFUSED, error.code)
        if courier.can_find and not await _is_dead(courier, one):
            raise Malformed("shipment_contradicts", "the courier knows no such shipment, and shows it") from error
    except Refused as error:
        return NotVoided(VoidStatus.REFUSED, error.code)
    failpoint("void.asked", one.ref.subject_id)
    return Voided()


async def _is_dead(courier: Courier, one: Unwanted) -> bool:
    found = await courier.find(one.reference)
    if found is not None and found.reference != one.reference:
        raise Malformed("foreign_answer", "the courier answered for another reference")
    return found is None or not found.alive


def _release_settled(tx: Connection, voided: Sequence[Unwanted]) -> None:
    """Release the holds by which earlier refusals had asked for a person, where none of their waybills lives now."""
    ids = sorted({one.fulfillment_order_id for one in voided})
    if not ids:
        return
    held = [id_ for id_, holds in open_holds(tx, ids).items() if (HoldCode.UNWANTED_WAYBILL, STEP.name) in holds]
    if held:
        living = still_unwanted(tx, held)
        release_holds(tx, [(id_, HoldCode.UNWANTED_WAYBILL) for id_ in held if id_ not in living], STEP.name)


def _status(one: Unwanted, answer: object) -> VoidStatus:
    if isinstance(answer, NotVoided):
        return answer.status
    if isinstance(answer, _NO_EFFECT):
        return VoidStatus.UNKNOWN if one.seen_before else VoidStatus.NONE
    return VoidStatus.UNKNOWN


def _result_of(one: Unwanted, answer: object, shops: Mapping[int, str]) -> Result:
    if isinstance(answer, Exception):
        return Failed(one.ref, answer)
    facts = waybill_facts(one.courier, one.waybill)
    follow = _again(one.ref, shops)
    if isinstance(answer, Voided):
        return Finished(one.ref, Done(facts={**facts, "answer": "voided"}), Cause.COURIER, follow=follow)
    assert isinstance(answer, NotVoided)
    done = Done(facts={**facts, "answer": answer.status, "code": answer.code})
    # A stop of a collected parcel goes on by itself; otherwise a person must see to the waybill. A hold would keep an
    # order that goes on without the package from going on after any later hold: that is a case.
    is_cared_for = _is_case(one, answer, shops) or (answer.status is VoidStatus.COLLECTED and bool(follow))
    holds = () if is_cared_for else (Hold(HoldCode.UNWANTED_WAYBILL, {**facts, "code": answer.code}),)
    return Finished(one.ref, done, Cause.COURIER, holds=holds, follow=follow)


def _is_case(one: Unwanted, answer: object, shops: Mapping[int, str]) -> bool:
    """The waybill lives, and its order goes on without the package."""
    return isinstance(answer, NotVoided) and one.is_left_behind and one.fulfillment_order_id not in shops


def _case(one: Unwanted, answer: NotVoided) -> NewCase:
    assert one.ref.order_id is not None
    left = LeftBehind(
        shop=one.shop,
        order_id=one.ref.order_id,
        package_id=one.ref.subject_id,
        reference=one.reference,
        courier=one.courier,
        waybill=one.waybill,
    )
    return unwanted_waybill(left, {"code": answer.code})


def _again(ref: SubjectRef, shops: Mapping[int, str]) -> tuple[NewWork, ...]:
    id_ = ref.fulfillment_order_id
    if id_ is None or id_ not in shops:
        return ()
    return (NewWork("stop", id_, ref.lane, shop=shops[id_]),)


def _unwanted(ref: SubjectRef, row: UnwantedRow, *, seen_before: bool) -> Unwanted:
    is_left = row.is_cancelled and row.state != State.CLOSED
    about = (row.account, row.courier, row.reference, row.waybill)
    return Unwanted(ref, *about, seen_before, shop=row.shop, is_left_behind=is_left)


def _place_of(row: UnwantedRow) -> SubjectRef:
    return SubjectRef(
        row.package_id, Lane(row.lane), row.order_id, row.fulfillment_order_id, row.package_id, State(row.state)
    )
