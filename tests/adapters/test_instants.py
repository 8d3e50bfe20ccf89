import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.instants import EARLIEST, LATEST, NoInstantError, instant, read_epoch_s, read_iso

CST = timezone(timedelta(hours=8))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22T10:00:00+08:00", datetime(2026, 11, 22, 2, tzinfo=UTC)),
        ("2026-11-22T24:00:00+08:00", datetime(2026, 11, 22, 16, tzinfo=UTC)),
        ("2026-11-22 24:00Z", datetime(2026, 11, 23, tzinfo=UTC)),
        ("2026-12-31T24:00:00.000Z", datetime(2027, 1, 1, tzinfo=UTC)),
        ("20261122T240000+0800", datetime(2026, 11, 22, 16, tzinfo=UTC)),
        ("2000-01-01T08:00:00+08:00", EARLIEST),
        ("2100-01-01T08:00:00+08:00", LATEST),
    ],
)
def test_an_instant_is_read_in_utc(text, expected):
    assert read_iso(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("0001-01-01T00:00:00+08:00", "0001-01-01T00:00:00Z", "1999-12-31T23:59:59Z", "1970-01-01T00:00:00Z"),
        *("2100-01-01T00:00:01Z", "9999-12-31T23:59:59-23:59", "9999-12-31T24:00:00Z", "9999-12-31T23:59:59+08:00"),
    ],
)
def test_outside_2000_to_2100_is_no_instant(text):
    with pytest.raises(NoInstantError):
        read_iso(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "2026-11-22T10:00:00", "2026-11-22T24:00:01Z", "2026-11-22T25:00:00Z", "2026-11-22T24:01:00Z"),
        *("+08:00", "2026-11-22T10:00:00+99:00", "x" * 10_000, "\x00", "\ud800", "2026-11-22T10:00:00Z" + "0" * 30),
    ],
)
def test_other_texts_are_refused(text):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - its kind is looked at below
        read_iso(text)
    assert type(caught.value) is not NoInstantError


@given(st.text(max_size=50))
def test_any_text_ends_in_an_instant_or_a_value_error(text):
    with contextlib.suppress(ValueError):
        assert EARLIEST <= read_iso(text) <= LATEST


@given(
    st.tuples(st.integers(-1, 10_000), st.integers(-1, 14), st.integers(-1, 33)),
    st.tuples(st.integers(-1, 26), st.integers(-1, 61), st.integers(-1, 61)),
)
def test_any_numbers_end_in_an_instant_or_a_value_error(day, clock):
    with contextlib.suppress(ValueError):
        assert EARLIEST <= instant(day, clock, CST) <= LATEST


def test_a_plain_conversion_raises_what_nobody_expects():
    """The control: what became of a scan in the year 1."""
    with pytest.raises(OverflowError):
        datetime.fromisoformat("0001-01-01T00:00:00+08:00").astimezone(UTC)


def test_whole_seconds_are_read_in_utc():
    assert read_epoch_s("1795312800") == datetime(2026, 11, 22, 2, tzinfo=UTC)
    assert read_epoch_s(str(int(EARLIEST.timestamp()))) == EARLIEST
    assert read_epoch_s(str(int(LATEST.timestamp()))) == LATEST


@pytest.mark.parametrize("text", ["0", "-1", "-62135596800", "946684799"])
def test_seconds_before_2000_are_no_instant(text):
    with pytest.raises(NoInstantError):
        read_epoch_s(text)


@pytest.mark.parametrize("text", ["", "1795312800000", "4102444801", "1.7e9", "1795312800.0", " 1", "٣", "1" * 400])
def test_what_is_no_count_of_seconds_is_never_taken_for_no_date(text):
    with pytest.raises(ValueError, match=r"seconds") as caught:
        read_epoch_s(text)
    assert not isinstance(caught.value, NoInstantError)
