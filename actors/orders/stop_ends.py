"""How a stop ends: the order is closed, made anew, on its way back, or goes on because the stop came too late.

Everything happens in the transaction of the step, which has locked the fulfillment orders.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from actors.orders.update_order import trim
from domain.cases import TOLD_TO_PLATFORM, CaseKind, case_id_of
from domain.changes import OF_CONTENT, OF_THE_RULES
from domain.holds import HoldCode, waybill_facts
from domain.lines import pieces_by_sku
from domain.order import Order
from domain.outcomes import Done
from domain.states import Cause, State
from domain.stock import Reservation, fill
from domain.stops import StopCode, StopGoal, StopStatus
from infra.engine.replay import go_on
from infra.engine.results import Finished, NewWork, SubjectRef
from infra.queue.keys import BellKey
from infra.tables.cases import NewCase, open_cases
from infra.tables.fulfillment import NewPart, add_parts, leave_location, set_reservations
from infra.tables.holds import open_holds, release_all_holds, release_holds
from infra.tables.lines import Quantity, add_quantities, set_quantities
from infra.tables.orders import Locked, load_orders, lock_fulfillment
from infra.tables.packages import CancelledPackage, cancel_packages
from infra.tables.pool import Connection
from infra.tables.stock import lock_levels, lock_location_levels, release_stock, reserve_stock
from infra.tables.stops import OpenStop, end_stops
from infra.tables.writebacks import drop_untold

# The platform wants nothing of these shipped, whatever number it shows.
_OVER_AT_PLATFORM = frozenset({StopCode.REFUND_PAID, StopCode.CLOSED_BY_PLATFORM})
# Why a fulfillment order closed.
STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class EndingStop:
    """An open stop of which nothing more is waited for."""

    locked: Locked
    stop: OpenStop
    status: StopStatus

    @property
    def ref(self) -> SubjectRef:
        locked = self.locked
        return SubjectRef(locked.id, locked.lane, locked.order_id, locked.id, None, locked.state)

    @property
    def facts(self) -> dict[str, object]:
        return {"end": self.status, "why": self.stop.code, "goal": self.stop.goal}


@dataclass(slots=True)
class _Stopped:
    """A stopped fulfillment order, and what of it goes on. `kept`: pieces by line. `part`: where they go, or itself."""

    ending: EndingStop
    order: Order
    kept: Mapping[str, int] = field(default_factory=dict)
    part: int | None = None
    is_promised: bool = False

    @property
    def id(self) -> int:
        return self.ending.locked.id

    @property
    def closes(self) -> bool:
        return self.part != self.id

    @property
    def pieces(self) -> dict[str, int]:
        """What goes on, by SKU."""
        return pieces_by_sku(self.order, self.kept.items())


def end(tx: Connection, step: str, endings: Sequence[EndingStop]) -> list[Finished]:
    """End these stops; a result for each, and one for each part that goes on. No statement for none."""
    if not endings:
        return []
    end_stops(tx, {one.stop.id: _status(one) for one in endings})
    results = _end_stopped(tx, step, [one for one in endings if one.status is StopStatus.STOPPED])
    others = [one for one in endings if one.status is not StopStatus.STOPPED]
    release_holds(tx, [(one.locked.id, HoldCode.STOPPING) for one in others], step)
    coming = [one for one in others if one.status is StopStatus.COMING_BACK]
    results += [Finished(one.ref, Done(State.AFTER_SALE, one.facts), Cause.SAGA) for one in coming]
    late = [one for one in others if one.status is not StopStatus.COMING_BACK]
    open_cases(tx, [_case(one) for one in late if one.stop.code != StopCode.WITHDRAWN])
    left = open_holds(tx, [one.locked.id for one in late]) if late else {}
    return [*results, *(_goes_on(tx, step, one, is_held=bool(left.get(one.locked.id))) for one in late)]


def _status(one: EndingStop) -> StopStatus:
    """Nobody waits for a stop that was taken back."""
    return StopStatus.WITHDRAWN if one.stop.code == StopCode.WITHDRAWN else one.status


def _case(one: EndingStop) -> NewCase:
    facts = {"why": one.stop.code, "goal": one.stop.goal, "lines": ",".join(one.stop.lines)}
    return NewCase(
        shop=one.stop.shop,
        case_id=f"{CaseKind.STOP_TOO_LATE}-{one.locked.id}",
        kind=CaseKind.STOP_TOO_LATE,
        order_id=one.locked.order_id,
        facts=facts,
    )


def _needs_person(one: EndingStop, package: CancelledPackage) -> bool:
    """Whether the waybill lives, as a warehouse has booked it and cancels it itself, or the platform still shows it."""
    is_shown = package.is_told and one.stop.code not in _OVER_AT_PLATFORM
    return package.waybill is not None or is_shown


def _unwanted(one: EndingStop, package: CancelledPackage) -> NewCase:
    facts = {**waybill_facts(package.courier, package.last_waybill or ""), "document": one.stop.reference}
    return NewCase(
        shop=one.stop.shop,
        case_id=case_id_of(CaseKind.UNWANTED_WAYBILL, package.reference or f"package-{package.id}"),
        kind=CaseKind.UNWANTED_WAYBILL,
        order_id=one.locked.order_id,
        package_id=package.id,
        facts=facts | ({TOLD_TO_PLATFORM: True} if package.is_told else {}),
    )


def _goes_on(tx: Connection, step: str, one: EndingStop, *, is_held: bool) -> Finished:
    """The goods leave all the same: the order continues where the stop has interrupted it."""
    rings: frozenset[BellKey] = frozenset()
    if one.locked.state is State.ON_HOLD and not is_held:
        rings = frozenset(go_on(tx, one.locked, step, Cause.SAGA, one.facts))
    return Finished(one.ref, Done(facts=one.facts), Cause.SAGA, rings=rings)


def _end_stopped(tx: Connection, step: str, endings: Sequence[EndingStop]) -> list[Finished]:
    if not endings:
        return []
    cancelled = cancel_packages(tx, [one.locked.id for one in endings])
    drop_untold(tx, [package.id for package in cancelled])
    of_order = {one.locked.id: one for one in endings}
    of_package = [(of_order[one.fulfillment_order_id], one) for one in cancelled]
    open_cases(tx, [_unwanted(one, package) for one, package in of_package if _needs_person(one, package)])
    stopped = _what_goes_on(tx, endings)
    _divide(tx, [one for one in stopped if one.kept and one.part is None])
    _promise_again(tx, stopped)
    closing = [one.id for one in stopped if one.closes]
    release_all_holds(tx, closing, step)
    anew = [one.id for one in stopped if not one.closes]
    leave_location(tx, anew)
    left = _release_of_content(tx, step, anew)
    results: list[Finished] = []
    for one in stopped:
        results += _results(one, is_held=one.id in left)
    return results


def _release_of_content(tx: Connection, step: str, ids: Sequence[int]) -> set[int]:
    """Release the holds of these stops, and the holds that the review decides again.

    Returns the fulfillment orders that other holds still keep on hold.
    """
    if not ids:
        return set()
    held = {(id_, code, opened_by) for id_, holds in open_holds(tx, ids).items() for code, opened_by in holds}
    asked_anew = {(id_, code, by) for id_, code, by in held if code in OF_CONTENT and by in OF_THE_RULES}
    gone = asked_anew | {one for one in held if one[1] == HoldCode.STOPPING}
    release_holds(tx, sorted((id_, code) for id_, code, _ in gone), step)
    return {id_ for id_, _, _ in held - gone}


def _what_goes_on(tx: Connection, endings: Sequence[EndingStop]) -> list[_Stopped]:
    """The endings with the pieces that no stop has asked for and that the order's present content still has."""
    partial = [one for one in endings if _is_partial(one)]
    if partial:
        # The packages are cancelled, so nothing keeps pieces there that nobody wants any more.
        trim(tx, sorted({one.locked.order_id for one in partial}))
    now = {one.id: one for one in lock_fulfillment(tx, [one.locked.id for one in partial])} if partial else {}
    orders = load_orders(tx, sorted({one.locked.order_id for one in endings}))
    stopped = []
    for one in endings:
        locked = now.get(one.locked.id, one.locked)
        found = _Stopped(one, orders[locked.order_id])
        if one.stop.goal == StopGoal.REBUILD and locked.quantities:
            found.kept, found.part = dict(locked.quantities), locked.id
        elif locked.id in now:
            found.kept = {line: count for line, count in locked.quantities if line not in one.stop.lines}
        stopped.append(found)
    return stopped


