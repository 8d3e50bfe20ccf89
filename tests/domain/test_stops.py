import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.dispatch import PlacementStatus
from domain.states import RANK, State
from domain.stops import (
    InterceptStatus,
    ParcelFacts,
    RecallStatus,
    Rung,
    RungKind,
    StopFacts,
    StopStatus,
    VoidStatus,
    next_rung,
)

PLACED, ALLOCATED = PlacementStatus.PLACED, State.ALLOCATED
OVER = [RecallStatus.REFUSED, RecallStatus.TOO_LATE]
STOPPED, TOO_LATE, COMING_BACK = (
    Rung(RungKind.END, end=status) for status in (StopStatus.STOPPED, StopStatus.TOO_LATE, StopStatus.COMING_BACK)
)


def parcel(id_=1, **facts):
    return ParcelFacts(package_id=id_, **{"lives": True, **facts})


parcels = st.builds(
    ParcelFacts,
    package_id=st.integers(1, 9),
    lives=st.booleans(),
    is_unclear=st.booleans(),
    is_ours=st.booleans(),
    has_left=st.booleans(),
    has_others=st.booleans(),
    void=st.sampled_from(VoidStatus),
    intercept=st.sampled_from(InterceptStatus),
)
facts = st.builds(
    StopFacts,
    at=st.sampled_from([state for state in State if state not in {State.ON_HOLD, State.CLOSED}]),
    parcels=st.lists(parcels, max_size=3).map(tuple),
    document=st.sampled_from([None, PLACED, PlacementStatus.FINAL, PlacementStatus.STOPPED]),
    is_unclear=st.booleans(),
    can_ask=st.booleans(),
    recall=st.sampled_from(RecallStatus),
    is_confirmed=st.booleans(),
)


@pytest.mark.parametrize("at", [State.PENDING_PAYMENT, State.PAID, State.APPROVED, ALLOCATED])
def test_what_nobody_has_is_stopped_at_once(at):
    assert next_rung(StopFacts(at=at)) == STOPPED


def test_unknown_calls_are_settled_first_at_the_warehouse_then_at_the_courier():
    unclear = parcel(lives=False, is_unclear=True)
    assert next_rung(StopFacts(at=ALLOCATED, is_unclear=True, parcels=(unclear,))) == Rung(RungKind.ASK_WAREHOUSE)
    assert next_rung(StopFacts(at=ALLOCATED, parcels=(unclear,))) == Rung(RungKind.ASK_COURIER, (1,))


def test_a_warehouse_that_has_it_confirms_before_anything_is_voided():
    placed = StopFacts(at=ALLOCATED, document=PLACED, can_ask=True, parcels=(parcel(),))
    assert next_rung(placed) == Rung(RungKind.RECALL)
    stopped = StopFacts(at=ALLOCATED, document=PlacementStatus.STOPPED, can_ask=True, parcels=(parcel(),))
    assert next_rung(stopped) == Rung(RungKind.VOID, (1,))


@pytest.mark.parametrize("at", [State.IN_WAREHOUSE, State.PACKED])
def test_a_warehouse_that_works_on_it_and_cannot_be_asked_needs_a_person(at):
    assert next_rung(StopFacts(at=at, parcels=(parcel(),))) == Rung(RungKind.CONFIRM)
    assert next_rung(StopFacts(at=at, parcels=(parcel(),), is_confirmed=True)) == Rung(RungKind.VOID, (1,))


@pytest.mark.parametrize(("can_ask", "rung"), [(True, RungKind.RECALL), (False, RungKind.CONFIRM)])
def test_a_document_that_came_to_be_known_after_a_persons_word_is_stopped_too(can_ask, rung):
    found = StopFacts(at=ALLOCATED, document=PLACED, can_ask=can_ask, is_confirmed=True, parcels=(parcel(),))
    assert next_rung(found) == Rung(rung)


@pytest.mark.parametrize("recall", OVER)
def test_a_warehouse_that_says_no_leaves_the_courier(recall):
    refused = {"at": State.PACKED, "document": PLACED, "can_ask": True, "recall": recall}
    assert next_rung(StopFacts(**refused, parcels=(parcel(),))) == Rung(RungKind.INTERCEPT, (1,))
    ended = {InterceptStatus.CONFIRMED: COMING_BACK, InterceptStatus.FAILED: TOO_LATE}
    for intercept, end in ended.items():
        assert next_rung(StopFacts(**refused, parcels=(parcel(intercept=intercept),))) == end


@pytest.mark.parametrize(
    ("void", "rung"),
    [
        (VoidStatus.NONE, Rung(RungKind.VOID, (1,))),
        (VoidStatus.ASKED, Rung(RungKind.VOID, (1,))),
        (VoidStatus.UNKNOWN, Rung(RungKind.VOID, (1,))),
        (VoidStatus.REFUSED, Rung(RungKind.VOID_BY_HAND, (1,))),
        (VoidStatus.COLLECTED, Rung(RungKind.INTERCEPT, (1,))),
    ],
)
def test_each_answer_of_a_void_leads_on(void, rung):
    assert next_rung(StopFacts(at=ALLOCATED, parcels=(parcel(void=void),))) == rung


def test_what_a_warehouse_has_booked_is_not_ours_to_void():
    theirs = StopFacts(at=ALLOCATED, document=PlacementStatus.STOPPED, parcels=(parcel(is_ours=False),))
    assert next_rung(theirs) == STOPPED


def test_a_parcel_with_pieces_that_are_to_arrive_is_not_intercepted():
    assert next_rung(StopFacts(at=State.IN_TRANSIT, parcels=(parcel(has_left=True, has_others=True),))) == TOO_LATE


@pytest.mark.parametrize(
    ("one", "other"), list(itertools.product([InterceptStatus.CONFIRMED, InterceptStatus.FAILED], repeat=2))
)
def test_an_order_comes_back_only_with_all_its_parcels(one, other):
    gone = tuple(parcel(id_, has_left=True, intercept=status) for id_, status in enumerate((one, other)))
    both = one is other is InterceptStatus.CONFIRMED
    assert next_rung(StopFacts(at=State.IN_TRANSIT, parcels=gone)) == (COMING_BACK if both else TOO_LATE)


def is_found(now):
    """Whether a person's word says all: no document has come to be known since."""
    return now.is_confirmed and now.document not in {PLACED, PlacementStatus.FINAL}


@given(facts)
def test_it_is_never_stopped_while_anything_may_leave(now):
    rung = next_rung(now)
    if rung == STOPPED:
        assert RANK[now.at] < RANK[State.IN_TRANSIT]
        assert not any(one.is_gone or one.is_unclear for one in now.parcels)
        assert not any(one.lives and one.is_ours for one in now.parcels)
        assert not now.is_unclear
        assert not now.is_placed or is_found(now)


@given(facts)
def test_nothing_is_voided_that_has_left_or_that_a_warehouse_may_still_ship(now):
    rung = next_rung(now)
    if rung.kind is RungKind.VOID:
        assert not now.is_placed or is_found(now)
        assert not any(one.is_gone for one in now.parcels if one.package_id in rung.packages and one.has_left)


@given(facts)
def test_only_an_end_ends_it(now):
    rung = next_rung(now)
    assert (rung.end is not None) == (rung.kind is RungKind.END)
