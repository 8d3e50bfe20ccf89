"""What a person can do about an order as it stands; and where its stop stands."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from domain.holds import HoldCode
from domain.states import FINAL_STATES, RANK, State
from domain.stops import RungKind, StopAsker, StopStatus
from infra.tables.stops import StopRow

if TYPE_CHECKING:
    from ops.views.order import FulfillmentView, OrderView

# Holds about an address, which a person may correct.
_OF_ADDRESSES = frozenset({HoldCode.ADDRESS_MISSING, HoldCode.ADDRESS_VAGUE, HoldCode.REMOTE_COURIER})


class PointOfNoReturn(StrEnum):
    """After what the goods cannot be stopped, or brought back, any more."""

    HAND_OVER = "hand_over"
    DELIVERY = "delivery"
    PASSED = "passed"


@dataclass(frozen=True, slots=True, kw_only=True)
class StopView:
    """The newest stop of a part, open or ended. `number`: of the part. `no_return`: None for one that has ended."""

    number: int
    stop: StopRow
    no_return: PointOfNoReturn | None

    @property
    def is_open(self) -> bool:
        return self.stop.status == StopStatus.ASKED


@dataclass(frozen=True, slots=True)
class WayOut:
    """Something that a person can do, as the code of a command. `code`: of the hold that a release ends.

    `subject`: what the command names: an order, a letter or a case by its number, or waybills.
    """

    does: str
    subject: str
    code: str = ""


def stop_views(fulfillment: Sequence["FulfillmentView"], stops: Sequence[StopRow]) -> tuple[StopView, ...]:
    """The stops of an order's parts, by the number of the part."""
    by_part = {one.fulfillment_order_id: one for one in stops}
    return tuple(_stop_view(part, by_part[part.id]) for part in fulfillment if part.id in by_part)


def _stop_view(part: "FulfillmentView", stop: StopRow) -> StopView:
    at = State(part.resume_state or part.state)
    if RANK[at] >= RANK[State.DELIVERED]:
        point = PointOfNoReturn.PASSED
    elif RANK[at] >= RANK[State.IN_TRANSIT] or part.reservation == "consumed":
        point = PointOfNoReturn.DELIVERY
    else:
        point = PointOfNoReturn.HAND_OVER
    return StopView(number=part.number, stop=stop, no_return=point if stop.status == StopStatus.ASKED else None)


def ways_out(view: "OrderView") -> tuple[WayOut, ...]:
    """What a person may choose from; nothing where the order goes on by itself, or has ended."""
    found = [*_of_holds(view), *_of_letters(view), *_of_cases(view)]
    return tuple(dict.fromkeys(found))


def _of_holds(view: "OrderView") -> Iterator[WayOut]:
    order, living = str(view.id), _living(view)
    known = set(HoldCode)
    for code in dict.fromkeys(HoldCode(one.code) for one in view.open_holds if one.code in known):
        if code is HoldCode.STOPPING:
            yield from _of_stops(view, living)
        elif code is HoldCode.REFUND_REQUESTED:
            yield WayOut("stop", order)
            yield WayOut("ship", order, code)
        elif code is HoldCode.BUYER_CHANGED and living:
            yield WayOut("relabel", order)
            yield WayOut("stop", order)
        elif code is HoldCode.UNWANTED_WAYBILL and living:
            yield from _of_waybills(living)
        elif code in _OF_ADDRESSES:
            yield WayOut("correct_address", order)
            yield WayOut("approve", order, code)
        elif code is not HoldCode.DEAD_LETTER:
            yield WayOut("release", order, code)


def _of_stops(view: "OrderView", living: Sequence[str]) -> Iterator[WayOut]:
    stops = [one.stop for one in view.stops if one.is_open]
    rungs = {one.rung for one in stops}
    if RungKind.CONFIRM in rungs:
        yield WayOut("confirm", str(view.id))
    if RungKind.VOID_BY_HAND in rungs:
        yield from _of_waybills(living)
    if any(one.asked_by != StopAsker.PLATFORM for one in stops):
        yield WayOut("withdraw", str(view.id))


def _of_waybills(living: Sequence[str]) -> Iterator[WayOut]:
    yield WayOut("void", " ".join(living))
    yield WayOut("void_settled", " ".join(living))


def _of_letters(view: "OrderView") -> Iterator[WayOut]:
    for letter in view.dead_letters:
        yield WayOut("replay", str(letter.id))
        yield WayOut("discard", str(letter.id))


def _of_cases(view: "OrderView") -> Iterator[WayOut]:
    for case in view.cases:
        if case.closed_at is None:
            yield WayOut("close_case", str(case.id))
    ended = [part.state in FINAL_STATES or part.state == State.AFTER_SALE for part in view.fulfillment]
    if any(part.state == State.AFTER_SALE for part in view.fulfillment) and all(ended):
        yield WayOut("close", str(view.id))


def _living(view: "OrderView") -> list[str]:
    """Waybills of packages that are still in the house."""
    return [
        one.waybill
        for package in view.packages
        if package.handed_over_at is None
        for one in package.shipments
        if one.status == "booked" and one.waybill
    ]
