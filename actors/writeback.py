"""writeback: the platform hears the tracking number, and is read back until it shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from actors.stops.asking import StopRequest, ask
from actors.tools import Tools
from adapters.ports import Handover, Platform, PlatformStatus
from domain.cases import CaseKind
from domain.errors import Conflict, FulfilmentError, Misconfigured, Refused, Throttled, Transient, UnknownOutcome
from domain.holds import HoldCode
from domain.order import PlatformState
from domain.outcomes import Done, Later
from domain.states import State
from domain.steps import Milestone, Step, Subject
from domain.stops import StopAsker, StopCode, StopGoal
from domain.take_over import ShopWatchedError
from infra.engine.actor import Runner, actor
from infra.engine.remote import Intended, Lease, NotCalledError, call_each
from infra.engine.results import Failed, Finished, Result, SubjectRef, decide_each, ref_of
from infra.engine.watch import LOOK_AGAIN_S
from infra.process.failpoints import failpoint
from infra.queue.keys import BellKey
from infra.tables.cases import NewCase, open_cases
from infra.tables.orders import lock_fulfillment
from infra.tables.pool import Connection
from infra.tables.progress import confirmed_packages, unconfirmed_packages
from infra.tables.writebacks import (
    WritebackEnd,
    WritebackRow,
    begin_writebacks,
    divided_lines,
    end_writebacks,
    leave_untold,
    load_writebacks,
    resume_writebacks,
)

STEP = Step(
    name="writeback",
    does="tell the platform the tracking number, and read it back",
    subject=Subject.PACKAGE,
    is_remote=True,
    leads_to=("stop",),
    group="tell",
    failpoints=("told", "decide"),
    begins=Milestone.HANDED_OVER,
    ends=Milestone.WRITTEN_BACK,
    refused_hold=HoldCode.WRITEBACK_REFUSED,
    conflict_hold=HoldCode.SHIPPED_ELSEWHERE,
    # What a platform does not hear must never look like an order that was not shipped.
    stops_order=False,
    done=confirmed_packages,
    open_subjects=unconfirmed_packages,
    on_release=resume_writebacks,
)

# One package of an order after the other; the next one looks again this much later.
_TURN_S = 1.0
# A number that may not travel is told to nobody; how the case about it ended is looked at this much later.
_DOUBT_S = 600.0
# What a platform heard of the other pieces of a line is found out by their own package; this package looks again this
# much later.
_UNCLEAR_S = 10.0
# These errors say that the call had no effect.
_CLEAR = (Transient, Throttled, Refused, Misconfigured)


@dataclass(frozen=True, slots=True)
class PendingWriteback:
    """A package whose number the platform must hear. `seen_before`: it may have heard already.

    Without `may_tell` the order is held: the platform is asked what it has heard, and told nothing. `others`: waybills
    of ours that hold pieces of the same lines.
    """

    ref: SubjectRef
    shop: str
    handover: Handover
    seen_before: bool
    may_tell: bool = True
    others: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The platform shows our number. `written_now`: by this call. `changed_at`: the order's, on the platform.

    `shown_as`: the platform shows divided lines under this other number of ours, for it has room for one number a line.
    """

    written_now: bool
    changed_at: datetime | None = None
    shown_as: str = ""


@dataclass(frozen=True, slots=True)
class OrderClosed:
    """The platform has closed the order, and takes no number for it. The parcel may be on its way."""


@dataclass(frozen=True, slots=True)
class NothingTold:
    """The platform does not show our number after every earlier call has ended, and is told nothing during a hold."""


