"""route: choose locations and couriers, commit the stock there, and make a package of each part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from actors.orders.parts import (
    WAIT_FOR_UPGRADE,
    SplitOff,
    books_waybill,
    candidates,
    divides_lines,
    nothing_left,
    split_off,
    wants_of,
)
from actors.tools import Tools
from domain.holds import HoldCode
from domain.lines import pieces_by_sku
from domain.order import Order
from domain.outcomes import Done, Hold
from domain.placing import Placement
from domain.placing import choose_placement as choose
from domain.routing import Unroutable
from domain.splitting import Part
from domain.states import Cause, State
from domain.steps import Milestone, Step, Subject
from domain.stock import covers
from infra.engine.actor import Runner, actor
from infra.engine.reports import has_worker_without_parts
from infra.engine.results import Finished, NewWork, Result, SubjectRef, decide_each
from infra.queue.keys import BellKey
from infra.tables.fulfillment import count_parts
from infra.tables.holds import load_waivers
from infra.tables.orders import Locked, load_orders, lock_fulfillment
from infra.tables.packages import NewPackage, create_packages
from infra.tables.placements import Wanted, want_documents
from infra.tables.pool import Connection
from infra.tables.stock import allocate_stock, load_reservations, lock_location_levels, read_location_levels

STEP = Step(
    name="route",
    does="choose warehouse and courier, split where one warehouse cannot ship all, with the reasons",
    subject=Subject.FULFILLMENT_ORDER,
    works_in=frozenset({State.APPROVED}),
    leads_to=("label", "dispatch"),
    resumes=frozenset({State.APPROVED}),
    group="order",
    ends=Milestone.ALLOCATED,
)


@dataclass(frozen=True, slots=True)
class Unrouted:
    """An approved fulfillment order with its reserved pieces by SKU, and the codes that a person let pass."""

    ref: SubjectRef
    locked: Locked
    order: Order
    pieces: Mapping[str, int]
    waived: frozenset[HoldCode]


@dataclass(frozen=True, slots=True)
class RouteChoice:
    """The choice made for one fulfillment order: one part, or several, and what waits for stock."""

    subject: Unrouted
    placement: Placement

    @property
    def is_whole(self) -> bool:
        return len(self.placement.parts) == 1 and not self.placement.waiting

    @property
    def wanted(self) -> list[tuple[str, dict[str, int]]]:
        """(location, pieces by SKU) of each part."""
        return [(part.location, self.pieces(part)) for part in self.placement.parts]

    def pieces(self, part: Part) -> dict[str, int]:
        return pieces_by_sku(self.subject.order, part.pieces.items())


@dataclass(frozen=True, slots=True)
class RouteStep:
    """Decides one order after the other on the stock that is left, and stores why.

    An order that no location can fill alone goes in parts, each a fulfillment order with a package of its own.
    """

    tools: Tools
    step: str = STEP.name

    def work(self, tx: Connection, subject_ids: Sequence[int]) -> Sequence[Result]:
        subjects = _load(tx, subject_ids)
        skus = {sku for subject in subjects for sku in subject.pieces}
        # The choice takes longer than all other work under the locks, and other transactions wait for the same SKUs.
        routed, held = self._choose(tx, subjects, read_location_levels(tx, skus))
        levels = lock_location_levels(tx, skus)
        is_covered = covers(levels, (wanted for one in routed for wanted in one.wanted))
        # No order is held for stock that another transaction was just releasing.
        if any(map(_is_short, held)) or not is_covered:
            routed, held = self._choose(tx, subjects, levels)
        return [*held, *self._commit(tx, routed)]

    def _choose(
        self, tx: Connection, subjects: Sequence[Unrouted], levels: dict[str, dict[str, int]]
    ) -> tuple[list[RouteChoice], list[Result]]:
        """Routes, and results of orders without a route. Placed pieces are subtracted from `levels`."""
        routed: list[RouteChoice] = []

        def decide(subject: Unrouted) -> Result:
            if not subject.locked.quantities:
                return nothing_left(subject.ref)
            if not subject.pieces or subject.pieces != pieces_by_sku(subject.order, subject.locked.quantities):
                # Reserved stock was withdrawn after the approval, or the order now wants other pieces.
                return Finished(subject.ref, Hold(HoldCode.STOCK_CONFLICT, {"reserved": sum(subject.pieces.values())}))
            answer = self._choose_placement(subject, levels)
            if not _is_one_part(answer):
                # The number of existing parts matters only for orders that are split.
                order_id = subject.locked.order_id
                made = count_parts(tx, [order_id])[order_id] - 1
                answer = self._choose_placement(subject, levels, parts_made=made) if made else answer
            if isinstance(answer, Unroutable):
                return Finished(
                    subject.ref, Hold(answer.code, {**answer.facts, **_excluded(subject), **self._version()})
                )
            one = RouteChoice(subject, answer)
            for location, pieces in one.wanted:
                for sku, count in pieces.items():
                    levels[location][sku] -= count
            routed.append(one)
            return Finished(subject.ref, Done())

        return routed, [result for result in decide_each(STEP.name, subjects, decide) if not _is_placed(result)]

    def _choose_placement(
        self, subject: Unrouted, levels: Mapping[str, Mapping[str, int]], *, parts_made: int = 0
    ) -> Placement | Unroutable:
        return choose(
            wants_of(subject.order, subject.locked.quantities),
            subject.order.receiver,
            candidates(self.tools, levels, subject.locked.excluded),
            self.tools.rules,
            divides_lines=divides_lines(self.tools, subject.order),
            seller_memo=subject.order.seller_memo,
            waived=subject.waived,
            parts_made=parts_made,
        )

    def _commit(self, tx: Connection, routed: Sequence[RouteChoice]) -> list[Result]:
        waits: list[Result] = []
        if not all(one.is_whole for one in routed) and has_worker_without_parts(tx):
            waits = [Finished(one.subject.ref, WAIT_FOR_UPGRADE) for one in routed if not one.is_whole]
            routed = [one for one in routed if one.is_whole]
        if not routed:
            return waits
        parts, waiting = _split_off(tx, routed)
        wanted = [
            NewPackage(
                one.id,
                one.part.courier,
                account=one.part.account,
                location=one.part.location,
                service=one.part.service,
                weight_g=0,
            )
            for one in parts
            if not self._books(one)
        ]
        with tx.pipeline():
            allocate_stock(tx, {one.id: (one.part.location, one.routed.pieces(one.part)) for one in parts})
            want_documents(
                tx,
                [
                    Wanted(one.id, one.part.location, one.part.courier, one.part.service)
                    for one in parts
                    if self._books(one)
                ],
            )
            packages = create_packages(tx, wanted) if wanted else {}
        return [
            *waits,
            *(self._allocated(one, packages.get(one.id)) for one in parts),
            *(self._short(one, id_) for one, id_ in waiting),
        ]

    def _books(self, one: "RoutedPart") -> bool:
        return books_waybill(self.tools, one.part.location)

    def _allocated(self, one: "RoutedPart", package_id: int | None) -> Finished:
        """`package_id`: to label; None where the warehouse books, and is told at once."""
        subject, part = one.routed.subject, one.part
        lane, shop = subject.ref.lane, subject.order.key.account
        follow = (
            NewWork("dispatch", one.id, lane, self.tools.directory.location(part.location).account, shop)
            if package_id is None
            else NewWork("label", package_id, lane, part.account, shop)
        )
        facts: dict[str, object] = {
            "location": part.location,
            "courier": part.courier,
            "account": part.account,
            "reasons": list(part.reasons),
            **_excluded(subject),
        }
        if not one.routed.is_whole:
            facts |= {"parts": len(one.routed.placement.parts), "pieces": dict(part.pieces)}
        return Finished(
            replace(subject.ref, subject_id=one.id, fulfillment_order_id=one.id),
            Done(State.ALLOCATED, facts | self._version()),
            Cause.ALLOCATOR,
            follow=(follow,),
        )

    def _short(self, one: RouteChoice, id_: int) -> Finished:
        facts = {"short": one.placement.short, "split_needed": False, **_excluded(one.subject), **self._version()}
        ref = replace(one.subject.ref, subject_id=id_, fulfillment_order_id=id_)
        return Finished(ref, Hold(HoldCode.STOCK_SHORT_PAID, facts))

    def _version(self) -> dict[str, str]:
        return {"rules": self.tools.rules.version}


@actor(STEP, RouteStep)
def route(message: BellKey, runner: Runner) -> None:
    """The Dramatiq actor of this step; `infra.engine.actor` tells how a message becomes work."""
    runner.run(message)


@dataclass(frozen=True, slots=True)
class RoutedPart:
    """A part with the fulfillment order that it is."""

    id: int
    routed: RouteChoice
    part: Part


def _split_off(tx: Connection, routed: Sequence[RouteChoice]) -> tuple[list[RoutedPart], list[tuple[RouteChoice, int]]]:
    """Every part with its fulfillment order, and the parts that wait for stock. Part one keeps the existing order."""
    further = [(one, part) for one in routed for part in one.placement.parts[1:]]
    short = [one for one in routed if one.placement.waiting]
    splits = [
        *(SplitOff(one.subject.locked, one.subject.order, part.pieces, State.APPROVED) for one, part in further),
        *(SplitOff(one.subject.locked, one.subject.order, one.placement.waiting, State.APPROVED) for one in short),
    ]
    made = split_off(tx, splits)
    parts = [RoutedPart(one.subject.locked.id, one, one.placement.parts[0]) for one in routed]
    parts += [RoutedPart(id_, one, part) for id_, (one, part) in zip(made, further, strict=False)]
    return parts, list(zip(short, made[len(further) :], strict=True))


def _excluded(subject: Unrouted) -> dict[str, str]:
    """The locations that have refused the order, each with the code, for whoever asks why they were not chosen."""
    refused = ", ".join(f"{location} ({code})" for location, code in sorted(subject.locked.excluded.items()))
    return {"excluded": refused} if refused else {}


def _is_one_part(answer: Placement | Unroutable) -> bool:
    return isinstance(answer, Placement) and len(answer.parts) == 1 and not answer.waiting


def _is_short(result: Result) -> bool:
    """Whether more stock would have helped."""
    outcome = result.outcome if isinstance(result, Finished) else None
    return isinstance(outcome, Hold) and outcome.code is HoldCode.STOCK_SHORT_PAID


def _is_placed(result: Result) -> bool:
    return isinstance(result, Finished) and isinstance(result.outcome, Done) and result.outcome.state is None


def _load(tx: Connection, subject_ids: Sequence[int]) -> list[Unrouted]:
    locked = [locked_part for locked_part in lock_fulfillment(tx, subject_ids) if locked_part.state in STEP.works_in]
    orders = load_orders(tx, [locked_part.order_id for locked_part in locked])
    pieces = load_reservations(tx, [locked_part.id for locked_part in locked])
    waivers = load_waivers(tx, [locked_part.id for locked_part in locked])
    return [
        Unrouted(
            SubjectRef(locked_part.id, locked_part.lane, locked_part.order_id, locked_part.id, None, locked_part.state),
            locked_part,
            orders[locked_part.order_id],
            pieces.get(locked_part.id, {}),
            frozenset(waiver.code for waiver in waivers.get(locked_part.id, ())),
        )
        for locked_part in locked
    ]
