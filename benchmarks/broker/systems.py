"""The brokers that are compared, and the actors that run on them."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import dramatiq
from dramatiq import Actor, Broker, Message
from dramatiq.brokers.redis import RedisBroker
from redis import Redis

from infra.queue.priority import PriorityBroker

QUEUE, URGENT_QUEUE = "work", "urgent"
PROCESSES = 2
BATCH = 500
READY, GO, LATENCIES = "bench:ready", "bench:go", "bench:latencies"
SHOPS = 10


@dataclass(frozen=True, slots=True)
class System:
    """`prefetch` of 0 is Dramatiq's default; `worker_timeout_ms` is how long an idle consumer sleeps or waits."""

    name: str
    threads: int
    prefetch: int
    worker_timeout_ms: int


SYSTEMS = {
    system.name: system
    for system in (
        System("default", threads=8, prefetch=0, worker_timeout_ms=1000),
        System("best", threads=2, prefetch=256, worker_timeout_ms=20),
        System("priority", threads=8, prefetch=0, worker_timeout_ms=1000),
    )
}


@dataclass(frozen=True, slots=True)
class End:
    """A producer's end of a system."""

    system: System
    redis: Redis
    broker: Broker
    nothing: Actor[Any, Any]
    sleep: Actor[Any, Any]
    urgent: Actor[Any, Any]

    def bulk(self, count: int) -> list[Message[Any]]:
        """Messages that do nothing: for the priority broker of ten shops, a tenth of them urgent."""
        if not isinstance(self.broker, PriorityBroker):
            return [self.nothing.message() for _ in range(count)]
        return [
            self.nothing.message_with_options(lane="bulk" if number % 10 else "p0", fair_key=f"shop-{number % SHOPS}")
            for number in range(count)
        ]

    def enqueue(self, messages: Sequence[Message[Any]]) -> None:
        """In the quickest way that the broker offers: one by one for Dramatiq at its defaults, else in batches."""
        if isinstance(self.broker, PriorityBroker):
            self.broker.enqueue_many(messages)
        elif self.system.name == "best":
            _pipelined(self.broker, self.redis, messages)
        else:
            for message in messages:
                self.broker.enqueue(message)


def connect(name: str, url: str) -> End:
    redis = Redis.from_url(url)
    broker: Broker = PriorityBroker(client=redis) if name == "priority" else _dramatiq(redis)
    dramatiq.set_broker(broker)
    urgent: dict[str, Any] = {"lane": "p0", "queue_name": QUEUE} if name == "priority" else {"queue_name": URGENT_QUEUE}

    def nothing() -> None:
        """Do nothing: only the way here counts."""

    def sleep(seconds: float) -> None:
        time.sleep(seconds)

    def note(sent: float) -> None:
        redis.rpush(LATENCIES, str(time.time() - sent))

    return End(
        SYSTEMS[name],
        redis,
        broker,
        dramatiq.actor(actor_name="nothing", queue_name=QUEUE, broker=broker)(nothing),
        dramatiq.actor(actor_name="sleep", queue_name=QUEUE, broker=broker, priority=1)(sleep),
        dramatiq.actor(actor_name="urgent", broker=broker, priority=0, **urgent)(note),
    )


@contextmanager
def workers(end: End, url: str) -> Iterator[list[int]]:
    """Worker processes that stand ready and begin when GO is given. Ended by force: no end is measured."""
    system = end.system
    environment = {**os.environ, "dramatiq_queue_prefetch": str(system.prefetch)}
    started = [
        subprocess.Popen([sys.executable, "-m", "benchmarks.broker.worker", system.name, url], env=environment)  # noqa: S603 - our own module
        for _ in range(PROCESSES)
    ]
    try:
        for _ in started:
            if end.redis.blpop([READY], timeout=30) is None:
                raise TimeoutError("a worker did not come up")
        yield [process.pid for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()


def go(end: End) -> None:
    end.redis.rpush(GO, *range(PROCESSES))


def _dramatiq(redis: Redis) -> Broker:
    return RedisBroker(client=redis)  # type: ignore[no-untyped-call] # Dramatiq leaves its constructor untyped


def _pipelined(broker: Any, redis: Redis, messages: Sequence[Message[Any]]) -> None:  # noqa: ANN401 - its privates
    """What Dramatiq's enqueue does, many in one round trip, as its users write it for themselves."""
    dispatch = broker.scripts["dispatch"]
    for first in range(0, len(messages), BATCH):
        with redis.pipeline(transaction=False) as pipe:
            for message in messages[first : first + BATCH]:
                sent = message.copy(options={"redis_message_id": message.message_id})
                args = ["enqueue", sent.message_timestamp, sent.queue_name, broker.broker_id, 60_000, 1, 0, 100]
                dispatch(keys=[broker.namespace], args=[*args, sent.message_id, sent.encode()], client=pipe)
            pipe.execute()
