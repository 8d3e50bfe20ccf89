"""The way of a parcel as its courier tells it: one vocabulary, and what a set of events amounts to.

Couriers tell events late, twice, in any order, and under codes that nobody knows yet. What follows from them depends on
the set of events alone: neither repeats nor the order in which events arrive make a difference.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.cases import CaseKind
from domain.states import RANK, State

# From the signing of an order's last parcel until the order is completed.
COMPLETED_AFTER = timedelta(hours=24)

# Of what a channel may tell a buyer, as its settings name it.
SHIPPED, OUT_FOR_DELIVERY, SIGNED = "shipped", "out_for_delivery", "signed"


def event_name(event: str) -> str:
    """The name of an event of a package, as receivers of web hooks know it."""
    return f"package.{event}"


class ParcelKind(StrEnum):
    """What may happen to a parcel, in the words that all couriers' codes are read into.

    INTERCEPTED: its courier has stopped it, and brings it back. INTERCEPT_FAILED: an interception has not worked, and
    the parcel goes on. OTHER is every code that says nothing of the way, and every unknown code: it changes nothing.
    """

    COLLECTED = "collected"
    DEPARTED = "departed"
    AT_HUB = "at_hub"
    OUT_FOR_DELIVERY = "out_for_delivery"
    AT_LOCKER = "at_locker"
    DELIVERED = "delivered"
    ATTEMPT_FAILED = "attempt_failed"
    REFUSED = "refused"
    RETURNING = "returning"
    RETURNED = "returned"
    FORWARDED = "forwarded"
    INTERCEPTED = "intercepted"
    INTERCEPT_FAILED = "intercept_failed"
    LOST = "lost"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ParcelEvent:
    """One event of one parcel. `code`: the courier's own, with a reason behind a plus sign where it has one."""

    code: str
    kind: ParcelKind
    at: datetime


class ParcelStage(StrEnum):
    """How far a parcel is."""

    WAITING = "waiting"
    MOVING = "moving"
    OUT_FOR_DELIVERY = "out_for_delivery"
    AT_LOCKER = "at_locker"
    DELIVERED = "delivered"
    RETURNING = "returning"
    RETURNED = "returned"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Parcel:
    """What events amount to. Times are those of the events.

    `collected_at`: of the first event that a parcel has only in its courier's hands. `delivered_at`: of the first
    signing by the receiver; None for a parcel that was signed after it had turned back. `out_at`: when it was first out
    for delivery. `last_at`: of the last event. `troubles`: with what somebody must deal.
    """

    stage: ParcelStage = ParcelStage.WAITING
    collected_at: datetime | None = None
    out_at: datetime | None = None
    delivered_at: datetime | None = None
    last_at: datetime | None = None
    troubles: frozenset[CaseKind] = frozenset()


_K, _S = ParcelKind, ParcelStage
_FORWARD: dict[ParcelKind, ParcelStage] = {
    _K.COLLECTED: _S.MOVING,
    _K.DEPARTED: _S.MOVING,
    _K.AT_HUB: _S.MOVING,
    _K.OUT_FOR_DELIVERY: _S.OUT_FOR_DELIVERY,
    _K.AT_LOCKER: _S.AT_LOCKER,
    _K.DELIVERED: _S.DELIVERED,
}
# A lost parcel that is scanned again is found.
_STAGE_RANK = {_S.LOST: 0, _S.WAITING: 0, _S.MOVING: 1, _S.OUT_FOR_DELIVERY: 2, _S.AT_LOCKER: 3, _S.DELIVERED: 4}
# Whoever has or had the parcel has collected it. A loss may be told of a parcel that nobody ever had.
_IN_HAND = frozenset(
    {*_FORWARD, _K.ATTEMPT_FAILED, _K.REFUSED, _K.RETURNING, _K.RETURNED, _K.INTERCEPTED, _K.INTERCEPT_FAILED}
)
_TROUBLES = {
    _K.REFUSED: CaseKind.REFUSED_BY_BUYER,
    _K.INTERCEPTED: CaseKind.RETURNED_TO_SENDER,
    _K.RETURNING: CaseKind.RETURNED_TO_SENDER,
    _K.RETURNED: CaseKind.RETURNED_TO_SENDER,
    _K.LOST: CaseKind.LOST,
}
_TELLING_ORDER = {kind: number for number, kind in enumerate(ParcelKind)}


