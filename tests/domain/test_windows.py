"""Readings of a shop's changes, in any order of success and failure: the cursor moves, and no time is passed over."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.windows import PART_MIN_S, Marks, begin, longer_s, never_read, note_part, shorter_s, spans

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
LONGEST_S = 86_400.0


def at(seconds):
    return NOON + timedelta(seconds=seconds)


@dataclass
class Reader:
    """A shop that is read as `actors.pull` does, with what was listed of it, and when."""

    overlap_s: float
    first_s: float = 3600.0
    marks: Marks | None = None
    part_s: float = LONGEST_S
    listed: list[tuple[datetime, datetime, datetime]] = field(default_factory=list)

    def begin(self, newest):
        if self.marks is None:
            return never_read(newest, self.overlap_s, self.first_s)
        return begin(self.marks.cursor_at, (self.marks.open_from, self.marks.open_to), newest, self.overlap_s)

    def read(self, newest, parts, *, furthest_s=None):
        """Read so many parts; where the reading is not over by then, the next one breaks off. Where it began."""
        marks = self.begin(newest)
        start, share = marks.start, 1 / (1 + parts)
        for at, last in spans(marks, newest, self.overlap_s, self.part_s if self.part_s < LONGEST_S else None):
            first = at
            while first < last:
                end = min(last, first + timedelta(seconds=self.part_s))
                if not parts:
                    furthest = None if furthest_s is None else first + timedelta(seconds=furthest_s)
                    self.part_s = shorter_s((first, end), furthest)
                    return start
                parts -= 1
                self.listed.append((first, end, newest))
                self.marks = marks = note_part(marks, (first, end), newest, self.overlap_s)
                self.part_s = longer_s(self.part_s, (first, end), share, LONGEST_S)
                first = end
        return start

    def known_to(self, first, *more, age_s):
        """Up to where all was listed without a gap, at a time when it was at least that old; or lies in `more`."""
        spans = [(start, min(end, newest - timedelta(seconds=age_s))) for start, end, newest in self.listed]
        for start, end in sorted([*spans, *more]):
            if start <= first < end:
                first = end
        return first


ROUNDS = st.lists(
    st.tuples(
        st.floats(0.001, 7200.0),
        st.integers(0, 9),
        st.one_of(st.none(), st.floats(-10.0, 1000.0)),
    ),
    min_size=1,
    max_size=30,
)


@given(rounds=ROUNDS, overlap_s=st.sampled_from([0.0, 1.0, 300.0, 100_000.0]))
@example(rounds=[(30.0, 9, None)] * 5, overlap_s=300.0)
@example(rounds=[(30.0, 0, None)] * 20 + [(30.0, 1, None)] * 10, overlap_s=300.0)
def test_whatever_succeeds_or_fails_the_marks_move_and_no_time_is_passed_over(rounds, overlap_s):
    reader, newest, first = Reader(overlap_s), NOON, None
    for passed_s, parts, furthest_s in rounds:
        newest += timedelta(seconds=passed_s)
        before = reader.marks
        start = reader.read(newest, parts, furthest_s=furthest_s)
        after = reader.marks
        if parts == 0:
            assert after == before
            continue
        first = start if first is None else first
        assert after != before
        assert before is None or after.cursor_at >= before.cursor_at
        assert after.cursor_at <= reader.known_to(first, age_s=0.0)
        is_open = (after.open_from, after.open_to)
        assert after.cursor_at <= reader.known_to(first, is_open, age_s=overlap_s), "what may still change is open"


@given(part_s=st.floats(PART_MIN_S, 300.0), overlap_s=st.sampled_from([0.0, 60.0, 300.0, 3600.0]))
def test_one_part_in_each_round_moves_the_cursor_however_short_and_slow(part_s, overlap_s):
    """A round takes longer than what it reads."""
    reader = Reader(overlap_s, marks=Marks(NOON, at(-overlap_s), NOON))
    newest = NOON
    for _ in range(50):
        newest += timedelta(seconds=part_s + overlap_s)
        before, reader.part_s = reader.marks, part_s
        reader.read(newest, 1)
        assert reader.marks.cursor_at - before.cursor_at == timedelta(seconds=part_s)
    assert reader.marks.open_to <= at(0), "what was old when it was read is not open"


@given(part_s=st.floats(PART_MIN_S, 250.0))
def test_a_shop_that_takes_more_than_a_lease_for_its_overlap_comes_to_the_end_of_it(part_s):
    """Twice as much is read as comes: the new, and once more what has become old enough."""
    reader = Reader(300.0, marks=Marks(NOON, at(-300), NOON))
    newest = NOON
    for _ in range(20):
        newest += timedelta(seconds=part_s)
        reader.part_s = part_s
        reader.read(newest, 2)
        assert reader.marks == Marks(newest, newest - timedelta(seconds=300), newest)


def test_control_measured_from_before_the_overlap_a_short_window_never_moves_the_cursor():
    cursor, newest = NOON, NOON
    for _ in range(100):
        newest += timedelta(seconds=120)
        start = cursor - timedelta(seconds=300)
        cursor = max(cursor, min(newest, start + timedelta(seconds=60)))
    assert cursor == NOON


def test_a_shop_that_keeps_up_is_read_again_as_far_as_the_overlap_reaches():
    marks = begin(at(0), (at(-300), at(0)), at(30), 300.0)
    assert spans(marks, at(30), 300.0, None) == spans(marks, at(30), 300.0, 400.0) == ((at(-300), at(30)),)
    assert note_part(marks, (at(-300), at(30)), at(30), 300.0) == Marks(at(30), at(-270), at(30))


def test_what_does_not_fit_into_one_part_is_read_beyond_the_cursor_first():
    marks = begin(at(0), (at(-300), at(0)), at(30), 300.0)
    assert spans(marks, at(30), 300.0, 100.0) == ((at(0), at(30)), (at(-300), at(-270)))
    marks = note_part(marks, (at(0), at(30)), at(30), 300.0)
    assert marks == Marks(at(30), at(-300), at(30)), "the overlap is still to be read again"
    assert note_part(marks, (at(-300), at(-270)), at(30), 300.0) == Marks(at(30), at(-270), at(30))


def test_what_was_old_when_it_was_read_is_not_read_again():
    marks = begin(at(-3600), (at(-3900), at(-3600)), at(0), 300.0)
    marks = note_part(marks, (at(-3600), at(-3100)), at(0), 300.0)
    assert marks == Marks(at(-3100), at(-3900), at(-3600))
    marks = note_part(marks, (at(-3900), at(-3600)), at(0), 300.0)
    assert begin(at(-3100), (marks.open_from, marks.open_to), at(30), 300.0).start == at(-3100)


def test_a_shop_that_was_never_read_begins_so_long_ago():
    marks = never_read(at(0), 300.0, 86_400.0)
    assert spans(marks, at(0), 300.0, None) == ((at(-86_700), at(0)),)
    assert spans(marks, at(0), 300.0, 900.0) == ((at(-86_700), at(0)), (at(-86_700), at(-86_700)))


def test_a_shop_of_which_only_the_cursor_is_known_begins_an_overlap_before_it():
    assert begin(at(-60), None, at(0), 300.0).start == at(-360)


def test_a_cursor_that_a_person_has_set_back_is_where_the_next_reading_begins():
    marks = begin(at(-7200), (at(-300), at(0)), at(0), 300.0)
    assert marks.start == at(-7200)
    assert spans(marks, at(0), 300.0, 60.0)[0] == (at(-7200), at(0))


def test_a_longer_overlap_holds_at_once():
    assert begin(at(-30), (at(-330), at(-30)), at(0), 3600.0).start == at(-3600)


@pytest.mark.parametrize(
    ("furthest_s", "part_s"),
    [(None, 300.0), (120.0, 60.0), (600.0, 300.0), (0.0, PART_MIN_S), (-5.0, PART_MIN_S), (9_999.0, 300.0)],
)
def test_a_part_that_broke_off_is_followed_by_one_that_would_have_fitted(furthest_s, part_s):
    furthest = None if furthest_s is None else at(furthest_s)
    assert shorter_s((at(0), at(600)), furthest) == part_s


@pytest.mark.parametrize(
    ("length_s", "share", "longest_s", "part_s"),
    [
        (100, 0.0, 1000.0, 200.0),
        (100, 0.0, 150.0, 150.0),
        (100, 1 / 8, 1000.0, 200.0),
        (100, 1 / 6, 1000.0, 150.0),
        (100, 1 / 2, 1000.0, 100.0),
        (2, 1 / 30, 1000.0, 100.0),
        (60, 1 / 30, 1000.0, 200.0),
    ],
)
def test_parts_become_longer_while_they_take_little_of_a_lease(length_s, share, longest_s, part_s):
    assert longer_s(100.0, (at(0), at(length_s)), share, longest_s) == pytest.approx(part_s)
