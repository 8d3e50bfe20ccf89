"""How many messages a worker may have in hand, over all its queues."""

from sys import maxsize
from threading import Condition
from time import monotonic

LOOK_AHEAD_S = 0.002
READ_AHEAD_S = 0.02
READ_AHEAD_MAX = 256
_WINDOW_S = 0.05
_STALE_S = 0.5


class InHand:
    """What all workers of a process have in hand together.

    `suspects`: how many of those in hand are suspected to kill their process. Nothing is begun beside one, and one is
    begun when nothing else is in hand: a queue whose next message is a suspect keeps the others from beginning more.
    """

    def __init__(self) -> None:
        self.changed = Condition()
        self.count = 0
        self.suspects = 0
        self.alone_next: object = None
        self.waiting_for = -1

    @property
    def is_one_alone(self) -> bool:
        return self.alone_next is not None or self.suspects > 0


class Slots:
    """Of one worker: one for each of its threads, and as many more as all of them together end within LOOK_AHEAD_S.

    So threads that run long messages never have one waiting behind another that is less urgent, and threads that
    run very short ones need not wait for the next. `threads` is None until a worker has booted.

    `distance_s`: how long a fetch takes where Redis is far away, 0 where it is near. What is in hand must last so long.
    Queues differ by what they pass as `queue`.
    """

    def __init__(self, all_in_hand: InHand | None = None) -> None:
        self._all = all_in_hand or InHand()
        self.changed = self._all.changed
        self.threads: int | None = None
        self.in_hand = 0
        self.distance_s = 0.0
        self._waiting_for = -1
        self._ended = 0
        self._window_start = monotonic()
        self._rate_per_s = 0.0

    def is_full(self, queue: object) -> bool:
        if self.threads is None:
            return False
        return (self._all.count if self._all.is_one_alone else self.in_hand) >= self._most(queue)

    def take(self, *, is_suspect: bool) -> None:
        """Call with `changed` held."""
        self.in_hand += 1
        self._all.count += 1
        self._all.suspects += is_suspect

    def release(self, *, is_suspect: bool) -> None:
        """Call with `changed` held."""
        self.in_hand -= 1
        self._all.count -= 1
        self._all.suspects -= is_suspect

    def want_alone(self, queue: object, *, is_wanted: bool) -> None:
        """Say whether the queue's next message is a suspect. Call with `changed` held."""
        if is_wanted:
            self._all.alone_next = self._all.alone_next or queue
        elif self._all.alone_next is queue:
            self._all.alone_next = None
            self.changed.notify_all()

    @property
    def is_brisk(self) -> bool:
        return self._spare() > 0

    def read_ahead(self, prefetch: int) -> int:
        """How many messages a consumer should have fetched: more than asked for while they are very short."""
        return max(prefetch, min(READ_AHEAD_MAX, int(self._rate_per_s * (READ_AHEAD_S + 2 * self.distance_s))))

    def wait(self, queue: object, timeout_s: float) -> bool:
        """Wait for a free slot. Call with `changed` held. Returns whether there is one."""
        deadline = monotonic() + timeout_s
        while self.is_full(queue):
            remaining = deadline - monotonic()
            if remaining <= 0:
                return False
            self._wait_for(max(0, self._most(queue) - 1 - (self._spare() + 1) // 2), remaining)
        return True

    def wait_for_end(self, timeout_s: float) -> None:
        """Wait until any message in hand has ended. Call with `changed` held."""
        self._wait_for(maxsize, timeout_s)

    def note_end(self) -> None:
        """Call with `changed` held whenever a message has ended."""
        self._ended += 1
        elapsed = monotonic() - self._window_start
        if elapsed >= _WINDOW_S:
            self._rate_per_s = self._ended / elapsed
            self._ended = 0
            self._window_start += elapsed
        if self.in_hand <= self._waiting_for or self._all.count <= self._all.waiting_for:
            self._waiting_for = self._all.waiting_for = -1
            self.changed.notify_all()

    def _wait_for(self, in_hand: int, timeout_s: float) -> None:
        """Wait until so few are in hand. Other queues may be waiting for more or fewer."""
        if self._all.is_one_alone:
            self._all.waiting_for = max(self._all.waiting_for, in_hand)
        else:
            self._waiting_for = max(self._waiting_for, in_hand)
        self.changed.wait(timeout_s)

    def _most(self, queue: object) -> int:
        """How many may be in hand when one of the queue has begun."""
        if self._all.is_one_alone:
            return 1 if self._all.alone_next in {None, queue} else 0
        assert self.threads is not None
        return self.threads + self._spare()

    def _spare(self) -> int:
        is_stale = monotonic() - self._window_start > _STALE_S
        return 0 if is_stale else int(self._rate_per_s * (LOOK_AHEAD_S + self.distance_s))
