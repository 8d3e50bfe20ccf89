from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.order import Lane
from domain.stock import Demand, Reservation, StockGrant, available, covers, fill, grant_stock, pieces_of

START = datetime(2026, 6, 18, tzinfo=UTC)
SKUS = ("A", "B", "C")

levels = st.dictionaries(st.sampled_from(SKUS), st.integers(0, 8))
wanted = st.dictionaries(st.sampled_from(SKUS), st.integers(1, 4), max_size=3)
times = st.none() | st.integers(0, 3).map(lambda hours: START + timedelta(hours=hours))


@st.composite
def batches(draw):
    rows = draw(st.lists(st.tuples(st.sampled_from(Lane), times, wanted), max_size=8))
    return [Demand(number, *row) for number, row in enumerate(rows)]


def by_id(granted):
    return {grant.demand_id: grant for grant in granted.grants}


def grants_of(granted, reservation):
    return {grant.demand_id for grant in granted.grants if grant.reservation is reservation}


@given(batches(), levels)
def test_nothing_is_oversold(demands, pool):
    taken = grant_stock(demands, pool).taken
    assert all(count <= pool[sku] for sku, count in taken.items())


@given(batches(), levels)
def test_taken_is_exactly_what_the_reserved_demands_want(demands, pool):
    granted = grant_stock(demands, pool)
    reserved = grants_of(granted, Reservation.RESERVED)
    sums = dict.fromkeys(SKUS, 0)
    for demand in demands:
        if demand.id in reserved:
            for sku, count in demand.pieces.items():
                sums[sku] += count
    assert {sku: count for sku, count in sums.items() if count} == granted.taken


@given(batches(), levels)
def test_each_demand_is_judged_by_what_those_before_it_left(demands, pool):
    granted = grant_stock(demands, pool)
    wants = {demand.id: demand.pieces for demand in demands}
    left = dict(pool)
    for grant in granted.grants:
        pieces = wants[grant.demand_id]
        if any(sku not in pool for sku in pieces):
            assert grant.reservation is Reservation.UNMAPPED
        elif fill(pieces, left):
            assert grant.reservation is Reservation.RESERVED
            left = {sku: count - pieces.get(sku, 0) for sku, count in left.items()}
        else:
            assert grant.reservation is Reservation.SHORT


@given(batches())
def test_demands_are_answered_by_lane_then_payment_then_id(demands):
    answered = [grant.demand_id for grant in grant_stock(demands, {}).grants]
    lanes = [Lane.P0, Lane.P1, Lane.BULK]
    expected = sorted(
        demands,
        key=lambda demand: (lanes.index(demand.lane), demand.paid_at is None, demand.paid_at or START, demand.id),
    )
    assert answered == [demand.id for demand in expected]


@given(batches(), levels, st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(demands, pool, random):
    shuffled = demands[:]
    random.shuffle(shuffled)
    assert grant_stock(shuffled, pool) == grant_stock(demands, pool)


def test_a_failing_order_takes_nothing_and_lets_a_smaller_one_pass():
    big = Demand(1, Lane.P0, START, {"A": 1, "B": 3})
    small = Demand(2, Lane.BULK, START, {"A": 1, "B": 2})
    granted = grant_stock([big, small], {"A": 1, "B": 2})
    assert by_id(granted)[1] == StockGrant(1, Reservation.SHORT, ("B",))
    assert by_id(granted)[2] == StockGrant(2, Reservation.RESERVED)


def test_the_last_piece_goes_to_the_higher_lane_then_to_the_earlier_payment():
    late = START + timedelta(seconds=1)
    demands = [
        Demand(1, Lane.BULK, START, {"A": 1}),
        Demand(2, Lane.P0, late, {"A": 1}),
        Demand(3, Lane.P0, START, {"A": 1}),
        Demand(4, Lane.P0, None, {"A": 1}),
    ]
    assert grants_of(grant_stock(demands, {"A": 1}), Reservation.RESERVED) == {3}


def test_an_unknown_sku_is_unmapped_even_beside_a_short_one():
    granted = grant_stock([Demand(1, Lane.P1, START, {"A": 9, "X": 1, "": 1})], {"A": 1})
    assert by_id(granted)[1] == StockGrant(1, Reservation.UNMAPPED, ("", "X"))


@pytest.mark.parametrize("count", [0, -1])
def test_a_demand_for_less_than_one_piece_is_refused(count):
    with pytest.raises(ValueError, match="at least one piece"):
        Demand(1, Lane.P1, START, {"A": count})


def test_a_negative_demand_would_oversell():
    # The guard off: what it takes back, the next demand would be sold.
    harmful = Demand(1, Lane.P0, START, {"A": 1})
    object.__setattr__(harmful, "pieces", {"A": -5})
    granted = grant_stock([harmful, Demand(2, Lane.P0, START, {"A": 6})], {"A": 1})
    assert grants_of(granted, Reservation.RESERVED) == {1, 2}


@given(*[st.integers(0, 50)] * 4)
def test_available_is_what_no_promise_covers(on_hand, reserved, frozen, allocated):
    free = available(on_hand=on_hand, reserved=reserved, frozen=frozen, allocated=allocated)
    assert free >= 0
    if free:
        assert reserved + frozen + allocated + free == on_hand


def test_lines_become_pieces(line):
    lines = [
        line(quantity=2),
        line(quantity=1, is_gift=True),
        line(sku="SKU-2", quantity=3),
        line(sku="SKU-2", quantity=4, refunded=True),
        line(sku="SKU-3", quantity=0),
        line(sku="", quantity=1),
    ]
    assert pieces_of(lines) == {"SKU-1": 3, "SKU-2": 3, "": 1}


def test_a_location_fills_all_or_nothing():
    assert fill({"A": 2, "B": 1}, {"A": 2, "B": 1})
    assert not fill({"A": 2, "B": 1}, {"A": 9})
    assert fill({}, {})


@given(
    st.dictionaries(st.sampled_from(["east", "west"]), levels),
    st.lists(st.tuples(st.sampled_from(["east", "west"]), wanted), max_size=6),
)
def test_levels_cover_what_can_be_taken_from_them_one_after_the_other(by_location, placed):
    left = {location: dict(pool) for location, pool in by_location.items()}
    for location, pieces in placed:
        for sku, count in pieces.items():
            left.setdefault(location, {})[sku] = left.get(location, {}).get(sku, 0) - count
    taken = {(location, sku) for location, pieces in placed for sku in pieces}
    assert covers(by_location, placed) == all(left[location][sku] >= 0 for location, sku in taken)
