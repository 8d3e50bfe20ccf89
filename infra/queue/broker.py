"""Dramatiq's Redis broker, tuned for bells."""

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Middleware
from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

# After a killed worker its fetched messages come back when a dice roll hits after the heartbeat
# time-out. Dramatiq's 60 s and 1 in 1,000 take minutes; these take seconds. Bells do not rely on it.
HEARTBEAT_TIMEOUT_MS = 10_000
MAINTENANCE_CHANCE = 100_000  # of 1,000,000: one command in ten


def connect_redis(url: str) -> Redis:
    """A client that survives a short absence of Redis. Bells may be rung twice, so repeating is safe."""
    return Redis.from_url(
        url,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.02), retries=4),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
        socket_timeout=5.0,
        socket_connect_timeout=2.0,
    )


def make_broker(client: Redis, queues: tuple[str, ...], middleware: tuple[Middleware, ...] = ()) -> RedisBroker:
    """A broker without Dramatiq's retries, time limits and age limits: the engine decides all of that."""
    broker = RedisBroker(  # type: ignore[no-untyped-call] # published without types for its constructor
        client=client,
        middleware=list(middleware),
        heartbeat_timeout=HEARTBEAT_TIMEOUT_MS,
        maintenance_chance=MAINTENANCE_CHANCE,
    )
    for queue in queues:
        broker.declare_queue(queue)
    dramatiq.set_broker(broker)
    return broker
