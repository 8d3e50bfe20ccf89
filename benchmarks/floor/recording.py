"""Records the statements and requests of a process."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import psycopg
from psycopg.abc import Params, Query

from adapters.http_client import HttpClient, Request, Response
from infra.config.settings import Settings
from infra.process.clock import Clock
from infra.tables.pool import Connection, Database


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement; `params` as they were given."""

    query: Query = field(repr=False)
    params: Params | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Begin:
    """A transaction opens."""


@dataclass(frozen=True, slots=True)
class Commit:
    """The transaction commits."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing was due for so long."""

    seconds: float


Act = Statement | Begin | Commit | Pause | Request


class Tape:
    """Acts in the order in which they began. Off, it takes none."""

    def __init__(self) -> None:
        self.acts: list[Act] = []
        self.is_on = False
        self._lock = threading.Lock()

    def add(self, act: Act) -> None:
        if self.is_on:
            with self._lock:
                self.acts.append(act)


class TapedDatabase(Database):
    """A database whose statements and transactions are recorded."""

    def __init__(self, conninfo: str, max_connections: int, tape: Tape) -> None:
        super().__init__(conninfo, max_connections)
        self._tape = tape
        self._taped = _taped_cursor(tape)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        with super().connection() as connection:
            connection.cursor_factory = self._taped
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        self._tape.add(Begin())
        with super().transaction() as tx:
            tx.cursor_factory = self._taped
            yield tx
        self._tape.add(Commit())


class TapedClient(HttpClient):
    """A door that records its requests."""

    def __init__(self, settings: Settings, hosts: frozenset[str], clock: Clock, tape: Tape) -> None:
        super().__init__(settings.door, hosts, clock)
        self._tape = tape

    async def send(self, request: Request) -> Response:
        self._tape.add(request)
        return await super().send(request)


def _taped_cursor(tape: Tape) -> type[psycopg.Cursor[tuple[Any, ...]]]:
    class TapedCursor(psycopg.Cursor[tuple[Any, ...]]):
        def execute(self, query: Any, params: Any = None, **options: Any) -> Self:  # noqa: ANN401 - as psycopg has it
            tape.add(Statement(query, dict(params) if isinstance(params, Mapping) else params))
            return super().execute(query, params, **options)

    return TapedCursor
