"""How a listing of Pinduoduo is read so that no row is missed while rows move.

The newest row stands first. A window ends some time before now, so that nothing comes into it any more. A row that
changes again leaves the window and pulls the rows behind it forward. So a listing is counted first, then read from its
last page to its first: whoever is pulled forward stands on a page still to be read.
"""

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

from adapters.platforms.pinduoduo import describe
from adapters.ports import Window
from domain.errors import Malformed
from infra.process.clock import Clock

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class PddPage(Generic[R]):
    """One page of a listing. `total` is zero where the call did not ask for a count."""

    rows: tuple[R, ...]
    total: int
    has_next: bool


@dataclass(frozen=True, slots=True)
class PddListing(Generic[R]):
    """Reads windows of one listing. `ask(window, number, use_has_next)` reads one page, or counts the rows.

    A window is read from `lag_s` before its start, and at most until `lag_s` before now. So windows that follow each
    other leave nothing out, however they end.
    """

    ask: Callable[[Window, int, bool], Awaitable[PddPage[R]]]
    clock: Clock
    lag_s: float

    @property
    def window_max_s(self) -> float:
        """The longest window that makes no longer listing than the platform takes."""
        return describe.LISTING_MAX_S - math.ceil(self.lag_s) - 1

    def listings(self, window: Window) -> Iterator[Window]:
        """What is listed of a window now, in spans that the platform takes. What is older than 90 days is in none."""
        lag, now = timedelta(seconds=self.lag_s), self.clock.utcnow()
        oldest = now - timedelta(days=describe.AGE_MAX_DAYS)
        # The platform takes whole seconds.
        start = max(window.start - lag, oldest).replace(microsecond=0)
        end = min(window.end, now - lag).replace(microsecond=0)
        while start < end:
            part = Window(start, min(end, start + timedelta(seconds=describe.LISTING_MAX_S)))
            yield part
            start = part.end

    async def read(self, window: Window) -> AsyncIterator[tuple[R, ...]]:
        """Pages of a window; a row may come more than once.

        Raises Malformed for a page that counts rows and shows none.
        """
        for part in self.listings(window):
            async for rows in self._backwards(part):
                yield rows

    async def _backwards(self, part: Window) -> AsyncIterator[tuple[R, ...]]:
        first = await self.ask(part, 1, False)
        if first.total and not first.rows:
            raise Malformed("page_without_rows", "the platform counts rows and shows none", {"total": first.total})
        last = math.ceil(first.total / describe.PAGE_SIZE)
        if last <= 1:
            yield first.rows
            return
        number = last
        # A count that was too low: the rows behind it come first.
        while True:
            page = await self.ask(part, number, True)
            yield page.rows
            if not page.has_next or not page.rows:
                break
            number += 1
        for number in range(last - 1, 0, -1):
            yield (await self.ask(part, number, True)).rows
