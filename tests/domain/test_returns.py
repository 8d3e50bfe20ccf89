"""What a count of a parcel that came back says of each line."""

from hypothesis import given
from hypothesis import strategies as st

from domain.returns import Back, CountedLine, SentLine, everything, spread

SENT = [SentLine("1", "TEE", 2), SentLine("2", "TEE", 1), SentLine("3", "SOCK", 4)]


def back_of(counted):
    lines, surplus = spread(SENT, counted)
    return {one.line_id: (one.back.sellable, one.back.damaged) for one in lines}, dict(surplus.pieces)


def test_a_count_by_sku_fills_the_lines_in_their_order_and_what_is_missing_is_not_back():
    assert back_of([CountedLine("", "TEE", Back(2, 1)), CountedLine("", "SOCK", Back(3))]) == (
        {"1": (2, 0), "2": (0, 1), "3": (3, 0)},
        {},
    )


def test_a_count_by_line_is_of_that_line_alone():
    assert back_of([CountedLine("2", "TEE", Back(0, 1))])[0] == {"1": (0, 0), "2": (0, 1), "3": (0, 0)}


def test_more_than_was_sent_and_what_never_was_in_it_are_left_over():
    counted = [CountedLine("", "TEE", Back(5)), CountedLine("", "MUG", Back(1)), CountedLine("9", "SOCK", Back(1))]
    assert back_of(counted) == ({"1": (2, 0), "2": (1, 0), "3": (0, 0)}, {"TEE": 2, "MUG": 1, "9": 1})


def test_everything_is_what_was_sent():
    assert back_of(everything(SENT, is_damaged=False))[0] == {"1": (2, 0), "2": (1, 0), "3": (4, 0)}
    assert back_of(everything(SENT, is_damaged=True))[0] == {"1": (0, 2), "2": (0, 1), "3": (0, 4)}


COUNTS = st.lists(
    st.builds(
        CountedLine,
        st.sampled_from(["", "1", "2", "3", "9"]),
        st.sampled_from(["TEE", "SOCK", "MUG"]),
        st.builds(Back, st.integers(0, 6), st.integers(0, 6)),
    ),
    max_size=6,
)


@given(COUNTS)
def test_never_more_comes_back_of_a_line_than_was_sent_and_every_piece_is_counted_once(counted):
    lines, surplus = spread(SENT, counted)
    assert all(one.back.pieces <= one.sent for one in lines)
    told = sum(row.back.pieces for row in counted)
    assert sum(one.back.pieces for one in lines) + sum(surplus.pieces.values()) == told
