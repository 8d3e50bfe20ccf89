"""Asks couriers, warehouses and platforms for our waybills, documents and write-backs, as after a restored backup:
adopts and voids, but creates nothing.

References are derived from the order, so a package whose booking we forgot can still be asked for.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from actors.label import LabelStep
from adapters.ports import Courier
from domain.errors import FulfilmentError, Refused
from domain.order import Lane
from domain.reasons import Reason
from domain.reconcile import CourierShipment, Difference, compare
from infra.engine.author import Author
from infra.engine.remote import RemoteRunner, call_each
from infra.engine.results import SubjectRef
from infra.tables.placements import DocumentHere
from infra.tables.pool import Database
from infra.tables.shipments import PackageHere, packages_since
from infra.tables.writebacks import Selection
from ops.verbs.reconcile_adopt import adopt, note_voided
from ops.verbs.reconcile_documents import DocumentReconciler
from ops.verbs.reconcile_lost import LostOrder, find_ours, lost_orders, release_lost
from ops.verbs.writeback_retry import PlatformAnswer, RetryRate, RetryResult, preview, reason_of, retry
from ops.views.looking import looking
from ops.views.writebacks import open_writebacks

_PAGE = 200


class ReconcileOutcome(StrEnum):
    """What was found, and what was done about it."""

    AGREES = "agrees"
    NOTHING_THERE = "nothing_there"
    ADOPTED = "adopted"
    WOULD_ADOPT = "would_adopt"
    LATER = "later"
    VOIDED = "voided"
    WOULD_VOID = "would_void"
    CONFIRMED = "confirmed"
    WOULD_CONFIRM = "would_confirm"
    GONE = "gone"
    CONTRADICTS = "contradicts"
    NOT_VOIDED = "not_voided"
    ELSEWHERE = "elsewhere"
    NOT_REACHED = "not_reached"
    SHIPPED_BEFORE = "shipped_before"
    WOULD_RELEASE = "would_release"
    PART_SHIPPED = "part_shipped"
    DOCUMENT_ADOPTED = "document_adopted"
    WOULD_ADOPT_DOCUMENT = "would_adopt_document"
    DOCUMENT_GONE = "document_gone"
    DOCUMENT_DOUBLED = "document_doubled"


# A value of `Reconciled.why`: the package is not written back yet, and its write-back is due.
WRITEBACK_DUE = "writeback_due"

# What a person must look at.
OPEN = frozenset(
    {
        ReconcileOutcome.GONE,
        ReconcileOutcome.CONTRADICTS,
        ReconcileOutcome.NOT_VOIDED,
        ReconcileOutcome.ELSEWHERE,
        ReconcileOutcome.NOT_REACHED,
        ReconcileOutcome.PART_SHIPPED,
        ReconcileOutcome.DOCUMENT_GONE,
        ReconcileOutcome.DOCUMENT_DOUBLED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """One line of the result. `why`: what went wrong, or what happens next. `document`: its reference, where the
    line is about a document at a warehouse.
    """

    order: str
    order_id: int
    package_id: int | None
    waybill: str
    outcome: ReconcileOutcome
    why: Reason | None = None
    document: str = ""


@dataclass(frozen=True, slots=True)
class _AskedPackage:
    """A package in the form that `call_each` needs."""

    ref: SubjectRef
    package: PackageHere


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Compares what is here with what is outside. Without an author it is a dry run: it asks, and changes nothing."""

    label: RemoteRunner
    writeback: RemoteRunner
    author: Author | None
    pace: RetryRate
    show: Callable[[Reconciled], object]

    def run(self, since: datetime) -> list[Reconciled]:
        """Packages made since then, write-backs of what left since then, orders lost with what came after a backup."""
        done: list[Reconciled] = []
        found = (*self._packages(since), *self._documents(since), *self._writebacks(since), *self._lost(since))
        for one in found:
            done.append(one)
            self.show(one)
        return done

    def _packages(self, since: datetime) -> Iterator[Reconciled]:
        after = 0
        while page := _page(self.label.db, since, after):
            after = page[-1].id
            for package, found in self._ask(page).items():
                yield from self._apply(package, found)

    def _ask(self, page: Sequence[PackageHere]) -> Mapping[PackageHere, list[CourierShipment] | Exception]:
        """The couriers' waybills of each package that no worker is labelling now."""
        assert isinstance(self.label.step, LabelStep)
        tools = self.label.step.tools
        asked = [_AskedPackage(SubjectRef(one.id, Lane(one.lane)), one) for one in page if not one.is_calling]

        async def ask(one: _AskedPackage) -> list[CourierShipment]:
            return await _living_and_dead(tools.courier(one.package.account), one.package)

        answers = self.label.event_loop.run(
            call_each(
                asked,
                ask,
                at_once=tools.settings.engine.outside_concurrency,
                start_before=float("inf"),
                now=self.pace.clock.monotonic,
            )
        )
        return {one.package: answers[one.package.id] for one in asked}

    def _apply(self, package: PackageHere, found: list[CourierShipment] | Exception) -> Iterator[Reconciled]:
        if isinstance(found, Exception):
            yield _line(package, ReconcileOutcome.NOT_REACHED, why=reason_of(found))
            return
        compared = compare(package.generation, package.waybill, found)
        match compared.finding:
            case Difference.AGREES:
                yield _line(package, ReconcileOutcome.AGREES, package.waybill or "")
            case Difference.NOTHING_THERE:
                yield _line(package, ReconcileOutcome.NOTHING_THERE)
            case Difference.GONE:
                yield _line(package, ReconcileOutcome.GONE, package.waybill or "")
            case Difference.CONTRADICTS:
                yield _line(package, ReconcileOutcome.CONTRADICTS, package.waybill or "")
            case Difference.ADOPT:
                assert compared.keep is not None
                yield _line(package, self._adopt(package, compared.keep), compared.keep.waybill)
        for second in compared.void:
            yield self._void(package, second)

    def _adopt(self, package: PackageHere, keep: CourierShipment) -> ReconcileOutcome:
        if self.author is None:
            return ReconcileOutcome.WOULD_ADOPT
        return ReconcileOutcome.ADOPTED if adopt(self.label, package, keep, self.author) else ReconcileOutcome.LATER

    def _void(self, package: PackageHere, second: CourierShipment) -> Reconciled:
        if self.author is None:
            return _line(package, ReconcileOutcome.WOULD_VOID, second.waybill)
        assert isinstance(self.label.step, LabelStep)
        courier = self.label.step.tools.courier(package.account)
        try:
            self.label.event_loop.run(courier.cancel(package.reference(second.generation), second.waybill))
        except FulfilmentError as error:
            return _line(package, ReconcileOutcome.NOT_VOIDED, second.waybill, reason_of(error))
        note_voided(self.label.db, package, second, self.author)
        return _line(package, ReconcileOutcome.VOIDED, second.waybill)

    def _documents(self, since: datetime) -> Iterator[Reconciled]:
        """Documents that warehouses have and we do not know, and documents that we know and no warehouse works on."""
        assert isinstance(self.label.step, LabelStep)
        reconciler = DocumentReconciler(self.label.step.tools, self.label.event_loop, self.label.db)
        for document, compared in reconciler.compared(since):
            if isinstance(compared, Exception):
                yield _line_of_document(document, None, ReconcileOutcome.NOT_REACHED, reason_of(compared))
                continue
            if compared.finding is Difference.GONE:
                yield _line_of_document(document, document.generation, ReconcileOutcome.DOCUMENT_GONE)
            elif compared.finding is Difference.ADOPT and compared.keep is not None:
                outcome = ReconcileOutcome.WOULD_ADOPT_DOCUMENT
                if self.author is not None:
                    is_ours = reconciler.adopt(document, compared.keep, self.author)
                    outcome = ReconcileOutcome.DOCUMENT_ADOPTED if is_ours else ReconcileOutcome.LATER
                yield _line_of_document(document, compared.keep.generation, outcome)
            elif compared.finding is Difference.AGREES:
                yield _line_of_document(document, document.generation, ReconcileOutcome.AGREES)
            for second in compared.further:
                at = Reason("at_location", {"location": second.location})
                yield _line_of_document(document, second.generation, ReconcileOutcome.DOCUMENT_DOUBLED, at)

    def _writebacks(self, since: datetime) -> Iterator[Reconciled]:
        """Confirmations that the platforms show and we do not know. The engine writes back the others."""
        chosen = open_writebacks(self.writeback.db, Selection(since=since, any_open=True))
        foreseen = preview(self.writeback, chosen, lambda _: None)
        shown = {result.package_id for result in foreseen if result.said is PlatformAnswer.SHOWN}
        yield from (_line_of(result) for result in foreseen if result.said is not PlatformAnswer.SHOWN)
        if self.author is None:
            yield from (
                _line_of(result, ReconcileOutcome.WOULD_CONFIRM)
                for result in foreseen
                if result.said is PlatformAnswer.SHOWN
            )
            return
        known = [one for one in chosen if one.package_id in shown]
        for result in retry(self.writeback, known, self.author, self.pace, lambda _: None):
            yield _line_of(result, ReconcileOutcome.CONFIRMED if result.said is PlatformAnswer.SHOWN else None)

    def _lost(self, since: datetime) -> Iterator[Reconciled]:
        """Orders held as shipped by somebody else, whose waybill a courier gave for our own reference."""
        assert isinstance(self.label.step, LabelStep)
        couriers = self.label.step.tools.couriers
        for order in lost_orders(self.label.db, since):
            try:
                waybill = self.label.event_loop.run(find_ours(couriers.values(), order))
            except FulfilmentError as error:
                yield _line_of_lost(order, "", ReconcileOutcome.NOT_REACHED, reason_of(error))
                continue
            if waybill and order.is_part:
                yield _line_of_lost(order, waybill, ReconcileOutcome.PART_SHIPPED)
            elif waybill and self.author is None:
                yield _line_of_lost(order, waybill, ReconcileOutcome.WOULD_RELEASE)
            elif waybill and self.author is not None and release_lost(self.label.db, order, self.author):
                yield _line_of_lost(order, waybill, ReconcileOutcome.SHIPPED_BEFORE)


