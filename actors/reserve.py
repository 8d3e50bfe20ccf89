"""reserve: promise stock at once, before any review, so that nothing else can sell it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from actors.listings import send_on
from actors.tools import Tools
from domain.holds import HoldCode
from domain.lines import pieces_by_sku
from domain.outcomes import Done, Hold, Later
from domain.states import STEPS, Step
from domain.stock import Allocation, Demand, Grant, Reservation, allocate
from infra.db.orders import load_orders, lock_fulfillment
from infra.db.pool import Connection
from infra.db.stock import lock_levels, read_levels, reserve_stock, set_reservations
from infra.engine.results import NewWork, Place, Result, Settled, each

STEP = Step.RESERVE

_HOLDS = {Reservation.SHORT: HoldCode.STOCK_SHORT_PAID, Reservation.UNMAPPED: HoldCode.SKU_UNMAPPED}


@dataclass(frozen=True, slots=True)
class Wanting:
    """A fulfillment order and what it wants."""

    place: Place
    demand: Demand
    shop: str


@dataclass(frozen=True, slots=True)
class Reserve:
    """All or nothing for each fulfillment order. Short stock becomes a hold, and review goes on."""

    tools: Tools
    step: Step = STEP

    def work(self, tx: Connection, subject_ids: Sequence[int]) -> Sequence[Result]:
        wanting = _load(tx, subject_ids)
        demands = [want.demand for want in wanting]
        hint = allocate(demands, read_levels(tx, {sku for demand in demands for sku in demand.pieces}))
        unmapped = [grant.demand_id for grant in hint.grants if grant.reservation is Reservation.UNMAPPED]
        # Before any lock on stock. The listing map may name other SKUs for them: with those they are promised next.
        mapped = send_on(tx, unmapped).changed
        grants = self._grant(tx, demands, hint)

        def settle(want: Wanting) -> Settled:
            if want.place.subject_id in mapped:
                return Settled(want.place, Later("skus_mapped"))
            grant = grants[want.place.subject_id]
            hold = _HOLDS.get(grant.reservation)
            return Settled(
                want.place,
                Done(facts={"reservation": grant.reservation, "skus": list(grant.skus)}),
                holds=(Hold(hold, {"skus": ",".join(grant.skus)}),) if hold else (),
                follow=(NewWork(Step.REVIEW, want.place.subject_id, want.place.lane, shop=want.shop),),
            )

        return each(STEP, wanting, settle)

    def _grant(self, tx: Connection, demands: Sequence[Demand], hint: Allocation) -> dict[int, Grant]:
        grants = {grant.demand_id: grant for grant in hint.grants}
        hopeful = [demand for demand in demands if grants[demand.id].reservation is Reservation.RESERVED]
        taken: Mapping[str, int] = {}
        pieces: dict[int, Mapping[str, int]] = {}
        if hopeful:
            levels = lock_levels(tx, (sku for demand in hopeful for sku in demand.pieces))
            sure = allocate(hopeful, levels)
            grants |= {grant.demand_id: grant for grant in sure.grants}
            taken = sure.taken
            pieces = {
                demand.id: demand.pieces for demand in hopeful if grants[demand.id].reservation is Reservation.RESERVED
            }
        # Others wait for the same SKUs: everything goes out in one round trip.
        with tx.pipeline():
            reserve_stock(tx, taken, pieces)
            set_reservations(tx, {id_: grant.reservation for id_, grant in grants.items()})
        return grants


def _load(tx: Connection, subject_ids: Sequence[int]) -> list[Wanting]:
    may_act = STEPS[STEP].works_in
    locked = [
        order
        for order in lock_fulfillment(tx, subject_ids)
        if order.state in may_act and order.reservation not in {Reservation.RESERVED, Reservation.ALLOCATED}
    ]
    orders = load_orders(tx, [each_.order_id for each_ in locked])
    return [
        Wanting(
            Place(each_.id, each_.lane, each_.order_id, each_.id, None, each_.state),
            Demand(
                each_.id,
                each_.lane,
                orders[each_.order_id].paid_at,
                pieces_by_sku(orders[each_.order_id], each_.quantities),
            ),
            orders[each_.order_id].key.account,
        )
        for each_ in locked
    ]
