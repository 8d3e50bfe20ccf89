"""Room for bytes: how many answers of unknown size may be fetched at once."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

BUDGET_BYTES = 16 * 1024 * 1024
# A body is expected to be as large as the largest of so many before it.
_REMEMBERED = 64


@dataclass(slots=True)
class RoomShare:
    """The bytes that one answer reserves: first the expected number, then the real one."""

    size: int


class ByteRoom:
    """A semaphore that counts bytes. For the coroutines of one event loop.

    The size of an answer is known only when it has arrived. So each answer first reserves the size of the largest
    recent answer, and is corrected to its real size afterwards. Small answers are fetched in parallel; after the first
    large answers only few are.
    """

    def __init__(self, budget: int = BUDGET_BYTES) -> None:
        self._budget = budget
        self._taken = 0
        self._recent: deque[int] = deque([0], maxlen=_REMEMBERED)
        self._changed = asyncio.Condition()

    @property
    def taken(self) -> int:
        return self._taken

    @asynccontextmanager
    async def share(self) -> AsyncIterator[RoomShare]:
        """Wait until one more answer has room, and hold it. A single answer always has room."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._taken == 0 or self._taken + self.expected() <= self._budget)
            share = RoomShare(self.expected())
            self._taken += share.size
        try:
            yield share
        finally:
            async with self._changed:
                self._taken -= share.size
                self._changed.notify_all()

    def resize(self, share: RoomShare, size: int) -> None:
        """The answer has come and is `size` bytes long."""
        self._recent.append(size)
        self._taken += size - share.size
        share.size = size

    def expected(self) -> int:
        """How large the next answer is taken to be."""
        return min(max(self._recent), self._budget)
