"""How long batches take as they run: seen from outside, in the table of what is under way."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import mean
from uuid import UUID

from benchmarks.priority.backlog import PRIORITY
from infra.tables.pool import Database

_LOOK_S = 0.005

Batches = dict[UUID, tuple[str, int, float]]


@contextmanager
def watched_batches(db: Database) -> Iterator[Batches]:
    """Step, orders and seconds of every batch under way until it is left.

    A batch counts for as long as it was seen, so up to a look less than it took.
    """
    seen: Batches = {}
    is_over = threading.Event()
    watch = threading.Thread(target=_watch, args=(db, seen, is_over), daemon=True)
    watch.start()
    try:
        yield seen
    finally:
        is_over.set()
        watch.join()


def mean_s(batches: Batches, least: int) -> dict[str, float]:
    """By step, of batches of at least so many orders."""
    times: defaultdict[str, list[float]] = defaultdict(list)
    for step, size, seconds in batches.values():
        if size >= least:
            times[step].append(seconds)
    return {step: mean(found) for step, found in times.items()}


def _watch(db: Database, seen: Batches, is_over: threading.Event) -> None:
    with db.connection() as connection:
        while not is_over.wait(_LOOK_S):
            for token, step, size, seconds in connection.execute(PRIORITY["batches"]).fetchall():
                seen[token] = (step, size, float(seconds))
