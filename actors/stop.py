"""stop: where the goods of a stopped order are, what that needs next, and how the stop ends.

It runs again whenever a step has settled something that the stop waited for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from actors.orders.stop_ends import EndingStop, end
from actors.tools import Tools
from domain.outcomes import Done
from domain.states import Cause
from domain.steps import Step, Subject
from domain.stops import (
    INTERCEPT_ENDED,
    InterceptStatus,
    ParcelFacts,
    Rung,
    RungKind,
    StopFacts,
    StopGoal,
    next_rung,
)
from infra.engine.actor import Runner, actor
from infra.engine.results import Finished, NewWork, Result, SubjectRef
from infra.process.failpoints import failpoint
from infra.queue.keys import BellKey
from infra.tables.after_sale import want_answers
from infra.tables.interceptions import want_intercepts
from infra.tables.orders import Locked, lock_with_others
from infra.tables.placements import ask_about_documents, want_recalls
from infra.tables.pool import Connection
from infra.tables.progress import ended_stops
from infra.tables.shipments import ask_about, want_voids
from infra.tables.stops import OpenStop, StopParcel, load_parcels, load_stops, note_rungs

STEP = Step(
    name="stop",
    does="keep an order from leaving: find out where its goods are, and what that needs next",
    subject=Subject.FULFILLMENT_ORDER,
    leads_to=("recall", "void", "intercept", "reserve", "review", "answer"),
    # A call with an unknown outcome is settled by the step that made it.
    then=("label", "dispatch"),
    group="order",
    done=ended_stops,
)


@dataclass(frozen=True, slots=True)
class Stopping:
    """A fulfillment order with an open stop, its packages, and what comes next."""

    locked: Locked
    stop: OpenStop
    parcels: Sequence[StopParcel]
    rung: Rung

    @property
    def ref(self) -> SubjectRef:
        locked = self.locked
        return SubjectRef(locked.id, locked.lane, locked.order_id, locked.id, None, locked.state)


@dataclass(frozen=True, slots=True)
class StopStep:
    """Decides one stop after the other; what it makes due asks outside."""

    tools: Tools
    step: str = STEP.name

    def work(self, tx: Connection, subject_ids: Sequence[int]) -> Sequence[Result]:
        locked = lock_with_others(tx, subject_ids)
        stops = {one.fulfillment_order_id: one for one in load_stops(tx, subject_ids)}
        parcels = load_parcels(tx, list(stops)) if stops else {}
        stopping = [self._look_at(one, stops[one.id], parcels.get(one.id, ())) for one in locked if one.id in stops]
        gone = [one for one in locked if one.id not in stops]
        note_rungs(tx, {one.stop.id: one.rung.kind for one in stopping if one.rung.end is None})
        endings = [EndingStop(one.locked, one.stop, one.rung.end) for one in stopping if one.rung.end is not None]
        waiting = [one for one in stopping if one.rung.end is None]
        return [
            *(Finished(_place_of(one), Done(facts={"left_alone": "no_stop"})) for one in gone),
            *self._go_on(tx, waiting),
            *_answered(tx, end(tx, STEP.name, endings)),
        ]

    def _look_at(self, locked: Locked, stop: OpenStop, parcels: Sequence[StopParcel]) -> Stopping:
        failpoint("stop.decide", locked.id)
        return Stopping(locked, stop, parcels, next_rung(self._facts(locked, stop, parcels)))

    def _facts(self, locked: Locked, stop: OpenStop, parcels: Sequence[StopParcel]) -> StopFacts:
        asked = stop.lines if stop.goal == StopGoal.CLOSE else ()
        known = [_intercepted(one.facts(asked)) for one in parcels]
        return stop.facts(locked.at, known, can_ask=self._can_ask(stop.location))

    def _can_ask(self, location: str | None) -> bool:
        """Whether the warehouse is a system that can be asked to stop; at a location of our own people say so."""
        if location is None or location not in self.tools.directory.locations:
            return False
        known = self.tools.capabilities(location)
        return known.takes_orders and known.can_stop and not self.tools.directory.location(location).is_own

    def _go_on(self, tx: Connection, waiting: Sequence[Stopping]) -> list[Finished]:
        of_kind = {kind: [one for one in waiting if one.rung.kind is kind] for kind in RungKind}
        want_recalls(tx, [one.locked.id for one in of_kind[RungKind.RECALL]])
        want_voids(tx, [id_ for one in of_kind[RungKind.VOID] for id_ in one.rung.packages])
        want_intercepts(tx, [id_ for one in of_kind[RungKind.INTERCEPT] for id_ in one.rung.packages])
        rings = _settle_calls(tx, of_kind[RungKind.ASK_WAREHOUSE], of_kind[RungKind.ASK_COURIER])
        return [
            Finished(
                one.ref,
                Done(facts={"waits_for": one.rung.kind}),
                Cause.SAGA,
                follow=self._follow(one),
                rings=rings,
            )
            for one in waiting
        ]

    def _follow(self, one: Stopping) -> tuple[NewWork, ...]:
        lane, shop = one.locked.lane, one.stop.shop
        if one.rung.kind is RungKind.RECALL:
            account = self.tools.directory.location(one.stop.location or "").account
            return (NewWork("recall", one.locked.id, lane, account, shop),)
        if one.rung.kind is RungKind.VOID:
            accounts = {parcel.package_id: parcel.account for parcel in one.parcels}
            return tuple(NewWork("void", id_, lane, accounts[id_], shop) for id_ in one.rung.packages)
        if one.rung.kind is RungKind.INTERCEPT:
            accounts = {parcel.package_id: parcel.account for parcel in one.parcels}
            return tuple(NewWork("intercept", id_, lane, accounts[id_], shop) for id_ in one.rung.packages)
        return ()


@actor(STEP, StopStep)
def stop(message: BellKey, runner: Runner) -> None:
    """The Dramatiq actor of this step; `infra.engine.actor` tells how a message becomes work."""
    runner.run(message)


def _answered(tx: Connection, ended: Sequence[Finished]) -> list[Finished]:
    """The same results, with the answers due that platforms wait for now that stops have ended."""
    orders = sorted({one.ref.order_id for one in ended if one.ref.order_id is not None})
    rings = frozenset(BellKey("answer", lane, account) for lane, account in want_answers(tx, orders))
    return [replace(one, rings=one.rings | rings) for one in ended] if rings else list(ended)


def _place_of(locked: Locked) -> SubjectRef:
    return SubjectRef(locked.id, locked.lane, locked.order_id, locked.id, None, locked.state)


def _settle_calls(
    tx: Connection, at_warehouses: Sequence[Stopping], at_couriers: Sequence[Stopping]
) -> frozenset[BellKey]:
    """Make due the questions about calls whose outcome is unknown."""
    rings: set[BellKey] = set()
    if at_warehouses:
        asked = ask_about_documents(tx, [one.locked.id for one in at_warehouses])
        rings |= {BellKey("dispatch", lane, account) for lane, account in asked}
    if at_couriers:
        asked = ask_about(tx, [one.locked.id for one in at_couriers])
        rings |= {BellKey("label", lane, account) for lane, account in asked}
    return frozenset(rings)


def _intercepted(parcel: ParcelFacts) -> ParcelFacts:
    """A parcel that left without a living waybill: no courier can be asked to bring it back."""
    if parcel.lives or parcel.intercept in INTERCEPT_ENDED:
        return parcel
    return replace(parcel, intercept=InterceptStatus.FAILED)