@dataclass(frozen=True, slots=True)
class WritebackStep:
    """Tells one shop of its packages; never two packages of one platform order at once."""

    tools: Tools
    step: str = STEP.name

    @property
    def call_s(self) -> float:
        # Ask, tell, read back.
        return 3 * self.tools.settings.door.total_s

    def intend(self, tx: Connection, subject_ids: Sequence[int]) -> Intended[PendingWriteback]:
        # Packages that may have been told come first: the others of their orders wait for what is found out.
        rows = sorted(load_writebacks(tx, subject_ids), key=lambda row: not row.is_asked_about)
        held = _held(tx, rows)
        intents: list[PendingWriteback] = []
        finished: list[Result] = []
        taken: set[int] = set()
        for row in rows:
            ref = ref_of(row, row.package_id)
            if row.status == "confirmed":
                finished.append(Finished(ref, Done(facts={"left_alone": "confirmed"})))
            elif row.package_id in held and not row.is_asked_about:
                # The release of the last hold makes the write-back due again.
                finished.append(Finished(ref, Done(facts={"left_alone": State.ON_HOLD})))
            elif row.is_taken or row.order_id in taken:
                finished.append(Finished(ref, Later("other_package_first", after_s=_TURN_S)))
            elif row.is_in_doubt and not row.is_asked_about:
                finished.append(Finished(ref, Later("waybill_in_doubt", after_s=_DOUBT_S)))
            elif row.busy_s > 0:
                finished.append(Finished(ref, Later("earlier_call_may_run", after_s=row.busy_s)))
            else:
                taken.add(row.order_id)
                intents.append(_pending(ref, row, may_tell=row.package_id not in held))
        intents, unclear = _with_divided(tx, intents)
        finished += [Finished(one.ref, Later("other_package_unclear", after_s=_UNCLEAR_S)) for one in unclear]
        leave_untold(tx, [row.package_id for row in rows if row.package_id in held and not row.is_asked_about])
        if intents:
            ids = [one.ref.subject_id for one in intents]
            begin_writebacks(tx, ids, self.call_s)
        return Intended(intents, finished)

    async def call(self, intents: Sequence[PendingWriteback], lease: Lease) -> Mapping[int, Any]:
        platform = self.tools.platform(lease.key.account)
        return await call_each(
            intents,
            lambda one: _write_back(platform, one, lease),
            at_once=self.tools.settings.engine.outside_concurrency,
            start_before=lease.ends_at - self.call_s,
            now=self.tools.clock.monotonic,
            is_draining=lease.is_draining,
        )

    def record(self, tx: Connection, answered: Sequence[tuple[PendingWriteback, Any]]) -> Sequence[Result]:
        end_writebacks(tx, [_ended(one, answer) for one, answer in answered])
        answers = {one.ref.subject_id: answer for one, answer in answered}
        rings = _call_back(tx, [one for one, answer in answered if isinstance(answer, OrderClosed)])
        return decide_each(
            STEP.name, [one for one, _ in answered], lambda one: _result_of(one, answers[one.ref.subject_id], rings)
        )


@actor(STEP, WritebackStep)
def writeback(message: BellKey, runner: Runner) -> None:
    """The Dramatiq actor of this step; `infra.engine.actor` tells how a message becomes work."""
    runner.run(message)


def _held(tx: Connection, rows: Sequence[WritebackRow]) -> set[int]:
    """Packages that are still here and whose order is held.

    The lock makes a release wait until the work is settled: otherwise the release would find the work still there, add
    none, and nobody would tell the platform.
    """
    here = [row for row in rows if row.state == State.ON_HOLD and not row.has_left]
    if not here:
        return set()
    locked = lock_fulfillment(tx, sorted({row.fulfillment_order_id for row in here}))
    held = {one.id for one in locked if one.state is State.ON_HOLD}
    return {row.package_id for row in here if row.fulfillment_order_id in held}


def _call_back(tx: Connection, closed: Sequence[PendingWriteback]) -> frozenset[BellKey]:
    """Open a case for service, and ask for a stop, of what its platform has closed. No statement for none."""
    if not closed:
        return frozenset()
    open_cases(tx, [_case_of(one) for one in closed])
    of_part = {one.ref.fulfillment_order_id: one for one in closed if one.ref.fulfillment_order_id is not None}
    requests = [
        StopRequest(
            locked=locked,
            shop=of_part[locked.id].shop,
            asked_by=StopAsker.PLATFORM,
            author=of_part[locked.id].shop,
            code=StopCode.CLOSED_BY_PLATFORM,
            goal=StopGoal.CLOSE,
        )
        for locked in lock_fulfillment(tx, sorted(of_part))
    ]
    _, bells = ask(tx, requests)
    return frozenset(bells)


def _case_of(one: PendingWriteback) -> NewCase:
    assert one.ref.order_id is not None
    return NewCase(
        shop=one.shop,
        case_id=f"{CaseKind.CLOSED_WHILE_SHIPPED}-{one.ref.subject_id}",
        kind=CaseKind.CLOSED_WHILE_SHIPPED,
        order_id=one.ref.order_id,
        package_id=one.ref.package_id,
        facts={"courier": one.handover.courier, "waybill": one.handover.waybill},
    )


def _ended(one: PendingWriteback, answer: object) -> WritebackEnd:
    changed_at = answer.changed_at if isinstance(answer, Confirmed) else None
    return WritebackEnd(one.ref.subject_id, _status(answer), is_clear=_is_clear(one, answer), changed_at=changed_at)


def _status(answer: object) -> str:
    if isinstance(answer, Confirmed):
        return "confirmed"
    return "refused" if isinstance(answer, (Refused, Conflict, OrderClosed)) else "pending"


def _is_clear(one: PendingWriteback, answer: object) -> bool:
    """Whether the next try, if there is one, need not ask first."""
    if isinstance(answer, (Confirmed, OrderClosed, ShopWatchedError)):
        # A watched shop is asked first, and its refusal comes from this side: nothing was told, now or before.
        return True
    return isinstance(answer, _CLEAR) and not one.seen_before


