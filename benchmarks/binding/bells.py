"""The brokers of the comparison: bells and ids over Dramatiq's own Redis broker, which the engine no longer uses."""

from collections.abc import Iterable
from dataclasses import dataclass

from dramatiq import Message, Middleware
from dramatiq.brokers.redis import RedisBroker
from redis import Redis

from infra.queue.bells import BellKey

# How long an idle consumer sleeps between two looks at its queue.
IDLE_SLEEP_MS = 50
MARKER_MS = 10_000
_HEARTBEAT_TIMEOUT_MS = 10_000
_MAINTENANCE_CHANCE = 100_000


def make_broker(client: Redis, queue: str, middleware: Middleware) -> RedisBroker:
    """Without Dramatiq's retries, time limits and age limits."""
    broker = RedisBroker(  # type: ignore[no-untyped-call] # published without types for its constructor
        client=client,
        middleware=[middleware],
        heartbeat_timeout=_HEARTBEAT_TIMEOUT_MS,
        maintenance_chance=_MAINTENANCE_CHANCE,
    )
    broker.declare_queue(queue)
    return broker


@dataclass(frozen=True, slots=True)
class MarkedBells:
    """A marker in Redis keeps one bell of a key from being rung twice while it still waits."""

    broker: RedisBroker
    redis: Redis

    def ring(self, keys: Iterable[BellKey]) -> None:
        wanted = sorted(set(keys))
        with self.redis.pipeline(transaction=False) as pipe:
            for key in wanted:
                pipe.set(_marker(key), b"1", nx=True, px=MARKER_MS)
            unrung = [key for key, is_new in zip(wanted, pipe.execute(), strict=True) if is_new]
        for key in unrung:
            self.broker.enqueue(
                Message(
                    queue_name=key.lane,
                    actor_name=key.step,
                    args=(key.lane, key.account, key.alone),
                    kwargs={},
                    options={},
                )
            )

    def hush(self, key: BellKey) -> None:
        """Called before claiming: work that commits from here on rings again."""
        self.redis.delete(_marker(key))


def _marker(key: BellKey) -> str:
    return f"orderlane:bell:{key.step}:{key.lane}:{key.account}:{int(key.alone)}"