def _is_partial(one: EndingStop) -> bool:
    """Whether something may go on: all of it, or lines that were not asked for."""
    if one.stop.goal == StopGoal.REBUILD:
        return True
    return bool(one.stop.lines) and not {line for line, _ in one.locked.quantities} <= set(one.stop.lines)


def _divide(tx: Connection, divided: Sequence[_Stopped]) -> None:
    """Make a part of what goes on beside the lines that were stopped."""
    ordered = sorted(divided, key=lambda one: (one.ending.locked.order_id, one.id))
    numbers: dict[int, int] = {}
    new: list[NewPart] = []
    for one in ordered:
        order_id = one.ending.locked.order_id
        numbers[order_id] = numbers.get(order_id, 0) + 1
        new.append(NewPart(one.id, order_id, numbers[order_id], State.PAID))
    for one, part in zip(ordered, add_parts(tx, new), strict=True):
        one.part = part
    moved = [(one, line, count) for one in ordered for line, count in one.kept.items()]
    set_quantities(tx, [Quantity(one.id, one.ending.locked.order_id, line, 0) for one, line, _ in moved])
    add_quantities(tx, [Quantity(one.part or 0, one.ending.locked.order_id, line, count) for one, line, count in moved])


def _promise_again(tx: Connection, stopped: Sequence[_Stopped]) -> None:
    """Give back what was promised, and promise what goes on again before another order can take it."""
    kept = {one.part: one.pieces for one in stopped if one.part is not None and one.pieces}
    skus = sorted({sku for pieces in kept.values() for sku in pieces if sku})
    if skus:
        lock_location_levels(tx, skus)
    release_stock(tx, [one.id for one in stopped])
    if not kept:
        return
    left = lock_levels(tx, skus)
    promised: dict[int, Mapping[str, int]] = {}
    taken: dict[str, int] = {}
    for part, pieces in kept.items():
        if fill(pieces, left):
            promised[part] = pieces
            for sku, count in pieces.items():
                left[sku] -= count
                taken[sku] = taken.get(sku, 0) + count
    reserve_stock(tx, taken, promised)
    set_reservations(tx, dict.fromkeys(promised, Reservation.RESERVED))
    for one in stopped:
        one.is_promised = one.part in promised


def _results(one: _Stopped, *, is_held: bool) -> list[Finished]:
    ref, facts = one.ending.ref, one.ending.facts
    if not one.closes:
        if is_held:
            return [Finished(ref, Done(facts=facts), Cause.SAGA)]
        return [Finished(ref, Done(State.PAID, facts), Cause.SAGA, follow=(_again(one, one.id),))]
    results = [Finished(ref, Done(State.CLOSED, facts), Cause.SAGA, closed_reason=STOPPED)]
    if one.part is not None:
        part = SubjectRef(one.part, ref.lane, ref.order_id, one.part, None, State.PAID)
        goes_on = Done(facts={"pieces": dict(one.kept), "stopped": ",".join(one.ending.stop.lines)})
        results.append(Finished(part, goes_on, Cause.SAGA, follow=(_again(one, one.part),)))
    return results


def _again(one: _Stopped, part: int) -> NewWork:
    step = "review" if one.is_promised else "reserve"
    return NewWork(step, part, one.ending.ref.lane, shop=one.ending.stop.shop)
