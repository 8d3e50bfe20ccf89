"""When a courier is asked to intercept a parcel, and what proves how that ends."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.interception import (
    InterceptAct,
    InterceptFacts,
    InterceptPace,
    ParcelWay,
    judge,
    way_of,
)
from domain.stops import InterceptStatus
from domain.tracking import ParcelEvent, ParcelKind

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
PACE = InterceptPace()
FRESH = InterceptFacts(
    status=InterceptStatus.NONE,
    can_ask=True,
    can_ask_result=False,
    repeats=True,
    is_tracked=True,
    has_left=True,
    is_collected=True,
    is_unclear=False,
    asked_at=None,
    since=NOW - timedelta(hours=1),
)
TAKEN = replace(FRESH, status=InterceptStatus.TAKEN, asked_at=NOW - timedelta(hours=1))
A, S = InterceptAct, InterceptStatus


def verdict(facts, **changes):
    return judge(replace(facts, **changes), NOW, PACE)


@pytest.mark.parametrize(
    ("facts", "changes", "act", "why"),
    [
        (FRESH, {}, A.ASK, ""),
        (FRESH, {"is_collected": False}, A.WAIT, "not_collected"),
        (FRESH, {"is_collected": False, "is_tracked": False}, A.ASK, ""),
        (FRESH, {"is_collected": False, "is_tracked": False, "has_left": False}, A.WAIT, "not_collected"),
        (FRESH, {"can_ask": False}, A.FAIL, "cannot_be_asked"),
        (FRESH, {"since": NOW - timedelta(hours=72)}, A.FAIL, "no_result"),
        (FRESH, {"status": S.ASKED, "asked_at": NOW - timedelta(minutes=5)}, A.WAIT, "not_taken"),
        (FRESH, {"status": S.ASKED, "asked_at": NOW - timedelta(minutes=30)}, A.ASK, ""),
        (FRESH, {"status": S.ASKED, "asked_at": NOW, "is_unclear": True}, A.ASK, ""),
        (FRESH, {"status": S.ASKED, "asked_at": NOW, "is_unclear": True, "repeats": False}, A.WAIT, "taken"),
        (FRESH, {"status": S.ASKED, "asked_at": NOW, "is_unclear": True, "can_ask_result": True}, A.ASK_RESULT, ""),
        (TAKEN, {}, A.WAIT, "taken"),
        (TAKEN, {"can_ask_result": True}, A.ASK_RESULT, ""),
        (TAKEN, {"way": ParcelWay(goes_on_at=NOW)}, A.ASK, ""),
        (TAKEN, {"way": ParcelWay(goes_on_at=NOW), "repeats": False}, A.WAIT, "taken"),
        (TAKEN, {"way": ParcelWay(goes_on_at=NOW), "asked_at": NOW - timedelta(minutes=5)}, A.WAIT, "taken"),
        (TAKEN, {"way": ParcelWay(goes_on_at=NOW - timedelta(hours=2))}, A.WAIT, "taken"),
        (TAKEN, {"way": ParcelWay(turned=True)}, A.CONFIRM, "turned_back"),
        (TAKEN, {"way": ParcelWay(delivered=True)}, A.FAIL, "delivered"),
        (TAKEN, {"way": ParcelWay(turned=True, delivered=True)}, A.CONFIRM, "turned_back"),
        (TAKEN, {"way": ParcelWay(turned=True), "since": NOW - timedelta(hours=99)}, A.CONFIRM, "turned_back"),
        (FRESH, {"way": ParcelWay(turned=True), "can_ask": False}, A.CONFIRM, "turned_back"),
    ],
)
def test_what_comes_next(facts, changes, act, why):
    found = verdict(facts, **changes)
    assert (found.act, found.why) == (act, why)


@given(
    st.builds(
        replace,
        st.just(FRESH),
        status=st.sampled_from([S.NONE, S.ASKED, S.TAKEN]),
        can_ask=st.booleans(),
        can_ask_result=st.booleans(),
        repeats=st.booleans(),
        is_tracked=st.booleans(),
        has_left=st.booleans(),
        is_collected=st.booleans(),
        is_unclear=st.booleans(),
        asked_at=st.none() | st.integers(0, 5000).map(lambda ago_s: NOW - timedelta(seconds=ago_s)),
        since=st.integers(0, 100).map(lambda hours: NOW - timedelta(hours=hours)),
    )
)
def test_it_is_never_confirmed_without_proof_and_never_waits_beyond_its_clock(facts):
    found = judge(facts, NOW, PACE)
    assert found.act is not A.CONFIRM
    if found.act is A.WAIT:
        assert 0 < found.after_s <= (facts.ends_at - NOW).total_seconds()
    if found.act is A.ASK and not facts.repeats:
        assert facts.status is not S.TAKEN
        assert not facts.is_unclear


def event(kind, hours):
    return ParcelEvent(f"{kind}", kind, NOW + timedelta(hours=hours))


@pytest.mark.parametrize("kind", [ParcelKind.INTERCEPTED, ParcelKind.RETURNING, ParcelKind.RETURNED])
def test_these_events_say_that_it_comes_back(kind):
    assert way_of([event(ParcelKind.COLLECTED, 0), event(kind, 1)], None).turned


def test_it_goes_on_by_the_last_event_that_says_so():
    kinds = (ParcelKind.OUT_FOR_DELIVERY, ParcelKind.INTERCEPT_FAILED, ParcelKind.AT_HUB)
    way = way_of([event(kind, hour) for hour, kind in enumerate(kinds)], None)
    assert way == ParcelWay(goes_on_at=NOW + timedelta(hours=1))
    assert way_of([], NOW).delivered
