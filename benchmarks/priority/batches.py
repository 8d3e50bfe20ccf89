"""How long batches take as they run: seen from outside, in the table of what is under way."""

import threading
from collections import defaultdict
from statistics import mean
from types import TracebackType
from typing import Self
from uuid import UUID

from benchmarks.priority.backlog import PRIORITY
from infra.db.pool import Database

_LOOK_S = 0.005


class Batches:
    """Watches until it is left. A batch counts for as long as it was seen, so up to a look less than it took."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._seen: dict[UUID, tuple[str, int, float]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def mean_s(self, least: int) -> dict[str, float]:
        """By step, of batches of at least so many orders."""
        times: defaultdict[str, list[float]] = defaultdict(list)
        for step, size, seconds in self._seen.values():
            if size >= least:
                times[step].append(seconds)
        return {step: mean(found) for step, found in times.items()}

    def _watch(self) -> None:
        with self._db.connection() as connection:
            while not self._ended.wait(_LOOK_S):
                for token, step, size, seconds in connection.execute(PRIORITY["batches"]).fetchall():
                    self._seen[token] = (step, size, float(seconds))