def _line_of_document(
    document: DocumentHere, generation: int | None, outcome: ReconcileOutcome, why: Reason | None = None
) -> Reconciled:
    return Reconciled(
        order=document.order,
        order_id=document.order_id,
        package_id=None,
        waybill="",
        outcome=outcome,
        why=why,
        document=document.reference(generation) if generation else "",
    )


def _line_of_lost(order: LostOrder, waybill: str, outcome: ReconcileOutcome, why: Reason | None = None) -> Reconciled:
    name = f"{order.key.platform}/{order.key.shop}/{order.key.platform_order_id}"
    return Reconciled(order=name, order_id=order.order_id, package_id=None, waybill=waybill, outcome=outcome, why=why)


def _page(db: Database, since: datetime, after: int) -> list[PackageHere]:
    with looking(db) as tx:
        return packages_since(tx, since, after=after, limit=_PAGE)


async def _living_and_dead(courier: Courier, package: PackageHere) -> list[CourierShipment]:
    """Every generation that the courier knows: ours, and on until it has none.

    Generations have no gaps there, because one rises only after the one below was void.
    """
    if not courier.can_find:
        raise Refused("courier_cannot_be_asked", facts={"courier": package.courier})
    found: list[CourierShipment] = []
    generation = 1
    while (waybill := await courier.find(package.reference(generation))) or generation <= package.known_generation:
        if waybill:
            found.append(CourierShipment(generation, waybill.number, waybill.alive))
        generation += 1
    return found


def _line(package: PackageHere, outcome: ReconcileOutcome, waybill: str = "", why: Reason | None = None) -> Reconciled:
    return Reconciled(
        order=package.order,
        order_id=package.order_id,
        package_id=package.id,
        waybill=waybill,
        outcome=outcome,
        why=why,
    )


_OUTCOMES = {
    PlatformAnswer.SHOWN: ReconcileOutcome.CONFIRMED,
    PlatformAnswer.TOLD: ReconcileOutcome.CONFIRMED,
    PlatformAnswer.WOULD_TELL: ReconcileOutcome.NOTHING_THERE,
    PlatformAnswer.HELD: ReconcileOutcome.NOTHING_THERE,
    PlatformAnswer.ELSEWHERE: ReconcileOutcome.ELSEWHERE,
}


def _line_of(result: RetryResult, outcome: ReconcileOutcome | None = None) -> Reconciled:
    return Reconciled(
        order=result.order,
        order_id=result.order_id,
        package_id=result.package_id,
        waybill=result.waybill,
        outcome=outcome or _OUTCOMES.get(result.said, ReconcileOutcome.NOT_REACHED),
        why=Reason(WRITEBACK_DUE) if result.said is PlatformAnswer.WOULD_TELL else result.why,
    )
