"""Samples of Postgres's backends: the named statement, and whether it runs or waits."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from infra.servers import Connection

_EVERY_S = 0.02
# Our statements open with their name as a comment; the longer the sample, the finer the shares.
_SAMPLE = r"""
SELECT coalesce(substring(query from '^/\* (\S+) \*/'), left(query, 12)),
       coalesce(wait_event_type || ' ' || wait_event, 'running')
FROM pg_stat_activity
WHERE state = 'active' AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


@contextmanager
def sample_activity(stores: Connection, *, is_on: bool) -> Iterator[Counter[str]]:
    """Count ``statement: what it is at`` over the block, 50 times a second; empty when off.

    Sampling costs about one per cent of a core, so figures that are compared are taken without it.
    """
    seen: Counter[str] = Counter()
    if not is_on:
        yield seen
        return
    stopped = threading.Event()

    def sample() -> None:
        with psycopg.connect(stores.database_url.reveal(), autocommit=True) as session:
            while not stopped.wait(_EVERY_S):
                seen.update(f"{name}: {at}" for name, at in session.execute(_SAMPLE.encode()))

    thread = threading.Thread(target=sample, name="activity")
    thread.start()
    try:
        yield seen
    finally:
        stopped.set()
        thread.join()
