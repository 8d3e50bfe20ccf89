"""The brokers that are compared, and the interface that a scene uses."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any, NamedTuple, Protocol

import msgspec
from redis import Redis

QUEUE, URGENT_QUEUE = "work", "urgent"
PROCESSES = 2
BATCH = 500
READY, GO, LATENCIES = "bench:ready", "bench:go", "bench:latencies"
SHOPS = 10
SAMPLED = 20  # one of this many bulk messages in a flood records when it ran
BULK, URGENT = "bulk", "p0"


@dataclass(frozen=True, slots=True)
class System:
    """`prefetch` of 0 is Dramatiq's default; `worker_timeout_ms` is how long an idle consumer sleeps or waits.

    `parts_urgent`: urgent messages have a queue of their own, which every worker polls as well.
    """

    name: str
    threads: int
    prefetch: int
    worker_timeout_ms: int = 1000
    needs: str = ""
    parts_urgent: bool = False

    @property
    def missing(self) -> str:
        """Why it cannot run here, or nothing."""
        is_there = not self.needs or find_spec(self.needs) is not None
        return "" if is_there else f"{self.needs} is not installed (dependency group benchmarks)"


PRIORITY, TUNED, DEFAULT, BEST, CELERY = "priority", "priority, 2 threads", "default", "best", "celery"
SYSTEMS = {
    system.name: system
    for system in (
        System(DEFAULT, threads=8, prefetch=0),
        System(BEST, threads=2, prefetch=256, worker_timeout_ms=20),
        System(CELERY, threads=1, prefetch=64, needs="celery"),
        System(PRIORITY, threads=8, prefetch=0),
        # The settings that are best for very short messages, as Dramatiq's own has them.
        System(TUNED, threads=2, prefetch=0),
    )
}
# What serves an urgent message soonest: with Dramatiq a queue of its own, with Celery more slots and nothing fetched
# ahead. Elsewhere nobody pays for that.
IN_FLOOD = {
    DEFAULT: replace(SYSTEMS[DEFAULT], name="default in a flood", parts_urgent=True),
    BEST: replace(SYSTEMS[BEST], name="best in a flood", parts_urgent=True),
    CELERY: System("celery in a flood", threads=8, prefetch=1, needs="celery"),
}
ALL = SYSTEMS | {system.name: system for system in IN_FLOOD.values()}


class End(Protocol):
    """One end of a system: a producer's, or with `work` a worker's."""

    system: System
    redis: Redis

    def bulk(self, count: int) -> Sequence[Any]:
        """Messages that do nothing."""

    def naps(self, count: int, seconds: float) -> Sequence[Any]:
        """Bulk messages that sleep; one of SAMPLED notes how long it waited."""

    def enqueue(self, messages: Sequence[Any]) -> None:
        """In the quickest way that the broker offers."""

    def send_urgent(self) -> None:
        """One message that notes how long it waited."""

    def join(self, timeout_s: float) -> None:
        """Wait until all messages have run."""

    def work(self) -> None:
        """Serve as a worker process, until killed."""


def connect_redis(url: str) -> Redis:
    """With a long time-out: a worker process on a busy machine starts slowly."""
    return Redis.from_url(url, socket_timeout=120.0)


class Ran(NamedTuple):
    """A message that noted its run: when, and how long after it was sent or due, in seconds."""

    lane: str
    at: float
    waited_s: float


def note(redis: Redis, lane: str, since: float) -> None:
    """Note that a message of a lane runs now."""
    now = time.time()
    redis.rpush(LATENCIES, msgspec.json.encode(Ran(lane, now, now - since)))


class Errands:
    """What every system's messages do; its methods are the actors or tasks, by their names."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def nothing(self) -> None:
        """Do nothing: only the way here counts."""

    def nap(self, seconds: float, sent: float) -> None:
        """Take as long as a call outside would; `sent`: 0 where nobody asks how long it waited."""
        if sent:
            note(self._redis, BULK, sent)
        time.sleep(seconds)

    def urgent(self, since: float) -> None:
        note(self._redis, URGENT, since)
