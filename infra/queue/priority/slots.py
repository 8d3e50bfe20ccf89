"""How many messages this process may have in hand, over all its queues."""

from threading import Condition
from time import monotonic

LOOK_AHEAD_S = 0.002
READ_AHEAD_S = 0.02
READ_AHEAD_MAX = 256
_WINDOW_S = 0.05
_STALE_S = 0.5


class Slots:
    """One for each worker thread, and as many more as all of them together end within LOOK_AHEAD_S.

    So threads that run long messages never have one waiting behind another that is less urgent, and threads that
    run very short ones need not wait for the next. `threads` is None until a worker has booted.

    `is_alone_wanted`: the next message is suspected to kill its process, and runs when nothing else does.
    """

    def __init__(self) -> None:
        self.changed = Condition()
        self.threads: int | None = None
        self.in_hand = 0
        self.is_alone_wanted = False
        self._waiting_for = -1
        self._ended = 0
        self._window_start = monotonic()
        self._rate_per_s = 0.0

    @property
    def is_full(self) -> bool:
        if self.threads is None:
            return False
        return self.in_hand >= (1 if self.is_alone_wanted else self.threads + self._spare())

    @property
    def is_brisk(self) -> bool:
        return self._spare() > 0

    def read_ahead(self, prefetch: int) -> int:
        """How many messages a consumer should have fetched: more than asked for while they are very short."""
        return max(prefetch, min(READ_AHEAD_MAX, int(self._rate_per_s * READ_AHEAD_S)))

    def wait(self, timeout_s: float) -> bool:
        """Wait for a free slot. Call with `changed` held. Returns whether there is one."""
        deadline = monotonic() + timeout_s
        while self.is_full:
            remaining = deadline - monotonic()
            if remaining <= 0:
                return False
            assert self.threads is not None
            self._waiting_for = 0 if self.is_alone_wanted else self.threads - 1 + self._spare() // 2
            self.changed.wait(remaining)
        return True

    def wait_for_end(self, timeout_s: float) -> None:
        """Wait until any message in hand has ended. Call with `changed` held."""
        self._waiting_for = self.in_hand
        self.changed.wait(timeout_s)

    def note_end(self) -> None:
        """Call with `changed` held whenever a message has ended."""
        self._ended += 1
        elapsed = monotonic() - self._window_start
        if elapsed >= _WINDOW_S:
            self._rate_per_s = self._ended / elapsed
            self._ended = 0
            self._window_start += elapsed
        if self.in_hand <= self._waiting_for:
            self._waiting_for = -1
            self.changed.notify_all()

    def _spare(self) -> int:
        is_stale = monotonic() - self._window_start > _STALE_S
        return 0 if is_stale else int(self._rate_per_s * LOOK_AHEAD_S)
