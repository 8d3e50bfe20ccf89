"""Builds either way on given stores, for worker processes and for the sweeping driver alike."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dramatiq import Broker, Message, Middleware
from dramatiq.brokers.redis import RedisBroker
from redis import Redis

from benchmarks.binding.bells import MarkedBells, make_broker
from benchmarks.binding.course import LANE, Course, Way
from benchmarks.binding.ids import Ids
from benchmarks.binding.late import Late
from infra.queue.broker import connect_redis
from infra.tables.pool import Database

THREADS = 4
WAYS = ("ids", "late")


class Sent(Middleware):
    """Counts messages on their way into the broker."""

    def __init__(self) -> None:
        self.count = 0
        self._lock = threading.Lock()

    def after_enqueue(self, _broker: Broker, _message: Message[object], _delay: int | None) -> None:
        with self._lock:
            self.count += 1


@dataclass(frozen=True, slots=True)
class Wired:
    """One process's end of a way."""

    way: Way
    db: Database
    broker: RedisBroker
    redis: Redis
    sent: Sent


@contextmanager
def wired(name: str, course: Course, database_url: str, redis_url: str) -> Iterator[Wired]:
    """The way called `name`."""
    sent = Sent()
    with Database(database_url, THREADS + 2) as db, connect_redis(redis_url) as client:
        broker = make_broker(client, LANE, sent)
        ways: dict[str, Way] = {
            "ids": Ids(db, broker, client, course),
            "late": Late(db, MarkedBells(broker, client), course),
        }
        yield Wired(ways[name], db, broker, client, sent)
