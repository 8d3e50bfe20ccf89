from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from redis import Redis

from infra.config.secret import Secret
from infra.process.clock import SystemClock
from infra.servers import Connection
from ops.doctor import stores as checks
from ops.doctor.check import Level


class Pooler:
    """A client of a pooler by transaction: each statement runs wherever a server connection is free."""

    def __init__(self, servers: list[psycopg.Connection]) -> None:
        self._servers = servers

    def execute(self, *query):
        free = [server for server in self._servers if server.info.transaction_status == 0]
        return free[0].execute(*query)

    def transaction(self):
        return self._servers[0].transaction()


@pytest.fixture
def two_sessions(database):
    with ExitStack() as stack:
        yield [stack.enter_context(database.direct()) for _ in range(2)]


def test_a_direct_connection_keeps_its_session_lock(two_sessions) -> None:
    assert checks.session_lock(*two_sessions).level is Level.OK


def test_a_transaction_pooler_is_found_out(two_sessions) -> None:
    pooled = Pooler(two_sessions)
    check = checks.session_lock(pooled, pooled)
    assert check.level is Level.FAIL
    assert "pooler" in check.message


class Fixed:
    def __init__(self, offset_s: float) -> None:
        self._offset = timedelta(seconds=offset_s)

    def monotonic(self) -> float:
        return 0.0

    def utcnow(self) -> datetime:
        return datetime.now(UTC) + self._offset


@pytest.mark.parametrize(("offset_s", "level"), [(0, Level.OK), (-30, Level.WARN), (600, Level.FAIL)])
def test_a_clock_that_is_off_is_noticed(two_sessions, offset_s, level) -> None:
    found = {check.name: check for check in checks.server(two_sessions[0], Fixed(offset_s), is_private=True)}
    assert found["clock"].level is level


def test_an_unsafe_server_fails(two_sessions) -> None:
    # The suite's own servers run without fsync, for speed.
    found = {check.name: check for check in checks.server(two_sessions[0], SystemClock(), is_private=True)}
    assert found["postgres"].level is Level.OK
    assert found["durability"].level is Level.FAIL
    assert "fsync is off" in found["durability"].message


def test_a_redis_that_is_away_is_unreachable(stores) -> None:
    check = checks.redis_server(Connection(stores.database_url, Secret("redis://127.0.0.1:1/0"), embedded=False))
    assert check.level is Level.FAIL
    assert check.is_unreachable


def test_a_redis_that_answers_tells_its_version(stores) -> None:
    assert checks.redis_server(stores).level is Level.OK


def test_a_redis_that_evicts_is_warned_of(stores, redis, monkeypatch) -> None:
    # The server is shared with other tests, so its policy stays as it is.
    found = redis.info() | {"maxmemory_policy": "allkeys-lru"}
    monkeypatch.setattr(Redis, "info", lambda _client: found)
    check = checks.redis_server(stores)
    assert check.level is Level.WARN
    assert "maxmemory-policy is allkeys-lru" in check.message


def test_a_node_of_a_cluster_fails(stores, monkeypatch) -> None:
    found = {"redis_version": "7.0.1", "cluster_enabled": 1}
    monkeypatch.setattr(Redis, "info", lambda _client: found)
    check = checks.redis_server(stores)
    assert check.level is Level.FAIL
    assert "cluster" in check.message


def test_waiting_and_foreign_migrations_are_told_apart(database, stores) -> None:
    with database.direct() as session:
        assert checks.migrations(session).level is Level.OK
        session.execute("INSERT INTO schema_migration VALUES (9999, 'post_of_tomorrow', '')")
        assert checks.migrations(session).level is Level.FAIL
    with psycopg.connect(stores.database_url.reveal(), autocommit=True) as empty:
        assert checks.migrations(empty).level is Level.WARN