def fold(events: Iterable[ParcelEvent]) -> Parcel:
    """What a set of events amounts to, whatever the order in which they are given, and however often each.

    They count in the order of their own times. A parcel never goes back a stage; *delivered* is final except for an
    event of a return.
    """
    stage = ParcelStage.WAITING
    collected_at = out_at = delivered_at = last_at = None
    troubles = set()
    for event in sorted(set(events), key=lambda one: (one.at, _TELLING_ORDER[one.kind], one.code)):
        last_at = event.at
        if event.kind in _TROUBLES:
            troubles.add(_TROUBLES[event.kind])
        if event.kind in _IN_HAND:
            collected_at = collected_at or event.at
        if event.kind is ParcelKind.OUT_FOR_DELIVERY:
            out_at = out_at or event.at
        stage = _next(stage, event.kind)
        if stage is ParcelStage.DELIVERED:
            delivered_at = delivered_at or event.at
    return Parcel(stage, collected_at, out_at, delivered_at, last_at, frozenset(troubles))


def _next(now: ParcelStage, kind: ParcelKind) -> ParcelStage:
    if now is ParcelStage.RETURNED or kind is ParcelKind.RETURNED:
        return ParcelStage.RETURNED
    if kind in {ParcelKind.RETURNING, ParcelKind.INTERCEPTED}:
        return ParcelStage.RETURNING
    if now is ParcelStage.RETURNING:
        # On its way back it passes hubs and is signed by the sender.
        return ParcelStage.RETURNED if kind is ParcelKind.DELIVERED else now
    if kind is ParcelKind.LOST:
        return now if now is ParcelStage.DELIVERED else ParcelStage.LOST
    further = _FORWARD.get(kind, now)
    return further if _STAGE_RANK[further] > _STAGE_RANK[now] else now


def way_on(now: State, *, is_collected: bool, is_delivered: bool) -> tuple[State, ...]:
    """The states through which a fulfillment order goes on from `now`; empty where it stays.

    `is_collected`: the courier has one of its packages. `is_delivered`: every package of it was signed.
    """
    target = State.DELIVERED if is_delivered else State.IN_TRANSIT if is_collected else now
    way = (State.PACKED, State.IN_TRANSIT, State.DELIVERED)
    if now not in way or RANK[target] <= RANK[now]:
        return ()
    return way[way.index(now) + 1 : way.index(target) + 1]


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a courier is asked about a parcel, in seconds since its hand-over, and between two looks.

    `first_s`: until the first look. `moving_s`: between looks while it moves; `near_s`: while it is out for delivery.
    A parcel that is older than `slow_after_s` or waits in a locker is asked about every `slow_s`. `give_up_s`: a parcel
    that old is not asked about any more.
    """

    first_s: float = 1_800.0
    moving_s: float = 3_600.0
    near_s: float = 1_800.0
    slow_after_s: float = 259_200.0
    slow_s: float = 10_800.0
    give_up_s: float = 2_592_000.0


def next_look_s(parcel: Parcel, age_s: float, pace: Pace) -> float:
    """Seconds until the next look at a parcel that was handed over `age_s` ago. Says nothing of a delivered one."""
    if age_s > pace.slow_after_s or parcel.stage in {ParcelStage.AT_LOCKER, ParcelStage.LOST}:
        return pace.slow_s
    return pace.near_s if parcel.stage is ParcelStage.OUT_FOR_DELIVERY else pace.moving_s


def is_completed(delivered_at: datetime, now: datetime) -> bool:
    """Whether an order whose last parcel was signed at `delivered_at` is completed, if nothing is open."""
    return now - delivered_at >= COMPLETED_AFTER
