"""dispatch: hand the order to its warehouse, once. Intent first, ask or place, record.

A call that may have happened is asked about whatever became of its order: what the warehouse has is recorded, and only
an order that still wants it is placed. A refusal takes the order back to its routing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from actors.documents.calls import Answer, DocumentCalls, NothingPlaced, Stopped, Underway, Undispatched
from actors.documents.document import document_of
from actors.documents.take_back import RefusedDocument, TakenBack, take_back
from actors.orders.last_check import OrderChangedError, OrderHeldError, may_be_outdated
from actors.orders.parts import nothing_left
from actors.orders.update_order import trim
from actors.stops.asking import follow_stops
from actors.tools import Tools
from adapters.documents import Taken
from domain.deadlines import wait_for_day_s
from domain.dispatch import AT_WAREHOUSE, DocumentRefusal, PlacementStatus
from domain.errors import Misconfigured, Refused, Throttled, Transient
from domain.holds import OUTCOME_UNKNOWN, HoldCode
from domain.order import Lane, Order
from domain.outcomes import Done, Hold, Later
from domain.references import document_reference
from domain.states import State
from domain.steps import Step, Subject
from domain.take_over import ShopWatchedError
from infra.engine.actor import Runner, actor
from infra.engine.remote import Intended, Lease
from infra.engine.results import Failed, Finished, NewWork, Result, SubjectRef, decide_each
from infra.queue.keys import BellKey
from infra.tables.holds import load_waivers
from infra.tables.orders import load_orders
from infra.tables.placements import (
    CallEnded,
    Ended,
    KnownPackage,
    Pieces,
    Placed,
    PlacementIntent,
    UndispatchedRow,
    end_calls,
    end_documents,
    intend_placements,
    load_contents,
    load_undispatched,
    note_asked,
    place_documents,
)
from infra.tables.pool import Connection
from infra.tables.progress import dispatched_orders, open_documents, undispatched_orders
from infra.tables.writebacks import NewWriteback, want_writebacks

STEP = Step(
    name="dispatch",
    does="hand the order to a warehouse that takes orders, once; refused, it is routed again",
    subject=Subject.FULFILLMENT_ORDER,
    is_remote=True,
    works_in=frozenset({State.ALLOCATED, State.IN_WAREHOUSE}),
    leads_to=("route", "writeback", "stop", "void"),
    # The location's scans are read at their own pace.
    then=("warehouse",),
    resumes=frozenset({State.ALLOCATED, State.IN_WAREHOUSE}),
    group="label",
    failpoints=("checked", "placed", "decide"),
    refused_hold=HoldCode.DISPATCH_ERROR,
    conflict_hold=HoldCode.DISPATCH_ERROR,
    done=dispatched_orders,
    open_calls=open_documents,
    open_subjects=undispatched_orders,
)

# The order, as it is now, is not to be shipped.
_NOT_PLACED = (OrderHeldError, OrderChangedError)
# Until an order that has changed at the last moment is looked at again: its update runs meanwhile.
_UPDATE_S = 1.0
# A first call that ended like this surely placed nothing.
_NO_EFFECT = (Transient, Throttled, Refused, Misconfigured, OrderHeldError, OrderChangedError)
# Facts of a hold about a document that is gone without our doing.
DROPPED = "stopped_by_warehouse"
VANISHED = "document_unknown"


@dataclass(frozen=True, slots=True)
class DispatchStep:
    """Places documents at one warehouse; shops that ship on label are written back from here on."""

    tools: Tools
    step: str = STEP.name
    calls: DocumentCalls = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "calls", DocumentCalls(self.tools))

    @property
    def call_s(self) -> float:
        return self.calls.call_s

    def intend(self, tx: Connection, subject_ids: Sequence[int]) -> Intended[Undispatched]:
        rows = load_undispatched(tx, subject_ids)
        packages, pieces = load_contents(tx, [row.fulfillment_order_id for row in rows])
        orders = load_orders(tx, [row.order_id for row in rows])
        waivers = load_waivers(tx, [row.fulfillment_order_id for row in rows])
        outdated = _take_unwanted(tx, rows, pieces, orders)
        intents: list[Undispatched] = []
        finished: list[Result] = []
        for row in rows:
            mine, lines = packages.get(row.fulfillment_order_id, []), pieces.get(row.fulfillment_order_id, [])
            result = self._finish_uncalled(row, mine, lines, is_outdated=row.order_id in outdated)
            if result is not None:
                finished.append(result)
                continue
            order = orders[row.order_id]
            let_pass = waivers.get(row.fulfillment_order_id, ())
            seen_before = row.is_asked_about or row.status in AT_WAREHOUSE
            intents.append(
                Undispatched(
                    _ref_of(row),
                    order,
                    row.location or "",
                    document_of(
                        row.reference or document_reference(row.key, row.number, row.ended + 1), order, row, mine, lines
                    ),
                    seen_before=seen_before,
                    asks_first=seen_before or self._would_double(row.location or ""),
                    may_place=row.state in STEP.works_in and row.status not in AT_WAREHOUSE,
                    is_placed=row.status in AT_WAREHOUSE,
                    checked_s=_checked_s(row, mine),
                    waivers=tuple(let_pass),
                    quantities={line.line_id: line.quantity for line in lines},
                    version=row.version,
                )
            )
        to_place = [one for one in intents if one.may_place]
        if to_place:
            intend_placements(tx, map(self._intent, to_place))
        return Intended(intents, follow_stops(tx, finished))

    def _finish_uncalled(
        self, row: UndispatchedRow, packages: Sequence[KnownPackage], lines: Sequence[Pieces], *, is_outdated: bool
    ) -> Finished | None:
        """How it ends without a call; None: the warehouse is called or asked."""
        ref = _ref_of(row)
        if row.busy_s > 0:
            # An earlier caller may still be talking to the warehouse: ask only after it has given up.
            return Finished(ref, Later("earlier_call_may_run", after_s=row.busy_s))
        if row.is_asked_about:
            return None
        if why := self._why_left_alone(row, packages):
            return Finished(ref, Done(facts={"left_alone": why}))
        if row.status in AT_WAREHOUSE:
            return None
        if not lines:
            return nothing_left(ref)
        later = self._not_yet(row, is_outdated=is_outdated)
        return None if later is None else Finished(ref, later)

    def _not_yet(self, row: UndispatchedRow, *, is_outdated: bool) -> Later | None:
        """Why a document that may be placed must wait; None: it need not."""
        if is_outdated:
            return Later("order_changed")
        shop = self.tools.directory.shops.get(row.key.account)
        waits = shop is not None and shop.presale_waits
        early_s = wait_for_day_s(row.early_s, is_read=row.is_day_read, presale_waits=waits)
        return Later("before_ship_from", after_s=early_s) if early_s > 0 else None

    def _why_left_alone(self, row: UndispatchedRow, packages: Sequence[KnownPackage]) -> str:
        """Why nothing is said to the warehouse; empty where something is. Of unknown locations the call says it."""
        known = self.tools.capabilities(row.location or "")
        is_configured = row.location in self.tools.warehouses
        if row.status in AT_WAREHOUSE:
            return "" if row.status == "placed" and known.can_find else row.status
        if row.state not in STEP.works_in:
            return row.state
        if row.location is None or (is_configured and not known.takes_orders):
            return "takes_no_orders"
        # Label makes it due again.
        is_ready = known.books_waybill or (bool(packages) and all(package.is_booked for package in packages))
        return "" if is_ready or not is_configured else "not_labelled"

    def _would_double(self, location: str) -> bool:
        """Whether the warehouse, asked to take what it has, would take it twice.

        What we know of no call may be there all the same: of a document that was placed after a restored backup.
        """
        known = self.tools.capabilities(location)
        return known.can_find and not known.is_idempotent

    def _intent(self, one: Undispatched) -> PlacementIntent:
        generation = int(one.reference.rpartition("-")[2])
        unclear_s = self.call_s + self.tools.capabilities(one.location).find_lag_s
        return PlacementIntent(one.ref.subject_id, one.location, generation, one.reference, unclear_s)

    async def call(self, intents: Sequence[Undispatched], lease: Lease) -> Mapping[int, Any]:
        return await self.calls.call(intents, lease)

    def record(self, tx: Connection, answered: Sequence[tuple[Undispatched, Any]]) -> Sequence[Result]:
        pairs = [(one, answer if isinstance(answer, Answer) else Answer(answer)) for one, answer in answered]
        now = self.tools.clock.monotonic()
        ages = {one.reference: None if a.checked_at is None else now - a.checked_at for one, a in pairs}
        taken = [(one, a.outcome) for one, a in pairs if isinstance(a.outcome, (Taken, Underway))]
        place_documents(tx, [_placed(one, outcome, ages[one.reference]) for one, outcome in taken if not one.is_placed])
        note_asked(tx, [one.reference for one, _ in pairs if one.is_placed])
        gone = [one for one, a in pairs if isinstance(a.outcome, Stopped) or _has_vanished(one, a)]
        end_documents(tx, [Ended(one.reference, PlacementStatus.STOPPED) for one in gone])
        end_calls(
            tx, [self._call_ended(one, a, ages[one.reference]) for one, a in pairs if self._leaves_intent(one, a)]
        )
        refused = [(one, a.outcome) for one, a in pairs if isinstance(a.outcome, DocumentRefusal)]
        back = take_back(tx, [_refused(one, refusal) for one, refusal in refused])
        told = self._want_writebacks(tx, [one for one, _ in taken if not one.is_placed])
        answers = {one.ref.subject_id: a for one, a in pairs}

        def result_of(one: Undispatched) -> Result:
            id_ = one.ref.subject_id
            return self._result_of(one, answers[id_], back.get(id_), told.get(id_, ()))

        settled = {one.ref.subject_id for one, a in pairs if self._is_clear(one, a.outcome)}
        return follow_stops(tx, decide_each(STEP.name, [one for one, _ in pairs], result_of), settled)

    def _leaves_intent(self, one: Undispatched, answer: Answer) -> bool:
        return not one.is_placed and isinstance(answer.outcome, (Exception, NothingPlaced))

    def _call_ended(self, one: Undispatched, answer: Answer, checked_s: float | None) -> CallEnded:
        lag_s = self.tools.capabilities(one.location).find_lag_s
        return CallEnded(one.reference, self._is_clear(one, answer.outcome), lag_s, checked_s)

    def _is_clear(self, one: Undispatched, outcome: object) -> bool:
        """Whether the warehouse surely has nothing: no call had an effect, or a look-up has found none since."""
        if isinstance(outcome, NothingPlaced):
            return True
        if not isinstance(outcome, _NO_EFFECT):
            return False
        can_find = self.tools.capabilities(one.location).can_find
        return not one.seen_before or (isinstance(outcome, (*_NOT_PLACED, ShopWatchedError)) and can_find)

    def _result_of(self, one: Undispatched, answer: Answer, back: TakenBack | None, told: Sequence[NewWork]) -> Result:
        outcome, ref = answer.outcome, one.ref
        if back is not None:
            return back.finished(ref, STEP.name)
        if one.is_placed:
            return self._asked(one, outcome)
        if isinstance(outcome, _NOT_PLACED):
            return self._not_placed(one, outcome)
        if isinstance(outcome, Exception):
            return Failed(ref, outcome)
        if isinstance(outcome, (Taken, Underway)):
            return self._taken(one, outcome, told)
        nothing = Done(facts={"asked_about": one.reference, "found": "nothing"})
        return Finished(ref, Later("document_was_stopped") if isinstance(outcome, Stopped) else nothing)

    def _taken(self, one: Undispatched, outcome: Taken | Underway, told: Sequence[NewWork]) -> Finished:
        ref = one.ref
        their_id = outcome.found.their_id if isinstance(outcome, Underway) else outcome.their_id
        was_there = one.seen_before or isinstance(outcome, Underway)
        facts = {"location": one.location, "document": one.reference, "their_id": their_id, "adopted": was_there}
        if ref.state is State.CLOSED:
            unwanted = Hold(HoldCode.UNWANTED_DOCUMENT, {"location": one.location, "document": one.reference})
            return Finished(ref, Done(facts=facts), holds=(unwanted,))
        return Finished(ref, Done(facts=facts), follow=tuple(told) if ref.state is not State.ON_HOLD else ())

    def _asked(self, one: Undispatched, outcome: object) -> Result:
        """Of a document that the warehouse had: no failure to ask stops an order."""
        ref = one.ref
        if isinstance(outcome, (Stopped, NothingPlaced)) and ref.state in STEP.works_in:
            code = DROPPED if isinstance(outcome, Stopped) else VANISHED
            return Finished(ref, Hold(HoldCode.DISPATCH_ERROR, {"code": code, "document": one.reference}))
        found = outcome.found.progress if isinstance(outcome, Underway) else type(outcome).__name__
        return Finished(ref, Done(facts={"asked_about": one.reference, "found": str(found)}))

    def _not_placed(self, one: Undispatched, why: OrderHeldError | OrderChangedError) -> Finished:
        # What may be at the warehouse already, and cannot be looked up, needs somebody who asks the warehouse.
        open_question = one.seen_before and not self.tools.capabilities(one.location).can_find
        unknown = (Hold(HoldCode.DISPATCH_ERROR, {"code": OUTCOME_UNKNOWN}),) if open_question else ()
        if isinstance(why, OrderChangedError):
            return Finished(one.ref, unknown[0] if unknown else Later("order_changed", after_s=_UPDATE_S))
        first, *others = (Hold(found.code, {"found_by": STEP.name, **found.facts}) for found in why.findings)
        return Finished(one.ref, first, holds=(*others, *unknown))

    def _want_writebacks(self, tx: Connection, taken: Sequence[Undispatched]) -> dict[int, list[NewWork]]:
        """Of shops that ship on label: what the platform hears now, by subject."""
        shops = self.tools.directory.shops
        told = {
            one.ref.subject_id: one
            for one in taken
            if (shop := shops.get(one.order.key.account)) is not None and shop.ship_on == "label"
        }
        if not told:
            return {}
        packages, _ = load_contents(tx, list(told))
        now = self.tools.clock.utcnow()
        booked = [(told[id_], package) for id_, mine in packages.items() for package in mine if package.is_booked]
        want_writebacks(tx, [NewWriteback(package.id, one.ref.order_id, now) for one, package in booked])
        work: dict[int, list[NewWork]] = {}
        for one, package in booked:
            follow = NewWork("writeback", package.id, one.ref.lane, one.order.key.account)
            work.setdefault(one.ref.subject_id, []).append(follow)
        return work


@actor(STEP, DispatchStep)
def dispatch(message: BellKey, runner: Runner) -> None:
    """The Dramatiq actor of this step; `infra.engine.actor` tells how a message becomes work."""
    runner.run(message)


def _ref_of(row: UndispatchedRow) -> SubjectRef:
    id_ = row.fulfillment_order_id
    return SubjectRef(id_, Lane(row.lane), row.order_id, id_, None, State(row.state))


def _checked_s(row: UndispatchedRow, packages: Sequence[KnownPackage]) -> float | None:
    """Seconds since the platform last allowed to ship all of it; None: nobody knows."""
    by_label = [package.checked_s for package in packages]
    known = [seconds for seconds in by_label if seconds is not None]
    ages = [max(known)] if known and len(known) == len(by_label) else []
    if row.checked_s is not None:
        ages.append(row.checked_s)
    return min(ages) if ages else None


def _take_unwanted(
    tx: Connection,
    rows: Sequence[UndispatchedRow],
    pieces: Mapping[int, Sequence[Pieces]],
    orders: Mapping[int, Order],
) -> frozenset[int]:
    """Take away what nobody wants, which a call that may have happened had kept there; the orders concerned."""
    free = [
        row
        for row in rows
        if row.state in STEP.works_in and row.status in (None, "intended") and not row.is_asked_about
    ]
    order_ids = {
        row.order_id
        for row in free
        if may_be_outdated(orders[row.order_id], [one.line_id for one in pieces.get(row.fulfillment_order_id, ())])
    }
    return trim(tx, sorted(order_ids)) if order_ids else frozenset()


def _has_vanished(one: Undispatched, answer: Answer) -> bool:
    """Whether the warehouse knows a document no more that it had. A person decides before it gets another one."""
    return one.is_placed and isinstance(answer.outcome, NothingPlaced) and one.ref.state in STEP.works_in


def _placed(one: Undispatched, outcome: Taken | Underway, checked_s: float | None) -> Placed:
    if isinstance(outcome, Underway):
        return Placed(one.reference, outcome.found.their_id, (), checked_s)
    return Placed(one.reference, outcome.their_id, tuple(part.their_id for part in outcome.parts), checked_s)


def _refused(one: Undispatched, refusal: DocumentRefusal) -> RefusedDocument:
    state = one.ref.state
    # Only a step of ours holds an order while its document is out; the hold has interrupted one of these states.
    at = State.ALLOCATED if state is State.ON_HOLD else state
    return RefusedDocument(one.ref, at, one.order, one.location, one.reference, one.quantities, refusal)
