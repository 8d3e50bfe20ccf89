"""No order is missed while others move; a control shows that reading forwards misses some."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from adapters.platforms.pinduoduo import describe
from adapters.platforms.pinduoduo.paging import PddListing, PddPage
from adapters.ports import Window
from domain.errors import Malformed

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
WINDOW = Window(NOW - timedelta(minutes=20), NOW - timedelta(minutes=5))


class Clock:
    def __init__(self, at=NOW) -> None:
        self.at = at

    def utcnow(self):
        return self.at

    def monotonic(self):
        return 0.0


class Moving:
    """A listing, the newest row first. Before each page but the first a row changes, and leaves the window."""

    def __init__(self, rows: int, leaving=lambda rows: rows[0]) -> None:
        self.rows = list(range(rows))
        self.left: set[int] = set()
        self.asked: list[tuple[Window, int, bool]] = []
        self._leaving = leaving

    async def ask(self, window, number, use_has_next):
        if self.asked and self.rows:
            gone = self._leaving(self.rows)
            self.rows.remove(gone)
            self.left.add(gone)
        self.asked.append((window, number, use_has_next))
        size = describe.PAGE_SIZE
        rows = tuple(self.rows[(number - 1) * size : number * size])
        return PddPage(rows, 0 if use_has_next else len(self.rows), use_has_next and number * size < len(self.rows))


async def read(listing, window=WINDOW):
    return [row async for page in listing.read(window) for row in page]


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    monkeypatch.setattr(describe, "PAGE_SIZE", 10)


@pytest.mark.parametrize("leaving", [lambda rows: rows[0], lambda rows: rows[-1], lambda rows: rows[len(rows) // 2]])
@pytest.mark.parametrize("rows", [0, 1, 9, 10, 11, 20, 21, 95])
async def test_no_row_is_missed_while_others_leave(rows, leaving):
    moving = Moving(rows, leaving)
    seen = await read(PddListing(moving.ask, Clock(), 200.0))
    assert set(range(rows)) - moving.left <= set(seen)


async def test_the_control_reading_forwards_misses_rows_that_are_pulled_forward():
    moving, number, seen = Moving(95), 1, set()
    while rows := (await moving.ask(WINDOW, number, True)).rows:
        seen |= set(rows)
        number += 1
    assert set(range(95)) - moving.left - seen


async def test_a_count_is_asked_for_once_and_pages_from_the_last_to_the_first():
    moving = Moving(25, lambda rows: rows[-1])
    await read(PddListing(moving.ask, Clock(), 200.0))
    assert [(number, counts) for _, number, counts in moving.asked] == [(1, False), (3, True), (2, True), (1, True)]


async def test_rows_beyond_the_count_are_read_first():
    pages = {
        1: PddPage((1,), 15, has_next=False),
        2: PddPage((2,), 0, has_next=True),
        3: PddPage((3,), 0, has_next=False),
    }

    async def ask(_window, number, _use_has_next):
        return pages[number]

    assert await read(PddListing(ask, Clock(), 200.0)) == [2, 3, 1]


async def test_a_page_that_counts_rows_and_shows_none_is_malformed():
    async def ask(_window, _number, _use_has_next):
        return PddPage((), 7, has_next=False)

    with pytest.raises(Malformed):
        await read(PddListing(ask, Clock(), 200.0))


def listings(start, end, lag_s=200.0):
    listing = PddListing(None, Clock(), lag_s)
    return list(listing.listings(Window(start, end)))


def test_no_listing_ends_too_near_to_now_or_is_too_long():
    for minutes in (1, 29, 31, 60, 61, 600):
        for part in listings(NOW - timedelta(minutes=minutes), NOW):
            assert part.end <= NOW - timedelta(seconds=describe.LISTING_LAG_S)
            assert timedelta(0) < part.end - part.start <= timedelta(seconds=describe.LISTING_MAX_S)


def test_windows_that_follow_each_other_leave_nothing_out():
    """Whatever the end of a window was cut, the next window begins before it."""
    asked, at = [], NOW - timedelta(minutes=30)
    while at < NOW:
        clock = Clock(at + timedelta(seconds=30))
        listing = PddListing(None, clock, 200.0)
        asked += listing.listings(Window(at, at + timedelta(seconds=30)))
        at += timedelta(seconds=30)
    for one, following in pairwise(asked):
        assert following.start <= one.end


def test_a_window_of_the_greatest_length_is_one_listing():
    listing = PddListing(None, Clock(), 200.0)
    odd = NOW - timedelta(hours=3, microseconds=7)
    assert len(list(listing.listings(Window(odd, odd + timedelta(seconds=listing.window_max_s))))) == 1


def test_what_the_platform_lists_no_more_is_not_asked_for():
    old = NOW - timedelta(days=90)
    assert listings(old - timedelta(days=2), old - timedelta(days=1)) == []
    assert listings(old - timedelta(hours=1), old + timedelta(minutes=5)) == [Window(old, old + timedelta(minutes=5))]
