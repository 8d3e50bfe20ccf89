"""Postgres and Redis: versions, durability, sessions, schema, clocks."""

from collections.abc import Iterator

import redis
from psycopg import Connection as Session

from domain.errors import FulfilmentError
from infra.engine.worker_lock import DOCTOR_CLASS
from infra.process.clock import Clock
from infra.queue.priority.fitness import NO_EVICTION
from infra.servers import Connection as Stores
from infra.tables.locks import ask_session
from infra.tables.migrate import pending
from infra.tables.pool import Connection
from infra.tables.server import durability, lock_session, session_holds_lock
from ops.doctor.check import Check, fail, ok, unreachable, warn

POSTGRES_LEAST = 150_000
REDIS_LEAST = (6, 2)
SKEW_WARN_S = 2.0
# Platforms refuse calls whose time stamp is wrong by minutes; our time stamps come from this machine's clock.
SKEW_FAIL_S = 60.0
_REDIS_WAIT_S = 2.0


def redis_server(connection: Stores) -> Check:
    client = redis.Redis.from_url(
        connection.redis_url.reveal(), socket_timeout=_REDIS_WAIT_S, socket_connect_timeout=_REDIS_WAIT_S
    )
    try:
        found = client.info()
    except redis.RedisError as error:
        words = " ".join(str(error).split())
        return unreachable("redis", f"{type(error).__name__}: {words}", "start it, or correct ORDERLANE_REDIS_URL")
    finally:
        client.close()
    version, policy = str(found["redis_version"]), str(found.get("maxmemory_policy", NO_EVICTION))
    if tuple(int(part) for part in version.split(".")[:2]) < REDIS_LEAST:
        return fail("redis", f"version {version}", "6.2 or newer is needed")
    if found.get("cluster_enabled"):
        return fail("redis", f"version {version}, a node of a cluster", "use a primary with replicas")
    if policy != NO_EVICTION:
        advice = f"set it to {NO_EVICTION}: a full Redis drops what waits with any other, and refuses with this one"
        return warn("redis", f"version {version}, maxmemory-policy is {policy}", advice)
    return ok("redis", f"version {version}")


def server(session: Connection, clock: Clock, *, is_private: bool) -> Iterator[Check]:
    """Version, durability and clock of the database server."""
    asked_at = clock.utcnow()
    version, number, fsync, synchronous_commit, their_time = durability(session)
    answered_at = clock.utcnow()
    kind = "private" if is_private else "configured"
    if number < POSTGRES_LEAST:
        yield fail("postgres", f"version {version}, {kind}", "15 or newer is needed")
    else:
        yield ok("postgres", f"version {version}, {kind}")
    if (fsync, synchronous_commit) == ("on", "on"):
        yield ok("durability", "fsync and synchronous_commit are on")
    else:
        yield fail(
            "durability",
            f"fsync is {fsync}, synchronous_commit is {synchronous_commit}",
            "turn both on: without them a power cut loses accepted orders",
        )
    # A difference of less than half the round trip is not a difference of the clocks.
    middle = asked_at + (answered_at - asked_at) / 2
    yield clock_skew(abs((their_time - middle).total_seconds()) - (answered_at - asked_at).total_seconds() / 2)


def clock_skew(skew_s: float) -> Check:
    message = f"this machine and the database differ by {max(0.0, skew_s):.1f} s"
    advice = "let both follow a time server: signatures and ship-by times depend on it"
    if skew_s > SKEW_FAIL_S:
        return fail("clock", message, advice)
    return warn("clock", message, advice) if skew_s > SKEW_WARN_S else ok("clock", message)


def session_lock(session: Session[tuple[object, ...]], other: Session[tuple[object, ...]]) -> Check:
    """Whether a session keeps its server process: its advisory lock must survive from one statement to the next.

    Meanwhile `other` holds a transaction open, so that a transaction pooler has to give the second
    statement another server process.
    """
    number = lock_session(session, DOCTOR_CLASS)
    with other.transaction():
        ask_session(other)
        is_kept = session_holds_lock(session, DOCTOR_CLASS, number)
    if is_kept:
        return ok("session", "the connection is direct: session locks hold")
    return fail(
        "session",
        "a session lock was lost between two statements: a transaction pooler stands before Postgres",
        "give ORDERLANE_DATABASE_URL the server's own address, or pool by session",
    )


def migrations(session: Connection) -> Check:
    try:
        waiting = pending(session)
    except FulfilmentError as error:
        return fail("schema", str(error), "run the release that belongs to this database")
    if waiting:
        return warn(
            "schema", f"{len(waiting)} migrations wait", "`orderlane run` applies them, or `python -m workers.release`"
        )
    return ok("schema", "up to date")