def _result_of(one: PendingWriteback, answer: object, rings: frozenset[BellKey]) -> Result:
    if isinstance(answer, OrderClosed):
        return Finished(one.ref, Done(facts={"found": "order_closed"}), rings=rings)
    if isinstance(answer, ShopWatchedError):
        return Finished(one.ref, Later(answer.code, after_s=LOOK_AGAIN_S))
    if isinstance(answer, NothingTold):
        return Finished(one.ref, Done(facts={"asked_about": one.handover.waybill, "found": "nothing"}))
    if isinstance(answer, Exception):
        return Failed(one.ref, answer)
    assert isinstance(answer, Confirmed)
    facts = {"waybill": one.handover.waybill, "told_now": answer.written_now}
    return Finished(one.ref, Done(facts=facts | ({"shown_as": answer.shown_as} if answer.shown_as else {})))


async def _write_back(platform: Platform, one: PendingWriteback, lease: Lease) -> Confirmed | OrderClosed | NothingTold:
    """Tell, unless the platform shows our number already; then read back what it shows.

    Raises NotCalledError, having only asked, in a process that drains; Refused ``nothing_to_tell`` for what left
    although nobody wanted it any more: that is a person's to settle.
    """
    order_id = one.handover.platform_order_id
    if one.seen_before and (known := await _ask(platform, one)):
        return known
    if one.seen_before and lease.is_draining():
        raise NotCalledError
    if not one.handover.lines:
        raise Refused("nothing_to_tell", "every line of the package was refunded or closed")
    written_now = True
    try:
        await platform.write_back(one.handover)
    except Conflict:
        # Shipped already, by an earlier call of ours or by somebody else with another number; or closed.
        written_now = False
    failpoint("writeback.told", one.ref.subject_id)
    try:
        status = await platform.status(order_id)
    except FulfilmentError as error:
        raise UnknownOutcome("told_not_read_back", "told, but the platform could not be read back") from error
    if _shows(status, one.handover):
        return Confirmed(written_now=written_now, changed_at=status.changed_at)
    if shown_as := _shown_as(status, one):
        return Confirmed(written_now=written_now, changed_at=status.changed_at, shown_as=shown_as)
    if not written_now and _shows_other(status, one.handover):
        raise Conflict("shipped_elsewhere", "the platform shows another waybill for this order")
    if not written_now and status.state is PlatformState.CLOSED:
        return OrderClosed()
    raise UnknownOutcome("not_read_back", "told, but the platform does not show the waybill yet")


async def _ask(platform: Platform, one: PendingWriteback) -> Confirmed | NothingTold | None:
    """What an earlier call has led to; None: nothing, so the platform is told."""
    status = await platform.status(one.handover.platform_order_id)
    if _shows(status, one.handover):
        return Confirmed(written_now=False, changed_at=status.changed_at)
    return None if one.may_tell else NothingTold()


def _shows(status: PlatformStatus, handover: Handover) -> bool:
    """Whether the platform shows our waybill on a line of the package. A platform accepts all lines of a call, or none.

    A line that was refunded meanwhile never shows it.
    """
    shown = [shipment for shipment in status.shipments if shipment.waybill == handover.waybill]
    return any(not shipment.line_ids or handover.lines.keys() & set(shipment.line_ids) for shipment in shown)


def _shows_other(status: PlatformStatus, handover: Handover) -> bool:
    others = [shipment for shipment in status.shipments if shipment.waybill != handover.waybill]
    return any(not shipment.line_ids or handover.lines.keys() & set(shipment.line_ids) for shipment in others)


def _shown_as(status: PlatformStatus, one: PendingWriteback) -> str:
    """The other number of ours under which the platform shows the package's lines, all of which are divided; or empty.

    The platform took the number, or refuses it because it took those lines before: more cannot be told.
    """
    lines, divided = one.handover.lines.keys(), one.handover.divided
    known = lines if status.line_ids is None else lines & set(status.line_ids)
    shown = {shipment.waybill for shipment in status.shipments if known & set(shipment.line_ids)}
    return min(shown) if shown and shown <= one.others and known <= divided else ""


def _with_divided(
    tx: Connection, intents: Sequence[PendingWriteback]
) -> tuple[list[PendingWriteback], list[PendingWriteback]]:
    """The intents; an intent for a part of a line also says which other parts the platform was told.

    Returned beside them: the intents that must wait until it is known which parts the platform was told. Told earlier,
    they would announce more of a line than is to come, and the platform refuses that.
    """
    divided = divided_lines(tx, [one.ref.subject_id for one in intents if one.handover.divided])
    ready: list[PendingWriteback] = []
    unclear: list[PendingWriteback] = []
    for one in intents:
        found = divided.get(one.ref.subject_id)
        if found is None:
            ready.append(one)
        elif found.is_other_unclear and not one.seen_before:
            unclear.append(one)
        else:
            handover = replace(one.handover, completes=found.completes & one.handover.divided)
            ready.append(replace(one, handover=handover, others=found.others))
    return ready, unclear


def _pending(ref: SubjectRef, row: WritebackRow, *, may_tell: bool) -> PendingWriteback:
    handover = Handover(
        row.platform_order_id,
        row.courier,
        row.waybill,
        dict(row.lines),
        outside=frozenset(row.outside),
        shipped_at=row.shipped_at,
    )
    return PendingWriteback(ref, row.key.account, handover, seen_before=row.is_asked_about, may_tell=may_tell)
