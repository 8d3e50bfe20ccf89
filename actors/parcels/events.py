"""Applies the tracking events of parcels: stores events, moves orders forward, notifies buyers, opens cases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from actors.tools import Tools
from adapters.ports import TrackEvent
from domain.cases import CaseKind, case_id_of
from domain.outcomes import Done, Later
from domain.states import Cause, State
from domain.tracking import (
    COMPLETED_AFTER,
    OUT_FOR_DELIVERY,
    SIGNED,
    Pace,
    Parcel,
    ParcelEvent,
    ParcelStage,
    event_name,
    fold,
    is_completed,
    next_look_s,
    way_on,
)
from infra.engine.results import Finished, NewWork, Result, SubjectRef, decide_each
from infra.tables.cases import NewCase, open_cases
from infra.tables.notices import NewNotice, want_notices
from infra.tables.packages import TrackedTimes, stamp_tracked
from infra.tables.pool import Connection
from infra.tables.tracking import NewEvent, ParcelDelivery, TrackedRow, deliveries, events_of, keep_events


@dataclass(frozen=True, slots=True)
class Told:
    """What a courier told of a parcel now. `has_answered`: it could be asked, whatever it told."""

    ref: SubjectRef
    row: TrackedRow
    events: tuple[TrackEvent, ...]
    has_answered: bool


def follow_up(tx: Connection, tools: Tools, step: str, told: Sequence[Told]) -> list[Result]:
    """Store what was told and settle each parcel: its order moves on, and the parcel is looked at again or no more.

    The fulfillment orders must be locked. What follows is decided from all events ever told, so that it makes no
    difference in what order, or how often, they come.
    """
    if not told:
        return []
    known = _keep(tx, told)
    parcels = {one.ref.subject_id: fold(known[one.ref.subject_id]) for one in told}
    stamp_tracked(tx, [_stamped(one, parcels[one.ref.subject_id]) for one in told if one.has_answered])
    signed = {one.row.fulfillment_order_id for one in told if parcels[one.ref.subject_id].delivered_at}
    now = tools.clock.utcnow()
    # First, so that an order with trouble that is told of only now is not completed.
    open_cases(tx, [case for one in told for case in _cases(tools, one, parcels[one.ref.subject_id], now)])
    delivered = deliveries(tx, sorted(signed))
    notices = _notices(tx, tools, told, parcels)
    moved: set[int] = set()

    def settle(one: Told) -> Result:
        parcel, part = parcels[one.ref.subject_id], one.row.fulfillment_order_id
        delivery = delivered.get(part, ParcelDelivery(None, has_case=False))
        follow = notices.get(one.ref.subject_id, ())
        # Several parcels of one fulfillment order move it together, once.
        finished = _finished(tools, one, parcel, delivery, moves=part not in moved, follow=follow)
        if finished.via or (isinstance(finished.outcome, Done) and finished.outcome.state):
            moved.add(part)
        return finished

    return decide_each(step, told, settle)


def _keep(tx: Connection, told: Sequence[Told]) -> dict[int, set[ParcelEvent]]:
    """All stored events of the parcels, including the new events."""
    known = events_of(tx, [one.ref.subject_id for one in told])
    new: dict[tuple[int, datetime, str], NewEvent] = {}
    for one in told:
        id_ = one.ref.subject_id
        stored = {(event.at, event.code) for event in known[id_]}
        for event in one.events:
            if (event.at, event.code) not in stored:
                new.setdefault(
                    (id_, event.at, event.code), NewEvent(id_, event.at, event.code, event.kind, event.detail)
                )
    keep_events(tx, list(new.values()))
    for added in new.values():
        known[added.package_id].add(ParcelEvent(added.code, added.kind, added.at))
    return known


def _stamped(one: Told, parcel: Parcel) -> TrackedTimes:
    return TrackedTimes(one.ref.subject_id, parcel.collected_at, parcel.delivered_at)


def _path(ref: SubjectRef, parcel: Parcel, delivery: ParcelDelivery) -> tuple[State, ...]:
    assert ref.state is not None
    is_delivered = delivery.delivered_at is not None
    return way_on(ref.state, is_collected=parcel.collected_at is not None, is_delivered=is_delivered)


def _finished(
    tools: Tools, one: Told, parcel: Parcel, delivery: ParcelDelivery, *, moves: bool, follow: tuple[NewWork, ...]
) -> Finished:
    """The outcome of one parcel. `moves`: its fulfillment order may move by it."""
    ref, now = one.ref, tools.clock.utcnow()
    path = _path(ref, parcel, delivery) if moves else ()
    if ref.state is State.DELIVERED and _is_complete(delivery, now):
        return Finished(ref, Done(State.COMPLETED if moves else None), Cause.TIMER, follow=follow)
    after_s = _next_look_s(one, parcel, delivery, tools.settings.tracking.pace, now)
    if after_s is None:
        return Finished(ref, Done(path[-1] if path else None), Cause.COURIER, via=path[:-1], follow=follow)
    return Finished(ref, Later(parcel.stage, after_s=after_s), Cause.COURIER, via=path, follow=follow)


def _is_complete(delivery: ParcelDelivery, now: datetime) -> bool:
    return delivery.delivered_at is not None and is_completed(delivery.delivered_at, now) and not delivery.has_case


def _next_look_s(one: Told, parcel: Parcel, delivery: ParcelDelivery, pace: Pace, now: datetime) -> float | None:
    """Seconds until the next look; None for a parcel that nobody looks at again.

    Of several parcels of an order the one that is signed for last completes it, and the others are looked at no more.
    """
    age_s = (now - one.row.handed_over_at).total_seconds()
    if parcel.delivered_at is None:
        is_over = age_s > pace.give_up_s or parcel.stage is ParcelStage.RETURNED
        return None if is_over else next_look_s(parcel, age_s, pace)
    left_s = ((delivery.delivered_at or parcel.delivered_at) + COMPLETED_AFTER - now).total_seconds()
    if left_s > 0:
        return left_s
    if delivery.delivered_at is None:
        return None
    is_on_its_way = one.ref.state in {State.PACKED, State.IN_TRANSIT}
    return 0.0 if is_on_its_way and not delivery.has_case else pace.slow_s


def _cases(tools: Tools, one: Told, parcel: Parcel, now: datetime) -> list[NewCase]:
    """Cases that the events name, and cases of parcels whose tracking ends without a collection or a delivery."""
    kinds = set(parcel.troubles)
    age = now - one.row.handed_over_at
    is_given_up = age > timedelta(seconds=tools.settings.tracking.pace.give_up_s)
    if is_given_up and parcel.delivered_at is None and parcel.stage is not ParcelStage.RETURNED:
        kinds.add(CaseKind.NOT_COLLECTED if parcel.collected_at is None else CaseKind.NOT_MOVING)
    facts = {"courier": one.row.courier, "waybill": one.row.waybill}
    return [
        NewCase(
            shop=one.row.key.account,
            case_id=case_id_of(kind, one.row.reference),
            kind=kind,
            order_id=one.row.order_id,
            package_id=one.ref.subject_id,
            facts=facts,
        )
        for kind in sorted(kinds)
    ]


def _notices(
    tx: Connection, tools: Tools, told: Sequence[Told], parcels: Mapping[int, Parcel]
) -> dict[int, tuple[NewWork, ...]]:
    """What buyers must hear, by package. A notice that was wanted before is not wanted again, however often it is told.

    That a parcel is out for delivery is no news any more once it was signed for.
    """
    refs = {one.ref.subject_id: one for one in told}
    notices = [
        NewNotice(one.ref.subject_id, event_name(event), channel, at.isoformat())
        for one in told
        for event, at in _news(parcels[one.ref.subject_id])
        for channel, settings in tools.directory.channels.items()
        if event in settings.events
    ]
    work: dict[int, tuple[NewWork, ...]] = {}
    for notice in want_notices(tx, notices):
        one = refs[notice.package_id]
        added = NewWork("notify", notice.id, one.ref.lane, notice.channel, one.row.key.account)
        work[notice.package_id] = (*work.get(notice.package_id, ()), added)
    return work


def _news(parcel: Parcel) -> list[tuple[str, datetime]]:
    if parcel.delivered_at is not None:
        return [(SIGNED, parcel.delivered_at)]
    return [(OUT_FOR_DELIVERY, parcel.out_at)] if parcel.out_at is not None else []
