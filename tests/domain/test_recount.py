from hypothesis import given
from hypothesis import strategies as st

from domain.recount import PIECES_MAX, LocationFigures, PoolFigures, Recounted, recount

pieces = st.integers(0, 1000)


@st.composite
def figures(draw):
    """A SKU at one location and over all of them, as the constraints allow it."""
    held = LocationFigures(on_hand := draw(pieces), draw(st.integers(0, on_hand)))
    elsewhere = draw(pieces)
    total = on_hand + elsewhere
    return held, PoolFigures(total, draw(st.integers(0, total - held.allocated)))


def test_an_upward_correction_is_taken_over():
    assert recount(LocationFigures(5, 2), PoolFigures(5, 3), 9) == Recounted(9)


def test_pieces_that_left_before_their_scan_was_read_are_no_correction():
    assert recount(LocationFigures(5, 2), PoolFigures(5, 3), 3) == Recounted(5)


def test_what_even_those_cannot_explain_is_a_correction():
    assert recount(LocationFigures(5, 2), PoolFigures(5, 3), 1) == Recounted(3)


def test_a_count_that_would_break_a_promise_is_refused():
    assert recount(LocationFigures(5, 0), PoolFigures(5, 2), 1) == Recounted(5, is_refused=True)


def test_a_count_that_no_column_holds_is_refused():
    assert recount(LocationFigures(5, 0), PoolFigures(PIECES_MAX - 1, 5), 7).is_refused


@given(figures(), pieces)
def test_no_count_breaks_a_promise(figures, counted):
    held, pool = figures
    found = recount(held, pool, counted)
    assert found.on_hand >= held.allocated
    assert pool.free + found.on_hand - held.on_hand >= 0
    if found.is_refused:
        assert found.on_hand == held.on_hand
    else:
        assert counted <= found.on_hand <= counted + held.allocated


@given(figures(), pieces)
def test_counting_the_same_again_changes_nothing(figures, counted):
    held, pool = figures
    once = recount(held, pool, counted)
    change = once.on_hand - held.on_hand
    again = recount(
        LocationFigures(once.on_hand, held.allocated), PoolFigures(pool.on_hand + change, pool.free + change), counted
    )
    assert again == once
