"""Stored orders, and the counters of the server that show what the living ones cost beside them."""

import time
from pathlib import Path

import psycopg

from infra.servers import Connection
from infra.tables.sql import load

FILL = load("fill", Path(__file__).parent)
# All relations, by client backends only: what autovacuum reads is nobody's order.
_BUFFERS = """
SELECT coalesce(sum(hits), 0)::bigint, coalesce(sum(reads), 0)::bigint
FROM pg_stat_io WHERE backend_type = 'client backend' AND object = 'relation'
"""
# A backend hands its counters in when it ends; until then at most a second late.
_SETTLE_S = 1.2


def fill(stores: Connection, orders: int) -> float:
    """Store so many finished orders, vacuumed and analyzed; return the seconds it took."""
    began = time.monotonic()
    with psycopg.connect(stores.database_url.reveal(), autocommit=True) as session:
        # Only here: what is lost in a crash of the filling is filled again, and it writes gigabytes at once.
        session.execute("SET synchronous_commit = off; SET work_mem = '256MB'")
        session.execute("ALTER SYSTEM SET max_wal_size = '8GB'")
        session.execute("SELECT pg_reload_conf()")
        for name in FILL:
            session.execute(FILL[name], {"orders": orders})
        session.execute("VACUUM (ANALYZE)")
        session.execute("ALTER SYSTEM RESET max_wal_size")
        session.execute("SELECT pg_reload_conf()")
        session.execute("CHECKPOINT")
    return time.monotonic() - began


def buffers(stores: Connection) -> int:
    """Buffers that client backends have asked for so far, in memory or not."""
    time.sleep(_SETTLE_S)
    with psycopg.connect(stores.database_url.reveal(), autocommit=True) as session:
        row = session.execute(_BUFFERS.encode()).fetchone()
    assert row is not None
    return int(row[0] + row[1])
