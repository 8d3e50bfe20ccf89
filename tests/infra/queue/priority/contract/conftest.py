"""Both brokers with the same middleware: Dramatiq's own, and ours."""

from collections.abc import Callable, Iterator

import dramatiq
import pytest
from dramatiq import Broker, Middleware, Worker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AgeLimit, CurrentMessage, Pipelines, Retries, TimeLimit
from redis import Redis

from infra.queue.priority import PriorityBroker


class Hooks(Middleware):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def __getattribute__(self, name: str):
        if name.startswith(("before_", "after_")):
            return lambda *_args, **_kwargs: self.told.append(name)
        return super().__getattribute__(name)


@pytest.fixture(params=[RedisBroker, PriorityBroker])
def broker(request: pytest.FixtureRequest, each_redis: Redis) -> Iterator[Broker]:
    middleware = [
        AgeLimit(),
        TimeLimit(interval=50),
        Pipelines(),
        Retries(min_backoff=1, max_backoff=5),
        CurrentMessage(),
    ]
    broker = request.param(client=each_redis, middleware=middleware)
    dramatiq.set_broker(broker)
    yield broker
    broker.close()


@pytest.fixture
def finish(broker: Broker, run_worker: Callable[..., Worker]) -> Callable[[], None]:
    """Run all messages to their ends."""

    def run() -> None:
        worker = run_worker(broker)
        for queue in broker.get_declared_queues():
            broker.join(queue, interval=5, timeout=10_000)
        worker.join()

    return run


@pytest.fixture
def make_hooks() -> type[Hooks]:
    return Hooks
