"""What a set of events amounts to: neither the order in which they come nor repeats make a difference."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.cases import CaseKind
from domain.states import State
from domain.tracking import (
    Pace,
    Parcel,
    ParcelEvent,
    ParcelKind,
    ParcelStage,
    fold,
    is_completed,
    next_look_s,
    way_on,
)

START = datetime(2026, 12, 1, 9, tzinfo=UTC)
K = ParcelKind


def way(*kinds):
    return [ParcelEvent(f"{kind}-{hour}", kind, START + timedelta(hours=hour)) for hour, kind in enumerate(kinds)]


def at(hour):
    return START + timedelta(hours=hour)


def test_a_parcel_without_events_waits():
    assert fold([]) == Parcel()


def test_the_usual_way():
    events = way(K.COLLECTED, K.DEPARTED, K.AT_HUB, K.OUT_FOR_DELIVERY, K.DELIVERED)
    stages = [fold(events[:count]).stage for count in range(1, 6)]
    assert stages == [
        ParcelStage.MOVING,
        ParcelStage.MOVING,
        ParcelStage.MOVING,
        ParcelStage.OUT_FOR_DELIVERY,
        ParcelStage.DELIVERED,
    ]
    whole = fold(events)
    assert (whole.collected_at, whole.out_at, whole.delivered_at, whole.last_at) == (at(0), at(3), at(4), at(4))
    assert whole.troubles == frozenset()


@given(
    st.lists(
        st.builds(
            ParcelEvent,
            code=st.sampled_from(["50", "80", "8000", "99", "?"]),
            kind=st.sampled_from(list(ParcelKind)),
            at=st.integers(0, 5).map(at),
        ),
        min_size=1,
        max_size=6,
    ),
    st.data(),
)
def test_all_orders_of_six_events_with_repeats_amount_to_the_same(events, data):
    expected = fold(events)
    repeated = [*events, *data.draw(st.lists(st.sampled_from(events), max_size=6))]
    assert all(fold(mixed) == expected for mixed in permutations(events))
    assert fold(data.draw(st.permutations(repeated))) == expected


def test_a_parcel_never_goes_back_a_stage():
    assert fold(way(K.OUT_FOR_DELIVERY, K.ATTEMPT_FAILED, K.AT_HUB)).stage is ParcelStage.OUT_FOR_DELIVERY
    assert (
        fold(way(K.COLLECTED, K.DELIVERED, K.OUT_FOR_DELIVERY, K.ATTEMPT_FAILED, K.LOST)).stage is ParcelStage.DELIVERED
    )


def test_delivered_is_final_except_for_a_return():
    signed = way(K.COLLECTED, K.DELIVERED)
    turned = fold([*signed, ParcelEvent("99", K.RETURNING, at(5))])
    assert (turned.stage, turned.delivered_at) == (ParcelStage.RETURNING, at(1))
    assert turned.troubles == {CaseKind.RETURNED_TO_SENDER}


def test_a_signing_on_the_way_back_is_the_senders():
    back = fold(way(K.COLLECTED, K.REFUSED, K.RETURNING, K.AT_HUB, K.DELIVERED))
    assert (back.stage, back.delivered_at) == (ParcelStage.RETURNED, None)
    assert back.troubles == {CaseKind.REFUSED_BY_BUYER, CaseKind.RETURNED_TO_SENDER}


def test_what_nobody_knows_changes_nothing():
    known = way(K.COLLECTED, K.DEPARTED)
    odd = ParcelEvent("999", K.OTHER, at(9))
    with_odd, without = fold([*known, odd]), fold(known)
    assert (with_odd.stage, with_odd.collected_at, with_odd.troubles) == (
        without.stage,
        without.collected_at,
        without.troubles,
    )
    assert fold([odd]).collected_at is None


def test_a_lost_parcel_that_is_scanned_again_is_found():
    assert fold(way(K.COLLECTED, K.LOST)).stage is ParcelStage.LOST
    assert fold(way(K.COLLECTED, K.LOST, K.AT_HUB)).stage is ParcelStage.MOVING
    assert fold(way(K.LOST)).collected_at is None


@pytest.mark.parametrize(
    ("now", "collected", "delivered", "path"),
    [
        (State.PACKED, False, False, ()),
        (State.PACKED, True, False, (State.IN_TRANSIT,)),
        (State.PACKED, True, True, (State.IN_TRANSIT, State.DELIVERED)),
        (State.IN_TRANSIT, True, False, ()),
        (State.IN_TRANSIT, True, True, (State.DELIVERED,)),
        (State.DELIVERED, True, False, ()),
        (State.ON_HOLD, True, True, ()),
        (State.AFTER_SALE, True, True, ()),
        (State.CLOSED, True, True, ()),
    ],
)
def test_orders_go_forward_only(now, collected, delivered, path):
    assert way_on(now, is_collected=collected, is_delivered=delivered) == path


def test_an_order_is_completed_24_hours_after_its_signing_and_not_a_second_before():
    assert not is_completed(START, START + timedelta(hours=23, minutes=59, seconds=59))
    assert is_completed(START, START + timedelta(hours=24))


def test_the_pace_follows_the_parcel():
    pace = Pace(moving_s=60, near_s=30, slow_s=300, slow_after_s=1000)
    assert next_look_s(Parcel(), 0, pace) == 60
    assert next_look_s(fold(way(K.OUT_FOR_DELIVERY)), 0, pace) == 30
    assert next_look_s(fold(way(K.AT_LOCKER)), 0, pace) == 300
    assert next_look_s(fold(way(K.OUT_FOR_DELIVERY)), 1001, pace) == 300
