import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.reconcile import Comparison, CourierShipment, Difference, compare

ALIVE, SECOND = CourierShipment(1, "A", alive=True), CourierShipment(2, "B", alive=True)
DEAD = CourierShipment(1, "A", alive=False)


@pytest.mark.parametrize(
    ("ours", "found", "expected"),
    [
        ((None, None), [], Comparison(Difference.NOTHING_THERE)),
        ((1, None), [], Comparison(Difference.NOTHING_THERE)),
        ((1, None), [DEAD], Comparison(Difference.NOTHING_THERE)),
        ((1, None), [ALIVE], Comparison(Difference.ADOPT, ALIVE)),
        ((None, None), [ALIVE], Comparison(Difference.ADOPT, ALIVE)),
        ((1, "A"), [ALIVE], Comparison(Difference.AGREES, ALIVE)),
        ((1, "A"), [DEAD], Comparison(Difference.GONE)),
        ((1, "A"), [], Comparison(Difference.GONE)),
        ((1, "A"), [DEAD, SECOND], Comparison(Difference.ADOPT, SECOND)),
        ((1, "A"), [ALIVE, SECOND], Comparison(Difference.AGREES, ALIVE, (SECOND,))),
        ((None, None), [ALIVE, SECOND], Comparison(Difference.ADOPT, SECOND, (ALIVE,))),
        ((1, "X"), [ALIVE], Comparison(Difference.CONTRADICTS)),
        ((1, "X"), [ALIVE, SECOND], Comparison(Difference.CONTRADICTS)),
    ],
)
def test_what_the_courier_has_against_what_we_know(ours, found, expected):
    assert compare(*ours, found) == expected


shipments = st.lists(
    st.builds(CourierShipment, st.integers(1, 6), st.sampled_from("ABCDEF"), st.booleans()),
    unique_by=lambda one: one.generation,
)


@given(st.none() | st.integers(1, 6), st.none() | st.sampled_from("ABCDEF"), shipments)
def test_one_living_waybill_is_left_and_nothing_dead_is_kept(generation, waybill, found):
    result = compare(generation, waybill, found)
    assert all(one.alive for one in result.void)
    if result.finding in {Difference.AGREES, Difference.ADOPT}:
        assert result.keep.alive
        assert {result.keep, *result.void} == {one for one in found if one.alive}
        assert result.keep not in result.void
    else:
        assert (result.keep, result.void) == (None, ())
