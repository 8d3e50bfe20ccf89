import random
from collections import Counter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.amounts import amounts_of, spread
from sandbox.model import Expected, demand
from sandbox.people import masked, person_of
from sandbox.spec import Arrival, Dirt, Secrets, Spec, Surge
from sandbox.stream import arrivals, plan

NAMES = Secrets.__struct_fields__
SECRETS = Secrets(**dict.fromkeys(NAMES, "x"))


@pytest.fixture
def rng():
    return random.Random(5)  # noqa: S311 - a seed, not a secret


def spec_of(seed: int, orders: int, **changes) -> Spec:
    return Spec(seed=seed, orders=orders, secrets=SECRETS, **changes)


def is_p0(plan_, order) -> bool:
    cities = {location.city for location in plan_.locations}
    return order.is_live and order.member == "plus" and order.place.city in cities


def test_the_same_seed_gives_the_same_stream():
    assert plan(spec_of(3, 200)) == plan(spec_of(3, 200))


def test_another_seed_gives_another_stream():
    assert plan(spec_of(3, 200)).orders != plan(spec_of(4, 200)).orders


@given(seed=st.integers(0, 2**32), orders=st.integers(0, 60))
@settings(max_examples=40, deadline=None)
def test_every_order_adds_up_to_the_fen(seed, orders):
    for order in plan(spec_of(seed, orders)).orders:
        sums = amounts_of(order)
        assert sum(line.divided for line in sums.lines) + sums.freight == sums.payment
        assert sums.goods - sum(line.discount for line in sums.lines) - sums.promotion + sums.freight == sums.payment
        assert sum(line.share for line in sums.lines) == sums.promotion
        assert all(line.divided > 0 for line in sums.lines)


@given(total=st.integers(0, 10**9), weights=st.lists(st.integers(0, 10**9), min_size=1, max_size=9))
def test_spreading_loses_nothing(total, weights):
    assert sum(spread(total, weights)) == total


def test_shares_of_a_usual_stream():
    stream = plan(spec_of(11, 4000))
    fates = Counter(order.expected for order in stream.orders)
    assert fates == {
        Expected.SHIP: 3820,
        Expected.PRESALE_OPEN: 80,
        Expected.REFUND: 40,
        Expected.VAGUE_ADDRESS: 60,
        Expected.UNPAID: 40,
        Expected.CLOSED: 40,
    }
    p0 = sum(is_p0(stream, order) for order in stream.orders)
    assert 0.04 < p0 / 4000 < 0.06
    assert len({order.tid for order in stream.orders}) == len(stream.orders)
    assert {len(str(order.tid)) for order in stream.orders} <= {18, 19}
    sold = demand(stream.orders).most_common()
    assert sold[0][1] > 20 * sold[len(sold) // 2][1]


def test_stock_lacks_what_the_spec_says_and_no_more():
    stream = plan(spec_of(11, 2000))
    wanted = demand(stream.orders)
    short = {entry.sku.code: wanted[entry.sku.code] - entry.pieces for entry in stream.catalogue}
    assert sum(pieces for pieces in short.values() if pieces > 0) == round(2020 * 0.02)


def test_without_a_shortage_every_location_could_fill_every_order():
    stream = plan(spec_of(11, 500, dirt=Dirt(short_stock=0)))
    wanted = demand(stream.orders)
    assert all(pieces >= wanted[entry.sku.code] for entry in stream.catalogue for pieces in entry.levels.values())


def test_no_order_is_p0_when_none_is_asked_for():
    stream = plan(spec_of(11, 2000, p0_share=0))
    assert not any(is_p0(stream, order) for order in stream.orders)


def test_a_vague_address_says_so_even_when_masked():
    vague = [order for order in plan(spec_of(5, 400)).orders if order.expected is Expected.VAGUE_ADDRESS]
    assert vague
    assert all("待定" in masked(person_of(order)).detail for order in vague)


def test_masking_hides_number_name_and_house():
    order = plan(spec_of(5, 1)).orders[0]
    person, shown = person_of(order), masked(person_of(order))
    assert shown.name[0] == person.name[0]
    assert set(shown.name[1:]) == {"*"}
    assert shown.mobile == f"{person.mobile[:3]}****{person.mobile[-4:]}"
    assert not any(letter.isdigit() for letter in shown.detail)


@pytest.mark.parametrize("count", [0, 1, 500])
def test_everything_lies_in_the_past_without_a_pace(count, rng):
    offsets = arrivals(rng, count, 0.0)
    assert len(offsets) == count
    assert offsets == sorted(offsets)
    assert all(offset < 0 for offset in offsets)


def test_a_pace_is_kept_on_average_and_comes_in_bursts(rng):
    offsets = arrivals(rng, 5000, 50.0)
    assert offsets == sorted(offsets)
    assert 80 < offsets[-1] < 120
    assert max(Counter(offsets).values()) > 5


def test_an_empty_stream_is_a_plan_too():
    assert plan(spec_of(1, 0)).orders == ()


def test_paced_orders_come_after_the_opening():
    paced = plan(msgspec.structs.replace(spec_of(1, 50), arrival=Arrival(per_second=10)))
    assert paced.orders[0].offset_s >= 0


def test_in_a_surge_orders_come_faster_and_before_and_after_it_as_ever(rng):
    offsets = arrivals(rng, 4000, 10.0, Surge(from_s=60, for_s=20, times=15))
    before = sum(offset < 60 for offset in offsets)
    during = sum(60 <= offset < 80 for offset in offsets)
    assert before == pytest.approx(600, rel=0.3)
    assert during == pytest.approx(3000, rel=0.3)
    assert offsets == sorted(offsets)
