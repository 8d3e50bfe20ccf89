import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.reconcile import (
    ComparedDocuments,
    Comparison,
    CourierShipment,
    Difference,
    WarehouseDocument,
    compare,
    compare_documents,
)

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


EAST, WEST = WarehouseDocument("east", 1, is_alive=True), WarehouseDocument("west", 2, is_alive=True)
REFUSED = WarehouseDocument("east", 1, is_alive=False)


@pytest.mark.parametrize(
    ("ours", "is_placed", "found", "expected"),
    [
        ((None, ""), False, [], ComparedDocuments(Difference.NOTHING_THERE)),
        ((None, ""), False, [REFUSED], ComparedDocuments(Difference.NOTHING_THERE)),
        ((None, ""), False, [EAST], ComparedDocuments(Difference.ADOPT, EAST)),
        ((None, ""), False, [REFUSED, WEST], ComparedDocuments(Difference.ADOPT, WEST)),
        ((1, "east"), False, [EAST], ComparedDocuments(Difference.AGREES, EAST)),
        ((1, "east"), True, [EAST], ComparedDocuments(Difference.AGREES, EAST)),
        ((1, "west"), False, [EAST], ComparedDocuments(Difference.ADOPT, EAST)),
        ((1, "east"), True, [], ComparedDocuments(Difference.GONE)),
        ((1, "east"), True, [REFUSED], ComparedDocuments(Difference.GONE)),
        ((1, "east"), True, [REFUSED, WEST], ComparedDocuments(Difference.CONTRADICTS, further=(WEST,))),
        ((1, "east"), True, [EAST, WEST], ComparedDocuments(Difference.AGREES, EAST, (WEST,))),
        ((None, ""), False, [EAST, WEST], ComparedDocuments(Difference.ADOPT, WEST, (EAST,))),
    ],
)
def test_what_the_warehouses_have_against_what_we_know(ours, is_placed, found, expected):
    assert compare_documents(*ours, found, is_placed=is_placed) == expected
