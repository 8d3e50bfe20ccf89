"""label: one waybill for each package. Intent first, a last check, ask or book, record.

A call with an unknown outcome is asked about in every state of its order: a waybill that the courier has is recorded,
and only an order that still wants a label gets a new one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from actors.orders.last_check import OrderChangedError, OrderHeldError, may_be_outdated
from actors.orders.parts import nothing_left
from actors.orders.update_order import trim
from actors.parcels.waybill_calls import NothingBooked, Unlabelled, WaybillCalls
from actors.stops.asking import follow_stops
from actors.stops.late_waybills import LateWaybill, next_of, want_ends
from actors.tools import Tools
from adapters.ports import Waybill
from domain.deadlines import wait_for_day_s
from domain.errors import (
    Misconfigured,
    Refused,
    Throttled,
    Transient,
)
from domain.holds import OUTCOME_UNKNOWN, HoldCode
from domain.order import Order
from domain.outcomes import Done, Hold, Later
from domain.references import reference
from domain.states import State
from domain.steps import Milestone, Step, Subject
from domain.take_over import ShopWatchedError
from domain.waivers import Waiver
from infra.engine.actor import Runner, actor
from infra.engine.remote import Intended, Lease
from infra.engine.results import Failed, Finished, NewWork, Result, SubjectRef, decide_each, ref_of
from infra.queue.keys import BellKey
from infra.tables.holds import load_waivers
from infra.tables.orders import load_orders
from infra.tables.packages import UnlabelledRow, Unwantedness, load_unlabelled, unwanted_packages
from infra.tables.pool import Connection
from infra.tables.progress import booked_packages, open_bookings, unbooked_packages
from infra.tables.shipments import (
    BookedShipment,
    Intent,
    book_shipments,
    clear_calls,
    end_calls,
    intend_shipments,
    void_shipments,
)
from infra.tables.writebacks import NewWriteback, want_writebacks

STEP = Step(
    name="label",
    does="check for a refund once more, then book one waybill for each package",
    subject=Subject.PACKAGE,
    is_remote=True,
    works_in=frozenset({State.ALLOCATED, State.IN_WAREHOUSE}),
    leads_to=("writeback", "dispatch", "stop", "void"),
    # The location's scans are read at their own pace.
    then=("warehouse",),
    resumes=frozenset({State.ALLOCATED, State.IN_WAREHOUSE}),
    group="label",
    failpoints=("checked", "booked", "decide"),
    begins=Milestone.ALLOCATED,
    ends=Milestone.LABELLED,
    refused_hold=HoldCode.WAYBILL_ERROR,
    conflict_hold=HoldCode.WAYBILL_ERROR,
    misconfigured_hold=HoldCode.WAYBILL_ERROR,
    done=booked_packages,
    open_calls=open_bookings,
    open_subjects=unbooked_packages,
)


# The present content of the order wants no label for the contents of the package.
_NOT_BOOKED = (OrderHeldError, OrderChangedError)
# Seconds until an order that changed at the last moment is tried again: its update runs meanwhile.
_UPDATE_S = 1.0
# A first call that ended with one of these errors certainly booked nothing.
_NO_EFFECT = (Transient, Throttled, Refused, Misconfigured, OrderHeldError, OrderChangedError)


@dataclass(frozen=True, slots=True)
class LabelStep:
    """Books packages at one courier account; shops that ship on label are written back from here on."""

    tools: Tools
    step: str = STEP.name
    calls: WaybillCalls = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "calls", WaybillCalls(self.tools))

    @property
    def call_s(self) -> float:
        return self.calls.call_s

    def intend(self, tx: Connection, subject_ids: Sequence[int]) -> Intended[Unlabelled]:
        rows = load_unlabelled(tx, subject_ids)
        orders = load_orders(tx, [row.order_id for row in rows])
        waivers = load_waivers(tx, [row.fulfillment_order_id for row in rows])
        intents: list[Unlabelled] = []
        finished: list[Result] = []
        outdated = _take_unwanted(tx, [row for row in rows if row.state in STEP.works_in], orders)
        for row in rows:
            ref = ref_of(row, row.package_id)
            # A stop has made the order anew: it may be in this state again, with another package.
            may_book = ref.state in STEP.works_in and not row.is_cancelled
            if may_book and not row.lines and row.status != "booked" and not row.is_asked_about:
                finished.append(nothing_left(ref))
            elif row.order_id in outdated and may_book and row.status != "booked" and not row.is_asked_about:
                finished.append(Finished(ref, Later("order_changed")))
            elif may_book and row.status != "booked" and not row.is_asked_about and (early_s := self._early_s(row)) > 0:
                finished.append(Finished(ref, Later("before_ship_from", after_s=early_s)))
            elif row.status == "booked" or not (may_book or row.is_asked_about):
                finished.append(Finished(ref, Done(facts={"left_alone": row.status or row.state})))
            elif row.busy_s > 0:
                # An earlier worker's call to the courier may still run: ask only after its time limit.
                finished.append(Finished(ref, Later("earlier_call_may_run", after_s=row.busy_s)))
            else:
                let_pass = waivers.get(row.fulfillment_order_id, ())
                intents.append(_unlabelled(ref, row, orders[row.order_id], let_pass, may_book=may_book))
        may_be_called = [one for one in intents if one.may_book]
        if may_be_called:
            intend_shipments(tx, map(self._intent, may_be_called))
        return Intended(intents, follow_stops(tx, finished))

    def _early_s(self, row: UnlabelledRow) -> float:
        shop = self.tools.directory.shops.get(row.key.account)
        waits = shop is not None and shop.presale_waits
        return wait_for_day_s(row.early_s, is_read=row.is_day_read, presale_waits=waits)

    def _intent(self, one: Unlabelled) -> Intent:
        generation = int(one.reference.rpartition("-")[2])
        return Intent(one.ref.subject_id, generation, one.reference, one.courier, self._unclear_s(one.account))

    def _unclear_s(self, account: str) -> float:
        return self.call_s + self._find_lag_s(account)

    def _find_lag_s(self, account: str) -> float:
        courier = self.tools.couriers.get(account)
        return 0.0 if courier is None else courier.find_lag_s

    async def call(self, intents: Sequence[Unlabelled], lease: Lease) -> Mapping[int, Any]:
        return await self.calls.call(intents, lease)

    def record(self, tx: Connection, answered: Sequence[tuple[Unlabelled, Any]]) -> Sequence[Result]:
        waybills = {one.reference: answer for one, answer in answered if isinstance(answer, Waybill)}
        alive = [waybill for waybill in waybills.values() if waybill.alive]
        dead = [waybill.reference for waybill in waybills.values() if not waybill.alive]
        clear = [one for one, answer in answered if self._is_clear(one, answer)]
        clean = [one.reference for one in clear]
        over = [one.reference for one, answer in answered if isinstance(answer, Exception)]
        # Whose order was looked at for this very call: what the courier had already may be older.
        asked_now = {one.reference for one, _ in answered if one.may_book and not one.seen_before}
        unclear_s = {one.reference: self._unclear_s(one.account) for one, _ in answered}
        if alive:
            book_shipments(
                tx,
                [
                    BookedShipment(
                        shipment.reference,
                        shipment.number,
                        shipment.sort_code,
                        unclear_s[shipment.reference] if shipment.reference in asked_now else None,
                    )
                    for shipment in alive
                ],
            )
        if dead:
            void_shipments(tx, dead)
        if over:
            lag_s = max(self._find_lag_s(one.account) for one, _ in answered)
            end_calls(tx, over, lag_s)
        if clean:
            clear_calls(tx, clean)
        answers = {one.ref.subject_id: answer for one, answer in answered}
        told = [one for one, answer in answered if isinstance(answer, Waybill) and answer.alive]
        late = [one.ref.subject_id for one in told if one.is_cancelled or one.ref.state not in STEP.works_in]
        unwanted = unwanted_packages(tx, late)
        want_ends(tx, [_late(one) for one in told], unwanted)
        self._want_writebacks(tx, [one for one in told if one.ref.subject_id not in unwanted])

        def result_of(one: Unlabelled) -> Result:
            answer = answers[one.ref.subject_id]
            return self._result_of(one, answer, unwanted.get(one.ref.subject_id))

        settled = {one.ref.subject_id for one in clear}
        return follow_stops(tx, decide_each(STEP.name, [one for one, _ in answered], result_of), settled)

    def _is_clear(self, one: Unlabelled, answer: object) -> bool:
        """Whether the courier certainly has no waybill: no call had an effect, or a later look-up found none."""
        if isinstance(answer, NothingBooked):
            return True
        if not isinstance(answer, _NO_EFFECT):
            return False
        return not one.seen_before or (isinstance(answer, (*_NOT_BOOKED, ShopWatchedError)) and self._can_find(one))

    def _can_find(self, one: Unlabelled) -> bool:
        courier = self.tools.couriers.get(one.account)
        return courier is not None and courier.can_find

    def _result_of(self, one: Unlabelled, answer: object, unwanted: Unwantedness | None) -> Result:
        if isinstance(answer, _NOT_BOOKED):
            return self._not_booked(one, answer)
        if isinstance(answer, Exception):
            return Failed(one.ref, answer)
        if isinstance(answer, NothingBooked):
            return Finished(one.ref, Done(facts={"asked_about": one.reference, "found": "nothing"}))
        assert isinstance(answer, Waybill)
        if not answer.alive:
            return Finished(one.ref, Later("shipment_was_cancelled"))
        facts = {"courier": one.courier, "waybill": answer.number, "adopted": one.seen_before}
        follow, holds = (self._follow(one), ()) if unwanted is None else next_of(_late(one), unwanted)
        return Finished(one.ref, Done(facts=facts), holds=holds, follow=follow)

    def _follow(self, one: Unlabelled) -> tuple[NewWork, ...]:
        """The warehouse hears of it where it takes orders, else the platform of a shop that ships on label.

        What follows for a held order begins once the hold is released.
        """
        ref, shop = one.ref, one.order.key.account
        if ref.state is State.ON_HOLD or ref.fulfillment_order_id is None:
            return ()
        if self._takes_orders(one):
            account = self.tools.directory.location(one.location).account
            return (NewWork("dispatch", ref.fulfillment_order_id, ref.lane, account, shop),)
        writes_back_now = self._ships_on_label(one)
        return (NewWork("writeback", ref.subject_id, ref.lane, shop),) if writes_back_now else ()

    def _takes_orders(self, one: Unlabelled) -> bool:
        return self.tools.capabilities(one.location).takes_orders

    def _not_booked(self, one: Unlabelled, why: OrderHeldError | OrderChangedError) -> Finished:
        # A package that may be booked already, at a courier without a look-up, needs a person who asks the courier.
        open_question = one.seen_before and not self._can_find(one)
        unknown = (Hold(HoldCode.WAYBILL_ERROR, {"code": OUTCOME_UNKNOWN}),) if open_question else ()
        if isinstance(why, OrderChangedError):
            again = Later("order_changed", after_s=_UPDATE_S)
            return Finished(one.ref, unknown[0] if unknown else again)
        first, *others = (Hold(found.code, {"found_by": "label", **found.facts}) for found in why.findings)
        return Finished(one.ref, first, holds=(*others, *unknown))

    def _ships_on_label(self, one: Unlabelled) -> bool:
        shop = self.tools.directory.shops.get(one.order.key.account)
        return shop is not None and shop.ship_on == "label"

    def _want_writebacks(self, tx: Connection, booked: Sequence[Unlabelled]) -> None:
        now = self.tools.clock.utcnow()
        # What a warehouse may still refuse is told once the warehouse has it.
        told = [one.ref for one in booked if self._ships_on_label(one) and not self._takes_orders(one)]
        want_writebacks(tx, [NewWriteback(ref.subject_id, ref.order_id, now) for ref in told])


@actor(STEP, LabelStep)
def label(message: BellKey, runner: Runner) -> None:
    """The Dramatiq actor of this step; `infra.engine.actor` tells how a message becomes work."""
    runner.run(message)


def _take_unwanted(tx: Connection, rows: Sequence[UnlabelledRow], orders: Mapping[int, Order]) -> frozenset[int]:
    """Take pieces that are no longer wanted out of packages; they had stayed there because a call had an unknown
    outcome. Returns the orders.
    """
    free = [row for row in rows if row.status != "booked" and not row.is_asked_about]
    order_ids = {row.order_id for row in free if may_be_outdated(orders[row.order_id], dict(row.lines))}
    return trim(tx, sorted(order_ids)) if order_ids else frozenset()


def _late(one: Unlabelled) -> LateWaybill:
    return one.ref, one.account, one.order.key.account


def _unlabelled(
    ref: SubjectRef, row: UnlabelledRow, order: Order, waivers: tuple[Waiver, ...], *, may_book: bool
) -> Unlabelled:
    return Unlabelled(
        ref,
        order,
        row.account,
        row.courier,
        row.location,
        row.service,
        row.weight_g,
        row.reference or reference(order.key, row.number, row.voided + 1),
        seen_before=row.is_asked_about,
        may_book=may_book,
        waivers=waivers,
        quantities=dict(row.lines),
        version=row.version,
        is_cancelled=row.is_cancelled,
    )
