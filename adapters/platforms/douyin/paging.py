"""How a listing of Douyin is read so that no row is missed while rows move.

The oldest row stands first. One that changes again goes to the end, and pulls the rows behind it forward: onto a page
that was read. So a page is followed not by the next page, but by the first page from the last row's second on. Only
rows of one second that fill more than a page are read by number, from the last page to the first: rows leave such a
second, and none comes in.
"""

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Generic, TypeVar

from adapters.platforms.douyin import describe
from adapters.ports import NARROWER, Window
from domain.errors import Malformed, Throttled

R = TypeVar("R")

_SHORTER_WAIT_S = 1.0


@dataclass(frozen=True, slots=True)
class DouyinPage(Generic[R]):
    """One page. `times`: when each row changed, None where the row does not tell. `total`: rows of the whole window."""

    rows: tuple[R, ...]
    times: tuple[datetime | None, ...]
    total: int

    @property
    def has_more(self) -> bool:
        return self.total > len(self.rows) or len(self.rows) >= describe.PAGE_SIZE

    @property
    def last(self) -> int | None:
        """The time of the last row in whole seconds; None where the rows are not sorted by the time of change."""
        seconds = [None if time is None else int(time.timestamp()) for time in self.times]
        if not seconds or None in seconds:
            return None
        known = [second for second in seconds if second is not None]
        return known[-1] if all(one <= other for one, other in pairwise(known)) else None


@dataclass(frozen=True, slots=True)
class DouyinListing(Generic[R]):
    """Reads windows of one listing. `ask(start, end, number)` reads one page between two unix seconds."""

    ask: Callable[[int, int, int], Awaitable[DouyinPage[R]]]

    async def read(self, window: Window) -> AsyncIterator[tuple[R, ...]]:
        """Pages of a window; a row may come more than once.

        Raises Malformed for a page that counts rows and shows none, Throttled where one second, or rows without an
        order, go deeper than the platform shows.
        """
        start, end = int(window.start.timestamp()), math.ceil(window.end.timestamp())
        while start <= end:
            page = await self._page(start, end, 0)
            yield page.rows
            if not page.has_more:
                return
            last = page.last
            if last is None:
                async for rows in self._by_number(start, end, page.total):
                    yield rows
                return
            if last > start:
                start = last
                continue
            counted = await self._page(start, start + 1, 0)
            async for rows in self._by_number(start, start + 1, counted.total):
                yield rows
            start += 1

    async def _page(self, start: int, end: int, number: int) -> DouyinPage[R]:
        page = await self.ask(start, end, number)
        if not page.rows and page.total > number * describe.PAGE_SIZE:
            raise Malformed("page_without_rows", "the platform counts rows and shows none", {"total": page.total})
        return page

    async def _by_number(self, start: int, end: int, total: int) -> AsyncIterator[tuple[R, ...]]:
        """All pages of a window: first the pages added since the count, then from the last page back to the first."""
        if total > describe.DEPTH_MAX:
            facts = {"total": total, NARROWER: True}
            raise Throttled("listing_too_deep", "more rows than the platform shows", facts, after_s=_SHORTER_WAIT_S)
        last = max(math.ceil(total / describe.PAGE_SIZE) - 1, 0)
        number = last
        while (number + 1) * describe.PAGE_SIZE <= describe.DEPTH_MAX:
            page = await self.ask(start, end, number)
            yield page.rows
            if len(page.rows) < describe.PAGE_SIZE:
                break
            number += 1
        for number in range(last - 1, -1, -1):
            yield (await self.ask(start, end, number)).rows


def not_older(window: Window, now: datetime) -> Window:
    """The part of a window that the platform still lists orders of."""
    oldest = now - timedelta(days=describe.AGE_MAX_DAYS)
    return Window(max(window.start, oldest), max(window.end, oldest))
