"""Connections to Postgres: a small pool for each process, with every time-out set on every connection."""

import select
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Self, cast

import psycopg
from psycopg.abc import Params, Query, QueryNoTemplate
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import ConnectionPool

STATEMENT_TIMEOUT_MS = 15_000
LOCK_TIMEOUT_MS = 5_000
IDLE_IN_TRANSACTION_SESSION_TIMEOUT_MS = 10_000
# Defaults that the operator's URL may replace. A connection to a server that disappeared, as in a fail-over, is closed
# once bytes stay unacknowledged for 10 s (tcp_user_timeout is in milliseconds), or probes of an idle connection stay
# unanswered for about as long. With the kernel's own defaults this takes a quarter of an hour, or hours. Not for
# sockets of this machine. (PostgreSQL manual, libpq: parameter key words.)
_UNLESS_TOLD = {
    "application_name": "orderlane",
    "connect_timeout": "5",
    "tcp_user_timeout": "10000",
    "keepalives": "1",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
}
_CHECKOUT_TIMEOUT_S = 10.0
# Statements beside a transaction take a fraction of the time of the transaction.
_THREADS_PER_SIDE = 4

Connection = psycopg.Connection[tuple[Any, ...]]
Cursor = psycopg.Cursor[tuple[Any, ...]]

_open_transactions: ContextVar[int] = ContextVar("open_transactions", default=0)


def in_transaction() -> bool:
    """Whether this thread (or task) has a transaction open; no call may go outside meanwhile."""
    return _open_transactions.get() > 0


class Counts:
    """What a process has asked of its database so far. `commits` are those of transactions, not of lone statements."""

    def __init__(self) -> None:
        self.statements = 0
        self.commits = 0
        self._lock = threading.Lock()

    def add(self, *, statements: int = 0, commits: int = 0) -> None:
        with self._lock:
            self.statements += statements
            self.commits += commits


class Database:
    """A pool of at most `max_connections`, opened as they are needed. Time-outs are in milliseconds; 0 is none.

    Connections are in autocommit mode outside `transaction`. Their errors are psycopg's own. A second, smaller pool
    serves `side`: two threads that each hold a connection and wait for another one of the same pool would wait for
    ever.
    """

    def __init__(
        self,
        conninfo: str,
        max_connections: int = 4,
        *,
        statement_timeout_ms: int = STATEMENT_TIMEOUT_MS,
        lock_timeout_ms: int = LOCK_TIMEOUT_MS,
        idle_in_transaction_session_timeout_ms: int = IDLE_IN_TRANSACTION_SESSION_TIMEOUT_MS,
        checkout_timeout_s: float = _CHECKOUT_TIMEOUT_S,
    ) -> None:
        self.counts = Counts()
        timeouts_ms = {
            "statement_timeout": statement_timeout_ms,
            "lock_timeout": lock_timeout_ms,
            "idle_in_transaction_session_timeout": idle_in_transaction_session_timeout_ms,
        }
        self._conninfo = _with_options(conninfo, timeouts_ms)
        self._cursor = _counting_cursor(self.counts)
        self._checkout_timeout_s = checkout_timeout_s
        self._pool = self._opened(max_connections)
        self._sides = self._opened(max(1, max_connections // _THREADS_PER_SIDE))

    def _opened(self, max_connections: int) -> ConnectionPool:
        return ConnectionPool(
            self._conninfo,
            kwargs={"autocommit": True, "cursor_factory": self._cursor},
            min_size=0,
            max_size=max_connections,
            timeout=self._checkout_timeout_s,
            check=_refuse_closed,
            num_workers=1,
            open=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._pool.close()
        self._sides.close()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection whose statements commit one by one."""
        with self._pool.connection() as connection:
            yield connection

    @contextmanager
    def side(self) -> Iterator[Connection]:
        """A connection for a statement or two, beside a transaction that this thread holds open."""
        with self._sides.connection() as connection:
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection with a transaction that commits at the end, and rolls back on any exception."""
        mark = _open_transactions.set(_open_transactions.get() + 1)
        try:
            with self._pool.connection() as connection, connection.transaction():
                yield connection
        finally:
            _open_transactions.reset(mark)
        self.counts.add(commits=1)

    def direct(self) -> Connection:
        """A connection of the caller's own, outside the pool: for session locks and LISTEN. The caller closes it."""
        return psycopg.connect(self._conninfo, autocommit=True, cursor_factory=self._cursor)

    @property
    def waits(self) -> int:
        """How often a caller had to wait until a connection was opened or given back."""
        return self._pool.get_stats().get("requests_queued", 0)

    def is_reachable(self) -> bool:
        """Whether the server takes connections now. Idle ones that died meanwhile are thrown out."""
        try:
            psycopg.connect(self._conninfo).close()
            self._pool.check()
            self._sides.check()
        except psycopg.OperationalError:
            return False
        return True


def _with_options(conninfo: str, timeouts_ms: dict[str, int]) -> str:
    """`conninfo` with session settings as start-up options: no round trip, and nothing to forget later."""
    known = conninfo_to_dict(conninfo)
    options = " ".join([str(known.get("options") or ""), *(f"-c {key}={value}" for key, value in timeouts_ms.items())])
    return make_conninfo(
        conninfo,
        options=options.strip(),
        **{key: value for key, value in _UNLESS_TOLD.items() if key not in known},
    )


def _counting_cursor(counts: Counts) -> type[Cursor]:
    class CountingCursor(psycopg.Cursor[tuple[Any, ...]]):
        def execute(
            self, query: Query, params: Params | None = None, *, prepare: bool | None = None, binary: bool | None = None
        ) -> Self:
            counts.add(statements=1)
            return super().execute(cast("QueryNoTemplate", query), params, prepare=prepare, binary=binary)

        def executemany(self, query: Query, params_seq: Iterable[Params], *, returning: bool = False) -> None:
            rows = list(params_seq)
            counts.add(statements=len(rows))
            super().executemany(query, rows, returning=returning)

    return CountingCursor


def _refuse_closed(connection: Connection) -> None:
    """Throw out a connection that the server has closed, without a round trip.

    An idle server sends nothing, so readable bytes mean that it has closed the connection.
    """
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        connection.close()
        raise psycopg.OperationalError("the server closed the connection")
