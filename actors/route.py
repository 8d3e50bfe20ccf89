"""route: choose a location and a courier, commit the stock there, and make the package."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from actors.tools import Tools
from domain.holds import HoldCode
from domain.order import Order
from domain.outcomes import Done, Hold
from domain.routing import Candidate, Route, Unroutable
from domain.routing import route as choose
from domain.states import STEPS, Cause, State, Step
from domain.stock import covers
from infra.db.letters import load_waivers
from infra.db.orders import load_orders, lock_fulfillment, rows_json
from infra.db.pool import Connection
from infra.db.shipments import SHIPMENTS
from infra.db.stock import allocate_stock, load_reservations, lock_location_levels, read_location_levels
from infra.engine.results import NewWork, Place, Result, Settled, each

STEP = Step.ROUTE


@dataclass(frozen=True, slots=True)
class Unplaced:
    """An approved fulfillment order with its reserved pieces, and the codes that a person let pass."""

    place: Place
    order: Order
    pieces: Mapping[str, int]
    waived: frozenset[HoldCode]


@dataclass(frozen=True, slots=True)
class Routed:
    """The choice made for one fulfillment order."""

    subject: Unplaced
    route: Route


@dataclass(frozen=True, slots=True)
class RouteStep:
    """Decides one order after the other on the stock that is left, and stores why."""

    tools: Tools
    step: Step = STEP

    def work(self, tx: Connection, subject_ids: Sequence[int]) -> Sequence[Result]:
        subjects = _load(tx, subject_ids)
        skus = {sku for subject in subjects for sku in subject.pieces}
        # Choosing takes longer than all that must be done under the locks, and others wait for the same SKUs.
        routed, held = self._choose(subjects, read_location_levels(tx, skus))
        levels = lock_location_levels(tx, skus)
        is_covered = covers(levels, ((one.route.location, one.subject.pieces) for one in routed))
        # Nobody is held for want of what another transaction was just giving back.
        if any(map(_is_short, held)) or not is_covered:
            routed, held = self._choose(subjects, levels)
        return [*held, *self._commit(tx, routed)]

    def _choose(
        self, subjects: Sequence[Unplaced], levels: dict[str, dict[str, int]]
    ) -> tuple[list[Routed], list[Result]]:
        """Routes, and results of those that have none. What is placed is taken off `levels`."""
        routed: list[Routed] = []

        def decide(subject: Unplaced) -> Result:
            if not subject.pieces:
                # Any location can ship nothing; what was promised has been taken away since the approval.
                return Settled(subject.place, Hold(HoldCode.STOCK_CONFLICT, {"reserved": 0}))
            answer = choose(
                subject.pieces,
                subject.order.receiver,
                self._candidates(levels),
                self.tools.rules,
                seller_memo=subject.order.seller_memo,
                waived=subject.waived,
            )
            if isinstance(answer, Unroutable):
                return Settled(subject.place, Hold(answer.code, {**answer.facts, **self._version()}))
            for sku, count in subject.pieces.items():
                levels[answer.location][sku] -= count
            routed.append(Routed(subject, answer))
            return Settled(subject.place, Done())

        return routed, [result for result in each(STEP, subjects, decide) if not _is_done(result)]

    def _candidates(self, levels: Mapping[str, Mapping[str, int]]) -> list[Candidate]:
        couriers = tuple(courier.courier for courier in self.tools.settings.couriers)
        return [
            Candidate(
                location.name, location.sender.province, location.sender.city, couriers, levels.get(location.name, {})
            )
            for location in self.tools.settings.locations
        ]

    def _commit(self, tx: Connection, routed: Sequence[Routed]) -> list[Result]:
        if not routed:
            return []
        accounts = {courier.courier: courier.account for courier in reversed(self.tools.settings.couriers)}
        rows = rows_json(
            {
                "fulfillment_order_id": one.subject.place.subject_id,
                "courier": one.route.courier,
                "account": accounts[one.route.courier],
                "location": one.route.location,
                "service": one.route.service,
                "weight_g": 0,
            }
            for one in routed
        )
        with tx.pipeline():
            allocate_stock(
                tx, {one.subject.place.subject_id: (one.route.location, one.subject.pieces) for one in routed}
            )
            created = tx.execute(SHIPMENTS["create_packages"], {"rows": rows}).fetchall()
        packages = {fulfillment_order_id: package_id for package_id, fulfillment_order_id in created}
        return [self._allocated(one, packages[one.subject.place.subject_id], accounts) for one in routed]

    def _allocated(self, one: Routed, package_id: int, accounts: Mapping[str, str]) -> Settled:
        place, route, shop = one.subject.place, one.route, one.subject.order.key.account
        facts = {"location": route.location, "courier": route.courier, "reasons": list(route.reasons)}
        return Settled(
            place,
            Done(State.ALLOCATED, facts | self._version()),
            Cause.ALLOCATOR,
            follow=(NewWork(Step.LABEL, package_id, place.lane, accounts[route.courier], shop),),
        )

    def _version(self) -> dict[str, str]:
        return {"rules": self.tools.rules.version}


def _is_short(result: Result) -> bool:
    """Whether more stock would have helped."""
    outcome = result.outcome if isinstance(result, Settled) else None
    return isinstance(outcome, Hold) and outcome.code is HoldCode.STOCK_SHORT_PAID


def _is_done(result: Result) -> bool:
    return isinstance(result, Settled) and isinstance(result.outcome, Done)


def _load(tx: Connection, subject_ids: Sequence[int]) -> list[Unplaced]:
    locked = [each_ for each_ in lock_fulfillment(tx, subject_ids) if each_.state in STEPS[STEP].works_in]
    orders = load_orders(tx, [each_.order_id for each_ in locked])
    pieces = load_reservations(tx, [each_.id for each_ in locked])
    waivers = load_waivers(tx, [each_.id for each_ in locked])
    return [
        Unplaced(
            Place(each_.id, each_.lane, each_.order_id, each_.id, None, each_.state),
            orders[each_.order_id],
            pieces.get(each_.id, {}),
            frozenset(waiver.code for waiver in waivers.get(each_.id, ())),
        )
        for each_ in locked
    ]
