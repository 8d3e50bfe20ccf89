"""How a listing of TOP is read so that no row is missed while rows move.

The newest row stands first. One that changes again leaves the window, which moves others to pages still to be read. So
a listing is counted first, then read from its last page to its first.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Generic, TypeVar

from adapters.platforms.taobao import describe
from adapters.ports import Window
from adapters.rejection import Rejected
from infra.process.clock import Clock

R = TypeVar("R")

# This many empty pages in a row show that the count, or the mark for another page, is wrong.
_EMPTY_MAX = 2


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """One page of a listing. `total` is zero where the call did not ask for a count.

    `rejected`: rows that could not be read; they stop no neighbour.
    """

    rows: tuple[R, ...]
    total: int
    has_next: bool
    rejected: tuple[Rejected, ...] = ()


@dataclass(frozen=True, slots=True)
class TopListing(Generic[R]):
    """Reads windows of one listing. `ask(window, number, use_has_next)` reads one page, or counts the rows."""

    ask: Callable[[Window, int, bool], Awaitable[Page[R]]]
    clock: Clock
    overlap_s: float

    async def read(self, window: Window) -> AsyncIterator[tuple[R, ...]]:
        """Pages of a window.

        Just after the window's end a row may come in again at the front, and pushes others from pages still to be
        read onto pages that were. So a window of several pages is read in parts, the last of which ends soon: whoever
        is skipped in a part stands in it. Where the platform's clock is behind by up to half the overlap, rows come
        into the middle part as well; whoever is skipped there is young enough for the next window. Into a window that
        ended longer ago than windows overlap nothing comes any more.
        """
        first = await self.ask(window, 1, False)
        if first.total <= describe.PAGE_SIZE and (first.rows or not first.total):
            yield first.rows
            return
        parts = _parts(window, self.overlap_s)
        open_s = max(self.overlap_s, describe.OPEN_S)
        if len(parts) == 1 or window.end < self.clock.utcnow() - timedelta(seconds=open_s):
            async for rows in self._backwards(window, first):
                yield rows
            return
        for part in parts:
            async for rows in self._backwards(part, await self.ask(part, 1, False)):
                yield rows

    async def _backwards(self, window: Window, first: Page[R]) -> AsyncIterator[tuple[R, ...]]:
        """`first`: the first page, with the count."""
        last = -(-first.total // describe.PAGE_SIZE)
        if last <= 1 and (first.rows or not first.total):
            yield first.rows
            return
        number, empty = last, 0
        # Rows that were added since the count have moved the last rows to further pages.
        while True:
            page = await self.ask(window, number, True)
            yield page.rows
            empty = 0 if page.rows else empty + 1
            if not page.has_next or empty == _EMPTY_MAX:
                break
            number += 1
        number, empty = last, int(not page.rows)
        while number > 1:
            number -= 1
            page = await self.ask(window, number, True)
            yield page.rows
            empty = 0 if page.rows else empty + 1
            if empty == _EMPTY_MAX:
                number, empty = await self._end(window, number) + 1, 0

    async def _end(self, window: Window, empty: int) -> int:
        """The last page with rows before an empty one, where the count was far too high; 0 if there is none."""
        shown = 0
        while empty - shown > 1:
            middle = (shown + empty) // 2
            if (await self.ask(window, middle, True)).rows:
                shown = middle
            else:
                empty = middle
        return shown


def _parts(window: Window, overlap_s: float) -> list[Window]:
    """The span that nothing comes into, the span that a late clock brings rows into, and the open end.

    The next window reads both of the latter again.
    """
    open_s = min(describe.OPEN_S, overlap_s)
    ages_s = (max(overlap_s / 2, open_s), open_s, 0.0)
    cuts = [max(window.start, window.end - timedelta(seconds=age_s)) for age_s in ages_s]
    return [Window(start, end) for start, end in pairwise([window.start, *cuts]) if start < end]
