"""What a claim costs when 300,000 finished rows cannot be cleaned away: the known weakness of SKIP LOCKED queues.

A transaction that stays open, a report or a forgotten session, keeps every row finished since then. Late
binding reads due rows in the order of their due time, so it steps over the dead entries each time.
"""

import time
from collections.abc import Callable
from statistics import median

import msgspec
import psycopg

from benchmarks.binding.course import BATCH_MAX, LANE, STEPS
from benchmarks.binding.ids import IDS
from infra.tables.claims import CLAIMS
from infra.tables.pool import Connection

CLAIMS_MADE = 20
LIVE = 1000


class Dead(msgspec.Struct):
    """Milliseconds (median) of a claim of a batch, and of the sweeper's look at due keys."""

    late_ms: float
    late_bounded_ms: float
    ids_ms: float
    due_keys_ms: float


def measure_dead(url: str, dead: int) -> dict[str, Dead]:
    """Claims beside nothing dead, beside `dead` entries that are held back, and after they may go."""
    named = {"step": STEPS[0], "lane": LANE, "account": "", "limit": BATCH_MAX, "taken": []}
    with psycopg.connect(url, autocommit=True) as session, psycopg.connect(url) as old:
        _seed(session, 0)
        found = {"clean": _look(session, named)}
        old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        old.execute("SELECT FROM work")
        _seed(session, dead)
        found["held back"] = _look(session, named)
        old.rollback()
        found["released"] = _look(session, named)
        session.execute("VACUUM work")
        found["vacuumed"] = _look(session, named)
    return found


def _seed(session: Connection, dead: int) -> None:
    """`dead` rows that were due first and are finished, then live ones of one message each batch."""
    if dead:
        insert = """
            INSERT INTO work (step, subject_id, lane, due_at, message_id)
            SELECT %s, number, %s, now() - interval '1 hour' + number * interval '1 microsecond', 'dead'
            FROM generate_series(1000001, 1000000 + %s) AS number
            """
        session.execute(insert, (STEPS[0], LANE, dead))
        session.execute("DELETE FROM work WHERE message_id = 'dead'")
    session.execute("DELETE FROM work")
    session.execute(
        """
        INSERT INTO work (step, subject_id, lane, due_at, message_id)
        SELECT %s, number, %s, now() - interval '1 minute', 'first-' || (number - 1) / %s
        FROM generate_series(1, %s) AS number
        """,
        (STEPS[0], LANE, BATCH_MAX, LIVE),
    )
    session.execute("ANALYZE work")


def _look(session: Connection, named: dict[str, object]) -> Dead:
    row = session.execute("SELECT min(due_at) FROM work").fetchone()
    assert row is not None
    by_ids = {"step": named["step"], "subject_ids": list(range(1, BATCH_MAX + 1)), "message_id": "first-0"}
    return Dead(
        late_ms=_median_ms(session, lambda: session.execute(CLAIMS["claim_due"], named).fetchall()),
        late_bounded_ms=_median_ms(
            session, lambda: session.execute(IDS["claim_due_from"], {**named, "floor": row[0]}).fetchall()
        ),
        ids_ms=_median_ms(session, lambda: session.execute(IDS["claim"], by_ids).fetchall()),
        due_keys_ms=_median_ms(session, lambda: session.execute(CLAIMS["due_keys"]).fetchall()),
    )


def _median_ms(session: Connection, ask: Callable[[], object]) -> float:
    """Each in a transaction that is rolled back, so that all find the same rows."""
    spans_ms = []
    for _ in range(CLAIMS_MADE):
        with session.transaction(force_rollback=True):
            began = time.perf_counter()
            ask()
            spans_ms.append((time.perf_counter() - began) * 1000)
    return median(spans_ms)
