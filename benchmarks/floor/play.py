"""Plays the steps of a whole stream in one thread: due work in batches, one after the other."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence

from benchmarks.peers.plain import Chain
from domain.order import Lane
from infra.engine.results import NewWork

_Key = tuple[str, Lane, str]
# Work that is due much later, as the look at a parcel, must not keep the end from being seen.
LOOK_EVERY_S = 0.25


class Agenda:
    """Work that is due now or later, by step, lane and account."""

    def __init__(self, batch_max: int) -> None:
        self._batch_max = batch_max
        self._due: OrderedDict[_Key, deque[int]] = OrderedDict()
        self._later: list[tuple[float, NewWork]] = []

    def add(self, works: Sequence[NewWork]) -> None:
        now = time.monotonic()
        for work in works:
            if work.after_s > 0:
                self._later.append((now + work.after_s, work))
            else:
                self._due.setdefault((work.step, work.lane, work.account), deque()).append(work.subject_id)

    def next_batch(self) -> tuple[_Key, list[int]] | None:
        """The fullest key's oldest subjects, so that batches are as large as the engine's."""
        self._wake()
        key = max(self._due, key=lambda key: len(self._due[key]), default=None)
        if key is None:
            return None
        waiting = self._due[key]
        batch = [waiting.popleft() for _ in range(min(self._batch_max, len(waiting)))]
        if not waiting:
            del self._due[key]
        return key, batch

    @property
    def pause_s(self) -> float:
        """How long until something becomes due."""
        return max(0.0, min(at for at, _ in self._later) - time.monotonic()) if self._later else 0.0

    def _wake(self) -> None:
        now = time.monotonic()
        ready = [work for at, work in self._later if at <= now]
        self._later = [(at, work) for at, work in self._later if at > now]
        for work in ready:
            self._due.setdefault((work.step, work.lane, work.account), deque()).append(work.subject_id)


def play(chain: Chain, agenda: Agenda, pause: Callable[[float], None], is_over: Callable[[], bool]) -> None:
    """Until `is_over`, which is asked whenever nothing is due."""
    while True:
        batch = agenda.next_batch()
        if batch is not None:
            (step, lane, account), subject_ids = batch
            chain.run(step, lane, account, subject_ids)
        elif is_over():
            return
        else:
            pause(min(agenda.pause_s, LOOK_EVERY_S))
