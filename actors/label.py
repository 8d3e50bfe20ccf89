"""label: one waybill for each package. Intent first, a last check, ask or book, record.

A call that may have happened is asked about whatever became of its order: what the courier has is recorded, and only an
order that still wants a label gets one.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from actors.decrypt_receiver import reveal
from actors.last_check import Checked, LastCheck, OrderChangedError, OrderHeldError, may_be_outdated
from actors.parts import nothing_left
from actors.tools import Tools
from actors.update_order import trim
from adapters.ports import Booking, Courier, Purpose, Waybill
from domain.errors import (
    Conflict,
    Malformed,
    Misconfigured,
    Refused,
    Throttled,
    Transient,
)
from domain.holds import OUTCOME_UNKNOWN, HoldCode, waybill_facts
from domain.order import Address, Order
from domain.outcomes import Done, Hold, Later
from domain.references import reference
from domain.states import STEPS, State, Step
from domain.waivers import Waiver
from infra.engine.outer import Intended, Lease, call_each
from infra.engine.results import Failed, NewWork, Place, Result, Settled, each, place_of
from infra.process.failpoints import failpoint
from infra.tables.holds import load_waivers
from infra.tables.orders import load_orders
from infra.tables.packages import UnlabelledRow, closed_packages, load_unlabelled
from infra.tables.pool import Connection
from infra.tables.shipments import (
    Booked,
    Intent,
    book_shipments,
    clear_calls,
    end_calls,
    intend_shipments,
    void_shipments,
)
from infra.tables.writebacks import NewWriteback, want_writebacks

STEP = Step.LABEL


@dataclass(frozen=True, slots=True)
class Unlabelled:
    """A package and the intent to book it.

    `seen_before`: a call may have happened, so ask first. `may_book`: the order still wants a label; otherwise asking
    is all. `quantities`: pieces by line that lie in it. `version`: of the order's content.
    """

    place: Place
    order: Order
    account: str
    courier: str
    location: str
    service: str
    weight_g: int
    reference: str
    seen_before: bool
    may_book: bool
    waivers: tuple[Waiver, ...]
    quantities: Mapping[str, int]
    version: bytes


@dataclass(frozen=True, slots=True)
class NothingBooked:
    """The courier, asked after every earlier call had ended, has nothing, and nothing more is wanted of it."""


# The order, as it is now, wants no label of what lies in the package.
_NOT_BOUGHT = (OrderHeldError, OrderChangedError)
# Until an order that has changed at the last moment is looked at again: its update runs meanwhile.
_UPDATE_S = 1.0
# A first call that ended like this surely booked nothing.
_NO_EFFECT = (Transient, Throttled, Refused, Misconfigured, OrderHeldError, OrderChangedError)


@dataclass(frozen=True, slots=True)
class Label:
    """Books packages at one courier account; shops that ship on label are written back from here on."""

    tools: Tools
    step: Step = STEP
    last_check: LastCheck = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "last_check", LastCheck(self.tools))

    @property
    def call_s(self) -> float:
        # Last check, receiver and booking, one after the other.
        return 3 * self.tools.settings.door.total_s

    def intend(self, tx: Connection, subject_ids: Sequence[int]) -> Intended[Unlabelled]:
        rows = load_unlabelled(tx, subject_ids)
        orders = load_orders(tx, [row.order_id for row in rows])
        waivers = load_waivers(tx, [row.fulfillment_order_id for row in rows])
        intents: list[Unlabelled] = []
        settled: list[Result] = []
        outdated = _take_unwanted(tx, [row for row in rows if row.state in STEPS[STEP].works_in], orders)
        for row in rows:
            place = place_of(row, row.package_id)
            may_book = place.state in STEPS[STEP].works_in
            if may_book and not row.lines and row.status != "booked" and not row.is_asked_about:
                settled.append(nothing_left(place))
            elif row.order_id in outdated and may_book and row.status != "booked" and not row.is_asked_about:
                settled.append(Settled(place, Later("order_changed")))
            elif row.status == "booked" or not (may_book or row.is_asked_about):
                settled.append(Settled(place, Done(facts={"left_alone": row.status or row.state})))
            elif row.busy_s > 0:
                # An earlier caller may still be talking to the courier: ask only after it has given up.
                settled.append(Settled(place, Later("earlier_call_may_run", after_s=row.busy_s)))
            else:
                let_pass = waivers.get(row.fulfillment_order_id, ())
                intents.append(_unlabelled(place, row, orders[row.order_id], let_pass, may_book=may_book))
        may_be_called = [one for one in intents if one.may_book]
        if may_be_called:
            intend_shipments(tx, map(self._intent, may_be_called))
        return Intended(intents, settled)

    def _intent(self, one: Unlabelled) -> Intent:
        generation = int(one.reference.rpartition("-")[2])
        unclear_s = self.call_s + self._find_lag_s(one.account)
        return Intent(one.place.subject_id, generation, one.reference, one.courier, unclear_s)

    def _find_lag_s(self, account: str) -> float:
        courier = self.tools.couriers.get(account)
        return 0.0 if courier is None else courier.find_lag_s

    async def call(self, intents: Sequence[Unlabelled], lease: Lease) -> Mapping[int, Any]:
        """Shop beside shop: what one platform takes its time over keeps no other shop's booking waiting."""
        by_shop: dict[str, list[Unlabelled]] = {}
        for one in intents:
            by_shop.setdefault(one.order.key.account, []).append(one)
        parts = await asyncio.gather(*(self._call_for_shop(shop, members, lease) for shop, members in by_shop.items()))
        return {id_: answer for part in parts for id_, answer in part.items()}

    async def _call_for_shop(self, shop: str, intents: Sequence[Unlabelled], lease: Lease) -> dict[int, Any]:
        courier = self.tools.courier(lease.key.account)
        limits: dict[str, Any] = {
            "at_once": self.tools.settings.engine.outside_concurrency,
            "start_before": lease.ends_at - self.call_s,
            "now": self.tools.clock.monotonic,
            "is_draining": lease.is_draining,
        }
        asked = await call_each(
            [each_ for each_ in intents if each_.seen_before], lambda one: _ask(courier, one), **limits
        )
        unbooked = [each_ for each_ in intents if each_.may_book and asked.get(each_.place.subject_id) is None]
        checked = await call_each(unbooked, self._check, **limits)
        clear = [each_ for each_ in unbooked if checked[each_.place.subject_id] is None]
        receivers = await self._reveal(shop, clear, lease)

        async def book(one: Unlabelled) -> Waybill:
            receiver = receivers[one.place.subject_id]
            if isinstance(receiver, Exception):
                raise receiver
            failpoint("label.checked", one.place.subject_id)
            waybill = await _book(courier, one, self._booking(one, receiver))
            failpoint("label.booked", one.place.subject_id)
            return waybill

        booked = await call_each(clear, book, **limits)
        found = {id_: answer for id_, answer in asked.items() if answer is not None}
        nothing = {each_.place.subject_id: NothingBooked() for each_ in intents if not each_.may_book}
        return {**checked, **booked, **nothing, **found}

    async def _check(self, one: Unlabelled) -> None:
        await self.last_check.ask(Checked(one.place, one.order, one.quantities, one.version, one.waivers))

    async def _reveal(self, shop: str, intents: Sequence[Unlabelled], lease: Lease) -> dict[int, Address | Exception]:
        hidden = [one.order for one in intents if one.order.receiver.merge_token]
        tokens = {order.key.platform_order_id: order.receiver.merge_token for order in hidden}
        revealed = await reveal(self.tools, shop, tokens, Purpose.LABEL, lease.is_draining)
        return {
            one.place.subject_id: revealed.get(one.order.key.platform_order_id, one.order.receiver) for one in intents
        }

    def _booking(self, one: Unlabelled, receiver: Address) -> Booking:
        sender = self.tools.directory.location(one.location).sender
        return Booking(
            reference=one.reference,
            sender=Address(
                sender.contact, sender.phone, sender.province, sender.city, sender.district, "", sender.detail
            ),
            receiver=receiver,
            contents=tuple(
                (line.title, one.quantities[line.line_id]) for line in one.order.lines if line.line_id in one.quantities
            ),
            weight_g=one.weight_g,
            service=one.service,
        )

    def record(self, tx: Connection, answered: Sequence[tuple[Unlabelled, Any]]) -> Sequence[Result]:
        waybills = {one.reference: answer for one, answer in answered if isinstance(answer, Waybill)}
        alive = [waybill for waybill in waybills.values() if waybill.alive]
        dead = [waybill.reference for waybill in waybills.values() if not waybill.alive]
        clean = [one.reference for one, answer in answered if self._is_clear(one, answer)]
        over = [one.reference for one, answer in answered if isinstance(answer, Exception)]
        if alive:
            book_shipments(tx, [Booked(each_.reference, each_.number, each_.sort_code) for each_ in alive])
        if dead:
            void_shipments(tx, dead)
        if over:
            lag_s = max(self._find_lag_s(one.account) for one, _ in answered)
            end_calls(tx, over, lag_s)
        if clean:
            clear_calls(tx, clean)
        answers = {one.place.subject_id: answer for one, answer in answered}
        told = [one for one, answer in answered if isinstance(answer, Waybill) and answer.alive]
        unwanted = _unwanted(tx, told)
        self._want_writebacks(tx, [one for one in told if one.place.subject_id not in unwanted])

        def settle(one: Unlabelled) -> Result:
            answer = answers[one.place.subject_id]
            return self._settle(one, answer, is_wanted=one.place.subject_id not in unwanted)

        return each(STEP, [one for one, _ in answered], settle)

    def _is_clear(self, one: Unlabelled, answer: object) -> bool:
        """Whether the courier surely has nothing: no call had an effect, or a look-up has found none since."""
        if isinstance(answer, NothingBooked):
            return True
        if not isinstance(answer, _NO_EFFECT):
            return False
        return not one.seen_before or (isinstance(answer, _NOT_BOUGHT) and self._can_find(one))

    def _can_find(self, one: Unlabelled) -> bool:
        courier = self.tools.couriers.get(one.account)
        return courier is not None and courier.can_find

    def _settle(self, one: Unlabelled, answer: object, *, is_wanted: bool) -> Result:
        if isinstance(answer, _NOT_BOUGHT):
            return self._not_bought(one, answer)
        if isinstance(answer, Exception):
            return Failed(one.place, answer)
        if isinstance(answer, NothingBooked):
            return Settled(one.place, Done(facts={"asked_about": one.reference, "found": "nothing"}))
        assert isinstance(answer, Waybill)
        if not answer.alive:
            return Settled(one.place, Later("shipment_was_cancelled"))
        facts = {"courier": one.courier, "waybill": answer.number, "adopted": one.seen_before}
        if not is_wanted:
            return Settled(one.place, Done(facts=facts), holds=(_unwanted_hold(one, answer),))
        # A held order is told once its hold is released.
        tells_now = self._ships_on_label(one) and one.place.state is not State.ON_HOLD
        follow = (NewWork(Step.WRITEBACK, one.place.subject_id, one.place.lane, one.order.key.account),)
        return Settled(one.place, Done(facts=facts), follow=follow if tells_now else ())

    def _not_bought(self, one: Unlabelled, why: OrderHeldError | OrderChangedError) -> Settled:
        # What may be booked already, and cannot be looked up, needs somebody who asks the courier.
        open_question = one.seen_before and not self._can_find(one)
        unknown = (Hold(HoldCode.WAYBILL_ERROR, {"code": OUTCOME_UNKNOWN}),) if open_question else ()
        if isinstance(why, OrderChangedError):
            again = Later("order_changed", after_s=_UPDATE_S)
            return Settled(one.place, unknown[0] if unknown else again)
        first, *others = (Hold(found.code, {"found_by": "label", **found.facts}) for found in why.findings)
        return Settled(one.place, first, holds=(*others, *unknown))

    def _ships_on_label(self, one: Unlabelled) -> bool:
        shop = self.tools.directory.shops.get(one.order.key.account)
        return shop is not None and shop.ship_on == "label"

    def _want_writebacks(self, tx: Connection, booked: Sequence[Unlabelled]) -> None:
        now = self.tools.clock.utcnow()
        told = [one.place for one in booked if self._ships_on_label(one)]
        want_writebacks(tx, [NewWriteback(place.subject_id, place.order_id, now) for place in told])


