"""Dramatiq's Redis broker and the priority broker, with the same actors."""

import threading
import time
from collections.abc import Sequence
from typing import Any

import dramatiq
from dramatiq import Broker, Message, Worker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.common import dq_name
from redis import Redis

from benchmarks.broker.systems import (
    BATCH,
    QUEUE,
    SAMPLED,
    SHOPS,
    URGENT_QUEUE,
    Errands,
    System,
    connect_redis,
)
from infra.queue.priority import PriorityBroker


class DramatiqEnd:
    """Urgent messages have a lane with the priority broker, else an actor priority, and in a flood a queue."""

    def __init__(self, system: System, url: str) -> None:
        self.system = system
        self.redis = connect_redis(url)
        self.priority = PriorityBroker(client=self.redis) if system.name.startswith("priority") else None
        self.broker: Broker = self.priority or _dramatiq(self.redis)
        dramatiq.set_broker(self.broker)

        errands = Errands(self.redis)
        urgent: dict[str, Any] = {"queue_name": URGENT_QUEUE if system.parts_urgent else QUEUE}
        if self.priority:
            urgent["lane"] = "p0"
        actor = dramatiq.actor
        self.nothing = actor(actor_name="nothing", queue_name=QUEUE, broker=self.broker)(errands.nothing)
        self.nap = actor(actor_name="nap", queue_name=QUEUE, broker=self.broker, priority=1)(errands.nap)
        self.urgent = actor(actor_name="urgent", broker=self.broker, priority=0, **urgent)(errands.urgent)

    def bulk(self, count: int) -> list[Message[Any]]:
        """For the priority broker of ten shops, a tenth of them urgent."""
        if not self.priority:
            return [self.nothing.message() for _ in range(count)]
        return [
            self.nothing.message_with_options(lane="bulk" if number % 10 else "p0", fair_key=f"shop-{number % SHOPS}")
            for number in range(count)
        ]

    def naps(self, count: int, seconds: float) -> list[Message[Any]]:
        now = time.time()
        return [self.nap.message(seconds, 0 if number % SAMPLED else now) for number in range(count)]

    def enqueue(self, messages: Sequence[Message[Any]], delay_ms: int | None = None) -> None:
        """One by one for Dramatiq at its defaults, else in batches."""
        if self.priority:
            self.priority.enqueue_many(messages, delay=delay_ms)
        elif self.system.prefetch:
            self._pipelined(messages, delay_ms)
        else:
            for message in messages:
                self.broker.enqueue(message, delay=delay_ms)

    def send_urgent(self) -> None:
        self.urgent.send(time.time())

    def send_due(self, due: float) -> None:
        """An urgent message that is delayed until a time, and notes how late it ran."""
        self.urgent.send_with_options(args=(due,), delay=round((due - time.time()) * 1000))

    def join(self, timeout_s: float) -> None:
        """Like the brokers' own, looking more often."""
        assert isinstance(self.broker, PriorityBroker | RedisBroker)
        self.broker.join(QUEUE, interval=5, timeout=int(timeout_s * 1000))

    def work(self) -> None:
        system = self.system
        Worker(self.broker, worker_threads=system.threads, worker_timeout=system.worker_timeout_ms).start()
        threading.Event().wait()

    def _pipelined(self, messages: Sequence[Message[Any]], delay_ms: int | None) -> None:
        """What Dramatiq's enqueue does, many in one round trip, as its users write it for themselves."""
        broker: Any = self.broker  # its scripts and its id are no part of its types
        dispatch = broker.scripts["dispatch"]
        for first in range(0, len(messages), BATCH):
            with self.redis.pipeline(transaction=False) as pipe:
                for message in messages[first : first + BATCH]:
                    sent = message.copy(options={"redis_message_id": message.message_id})
                    if delay_ms is not None:
                        eta = int(time.time() * 1000) + delay_ms
                        sent = sent.copy(queue_name=dq_name(message.queue_name), options={"eta": eta})
                    args = ["enqueue", sent.message_timestamp, sent.queue_name, broker.broker_id, 60_000, 1, 0, 100]
                    dispatch(keys=[broker.namespace], args=[*args, sent.message_id, sent.encode()], client=pipe)
                pipe.execute()


def _dramatiq(redis: Redis) -> Broker:
    return RedisBroker(client=redis)  # type: ignore[no-untyped-call] # Dramatiq leaves its constructor untyped
