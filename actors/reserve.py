"""reserve: reserve stock at once, before any review, so that nothing else can sell it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from actors.orders.listings import send_on
from actors.orders.parts import SplitOff, divides_lines, split_off, wants_of
from actors.tools import Tools
from domain.holds import HoldCode
from domain.lines import pieces_by_sku
from domain.order import Order
from domain.outcomes import Done, Hold, Later
from domain.part_shipping import Cut, cut_by_stock
from domain.rules import WhenShort
from domain.states import State
from domain.steps import Step, Subject
from domain.stock import Demand, Reservation, StockGrant, StockGrants, grant_stock
from infra.engine.actor import Runner, actor
from infra.engine.reports import has_worker_without_parts
from infra.engine.results import Finished, NewWork, Result, SubjectRef, decide_each
from infra.queue.keys import BellKey
from infra.tables.fulfillment import count_parts, set_reservations
from infra.tables.orders import Locked, load_orders, lock_fulfillment
from infra.tables.pool import Connection
from infra.tables.progress import promised_orders
from infra.tables.stock import lock_levels, read_levels, reserve_stock

STEP = Step(
    name="reserve",
    does="reserve stock at once, so that nothing else can sell it",
    subject=Subject.FULFILLMENT_ORDER,
    works_in=frozenset({State.PENDING_PAYMENT, State.PAID, State.ON_HOLD}),
    leads_to=("reserve", "review"),
    promises_stock=True,
    group="order",
    done=promised_orders,
)

_HOLDS = {Reservation.SHORT: HoldCode.STOCK_SHORT_PAID, Reservation.UNMAPPED: HoldCode.SKU_UNMAPPED}


@dataclass(frozen=True, slots=True)
class ReservationRequest:
    """A fulfillment order and the pieces that it wants."""

    ref: SubjectRef
    demand: Demand
    locked: Locked
    order: Order

    @property
    def shop(self) -> str:
        return self.order.key.account


@dataclass(frozen=True, slots=True)
class ReserveStep:
    """All or nothing for each fulfillment order. Short stock becomes a hold, and review goes on.

    Where the rules ship what is there of a short order, the rest becomes a part of its own, which is held.
    """

    tools: Tools
    step: str = STEP.name

    def work(self, tx: Connection, subject_ids: Sequence[int]) -> Sequence[Result]:
        wanting = _load(tx, subject_ids)
        demands = [want.demand for want in wanting]
        hint = grant_stock(demands, read_levels(tx, {sku for demand in demands for sku in demand.pieces}))
        unmapped = [grant.demand_id for grant in hint.grants if grant.reservation is Reservation.UNMAPPED]
        # Before any lock on stock. The listing map may name other SKUs for these lines; stock is then reserved for the
        # new SKUs.
        sent = send_on(tx, unmapped)
        grants = self._grant(tx, [demand for demand in demands if demand.id not in sent.empty], hint)
        short = {id_ for id_, grant in grants.items() if grant.reservation is Reservation.SHORT}
        cut = self._cut(tx, [want for want in wanting if want.demand.id in short])
        wanting = [want for want in wanting if want.demand.id not in cut]

        def result_of(want: ReservationRequest) -> Finished:
            if want.ref.subject_id in sent.empty:
                return Finished(want.ref, Done(facts={"left_alone": "nothing to pick"}))
            if want.ref.subject_id in sent.changed:
                return Finished(want.ref, Later("skus_mapped"))
            grant = grants[want.ref.subject_id]
            hold = _HOLDS.get(grant.reservation)
            return Finished(
                want.ref,
                Done(facts={"reservation": grant.reservation, "skus": list(grant.skus)}),
                holds=(Hold(hold, {"skus": ",".join(grant.skus)}),) if hold else (),
                follow=(NewWork("review", want.ref.subject_id, want.ref.lane, shop=want.shop),),
            )

        return [
            *decide_each(STEP.name, wanting, result_of),
            *(result for results in cut.values() for result in results),
        ]

    def _cut(self, tx: Connection, short: Sequence[ReservationRequest]) -> dict[int, list[Result]]:
        """Cut short orders in two, if the rules want that: both parts are promised anew, and the second is short."""
        if self.tools.rules.routing.split.when_short is WhenShort.HOLD or not short or has_worker_without_parts(tx):
            return {}
        levels = read_levels(tx, {sku for want in short for sku in want.demand.pieces})
        made = count_parts(tx, [want.locked.order_id for want in short])
        cuts = {}
        for want in short:
            answer = cut_by_stock(
                wants_of(want.order, want.locked.quantities),
                levels,
                self.tools.rules,
                divides_lines=divides_lines(self.tools, want.order),
                parts_made=made[want.locked.order_id] - 1,
            )
            if isinstance(answer, Cut) and answer.waiting:
                cuts[want.demand.id] = (want, answer)
        new = split_off(
            tx, [SplitOff(want.locked, want.order, answer.waiting, _first(want)) for want, answer in cuts.values()]
        )
        return {id_: _both(want, answer, part) for (id_, (want, answer)), part in zip(cuts.items(), new, strict=True)}

    def _grant(self, tx: Connection, demands: Sequence[Demand], hint: StockGrants) -> dict[int, StockGrant]:
        asked = {demand.id for demand in demands}
        grants = {grant.demand_id: grant for grant in hint.grants if grant.demand_id in asked}
        hopeful = [demand for demand in demands if grants[demand.id].reservation is Reservation.RESERVED]
        taken: Mapping[str, int] = {}
        pieces: dict[int, Mapping[str, int]] = {}
        if hopeful:
            levels = lock_levels(tx, (sku for demand in hopeful for sku in demand.pieces))
            sure = grant_stock(hopeful, levels)
            grants |= {grant.demand_id: grant for grant in sure.grants}
            taken = sure.taken
            pieces = {
                demand.id: demand.pieces for demand in hopeful if grants[demand.id].reservation is Reservation.RESERVED
            }
        # Other transactions wait for the same SKUs, so all statements go in one round trip.
        with tx.pipeline():
            reserve_stock(tx, taken, pieces)
            set_reservations(tx, {id_: grant.reservation for id_, grant in grants.items()})
        return grants


@actor(STEP, ReserveStep)
def reserve(message: BellKey, runner: Runner) -> None:
    """The Dramatiq actor of this step; `infra.engine.actor` tells how a message becomes work."""
    runner.run(message)


def _first(want: ReservationRequest) -> State:
    """The first state of a part: a part of an unpaid order is unpaid too."""
    return State.PENDING_PAYMENT if want.locked.at is State.PENDING_PAYMENT else State.PAID


def _both(want: ReservationRequest, cut: Cut, part: int) -> list[Result]:
    """Both parts, the one that continues and the one that waits, are reserved in the next round."""
    ref = replace(want.ref, subject_id=part, fulfillment_order_id=part, state=_first(want))
    follow = (NewWork("reserve", part, want.ref.lane, shop=want.shop),)
    waits = Finished(ref, Done(facts={"waiting": dict(cut.waiting), "short": cut.short}), follow=follow)
    return [waits, Finished(want.ref, Later("cut_by_stock"))]


def _load(tx: Connection, subject_ids: Sequence[int]) -> list[ReservationRequest]:
    may_act = STEP.works_in
    locked = [
        order
        for order in lock_fulfillment(tx, subject_ids)
        if order.state in may_act and order.reservation not in {Reservation.RESERVED, Reservation.ALLOCATED}
    ]
    orders = load_orders(tx, [locked_part.order_id for locked_part in locked])
    return [_wanting(locked_part, orders[locked_part.order_id]) for locked_part in locked]


def _wanting(locked: Locked, order: Order) -> ReservationRequest:
    ref = SubjectRef(locked.id, locked.lane, locked.order_id, locked.id, None, locked.state)
    demand = Demand(locked.id, locked.lane, order.paid_at, pieces_by_sku(order, locked.quantities))
    return ReservationRequest(ref, demand, locked, order)