def _take_unwanted(tx: Connection, rows: Sequence[UnlabelledRow], orders: Mapping[int, Order]) -> frozenset[int]:
    """Empty packages of what nobody wants, which a call that may have happened had kept there; the orders concerned."""
    free = [row for row in rows if row.status != "booked" and not row.is_asked_about]
    order_ids = {row.order_id for row in free if may_be_outdated(orders[row.order_id], dict(row.lines))}
    return trim(tx, sorted(order_ids)) if order_ids else frozenset()


def _unwanted(tx: Connection, booked: Sequence[Unlabelled]) -> set[int]:
    """Packages that got a waybill though their order is closed, here or on its platform."""
    stopped = [one.place.subject_id for one in booked if one.place.state not in STEPS[STEP].works_in]
    if not stopped:
        return set()
    return closed_packages(tx, stopped)


def _unwanted_hold(one: Unlabelled, waybill: Waybill) -> Hold:
    return Hold(HoldCode.UNWANTED_WAYBILL, waybill_facts(one.courier, waybill.number))


async def _ask(courier: Courier, one: Unlabelled) -> Waybill | None:
    """What the courier has under our reference; None: nothing, or that it may be called once more.

    Raises Refused ``outcome_unknown`` where it can neither be asked nor, without harm, be called again: a person must
    decide.
    """
    if courier.can_find:
        found = await courier.find(one.reference)
        return None if found is None else _ours(one, found)
    if courier.is_idempotent and one.may_book:
        return None
    raise Refused(OUTCOME_UNKNOWN, "the courier can neither be asked nor safely be called again")


async def _book(courier: Courier, one: Unlabelled, booking: Booking) -> Waybill:
    try:
        return _ours(one, await courier.create(booking))
    except Conflict:
        found = await courier.find(one.reference) if courier.can_find else None
        if found is None:
            raise Malformed("duplicate_not_found", "the courier knows the reference but shows no shipment") from None
        return _ours(one, found)


def _ours(one: Unlabelled, waybill: Waybill) -> Waybill:
    if waybill.reference != one.reference:
        raise Malformed("foreign_answer", "the courier answered for another reference")
    return waybill


def _unlabelled(
    place: Place, row: UnlabelledRow, order: Order, waivers: tuple[Waiver, ...], *, may_book: bool
) -> Unlabelled:
    return Unlabelled(
        place,
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
    )
