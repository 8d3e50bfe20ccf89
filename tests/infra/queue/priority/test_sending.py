"""What Dramatiq enqueues while a message ends (its retry, the next of a pipeline) arrives once, whatever Redis does."""

import threading

import dramatiq
import dramatiq.worker
import pytest
from dramatiq import pipeline
from dramatiq.errors import ConnectionClosed

from infra.queue.priority.scripts import Scripts

QUEUE = "default"


@pytest.fixture
def broker(each_redis, make_broker, monkeypatch):
    monkeypatch.setattr(dramatiq.worker, "CONSUMER_RESTART_DELAY_SECS", 0.02)
    return make_broker(client=each_redis, lease_ms=1000)


@pytest.fixture
def refused(monkeypatch):
    """Ids that Redis refused to take, in order."""
    ids, enqueue = [], Scripts.enqueue

    def watched(scripts, producer, number, entries):
        try:
            return enqueue(scripts, producer, number, entries)
        except ConnectionClosed:
            ids.extend(entry.message_id for entry in entries)
            raise

    monkeypatch.setattr(Scripts, "enqueue", watched)
    return ids


@pytest.mark.parametrize("setting", ["maxmemory", "min-replicas-to-write"])
def test_a_redis_that_refuses_writes_loses_no_retry_and_no_next_step(broker, run_worker, until, refused, setting):
    ran, begun, may_end = [], [], threading.Event()

    @dramatiq.actor(broker=broker, min_backoff=1, max_backoff=1)
    def shaky(name):
        begun.append(name)
        assert may_end.wait(20)
        if begun.count(name) == 1:
            raise ValueError("meant")
        ran.append(name)

    @dramatiq.actor(broker=broker)
    def first():
        begun.append("first")
        assert may_end.wait(20)
        return "second"

    second = dramatiq.actor(ran.append, actor_name="second", broker=broker)
    pipeline([first.message(), second.message()], broker=broker).run()
    shaky.send("retry")
    run_worker(broker)
    until(lambda: len(begun) == 2)
    broker.client.config_set(setting, 1)
    try:
        may_end.set()
        until(lambda: refused)
    finally:
        broker.client.config_set(setting, 0)
    broker.join(QUEUE, timeout=10_000)
    assert sorted(ran) == ["retry", "second"]
    assert begun.count("first") == 1
