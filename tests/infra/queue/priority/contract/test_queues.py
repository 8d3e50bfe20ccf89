"""Queues behave as with Dramatiq's own broker; docs/reference/priority-broker.md lists the differences."""

import threading
import time

import dramatiq
import dramatiq.worker
import pytest
from dramatiq import Worker
from dramatiq.errors import QueueJoinTimeout
from dramatiq.middleware import (
    AsyncIO,
)


def test_delay_is_a_minimum(broker, finish):
    times = []
    actor = dramatiq.actor(lambda: times.append(time.monotonic()), actor_name="a")
    sent = time.monotonic()
    actor.send_with_options(delay=200)
    finish()
    assert times[0] - sent >= 0.199


def test_delayed_messages_run_by_due_time(broker, run_worker):
    ran = []
    actor = dramatiq.actor(ran.append, actor_name="a")
    for delay in (300, 100, 200):
        actor.send_with_options(args=(delay,), delay=delay)
    run_worker(broker, threads=1)
    broker.join("default", timeout=10_000)
    assert ran == [100, 200, 300]


def test_join_gives_up(broker):
    dramatiq.actor(lambda: None, actor_name="a").send()
    with pytest.raises(QueueJoinTimeout):
        broker.join("default", timeout=50)


def test_join_waits_for_delayed_messages(broker):
    dramatiq.actor(lambda: None, actor_name="a").send_with_options(delay=10_000)
    with pytest.raises(QueueJoinTimeout):
        broker.join("default", timeout=50)


def test_join_of_an_empty_queue_returns(broker):
    broker.declare_queue("empty")
    broker.join("empty", timeout=1000)


def test_flush_drops_waiting_and_delayed_messages(broker, finish):
    ran = []
    actor = dramatiq.actor(ran.append, actor_name="a")
    actor.send(1)
    actor.send_with_options(args=(2,), delay=50)
    broker.flush("default")
    finish()
    assert ran == []


def test_flush_leaves_other_queues(broker, finish):
    ran = []
    dramatiq.actor(ran.append, actor_name="a", queue_name="kept").send(1)
    broker.declare_queue("other")
    broker.flush("other")
    finish()
    assert ran == [1]


def test_flush_all(broker, finish):
    ran = []
    for queue in ("one", "two"):
        dramatiq.actor(ran.append, actor_name=queue, queue_name=queue).send(queue)
    broker.flush_all()
    finish()
    assert ran == []


def test_a_queue_can_be_used_after_a_flush(broker, finish):
    ran = []
    actor = dramatiq.actor(ran.append, actor_name="a")
    actor.send(1)
    broker.flush("default")
    actor.send(2)
    finish()
    assert ran == [2]


def test_consuming_by_hand(broker):
    actor = dramatiq.actor(lambda _: None, actor_name="a")
    for number in range(2):
        actor.send(number)
    consumer = broker.consume("default", prefetch=2, timeout=50)
    for number in range(2):
        message = next(consumer)
        assert message.args == (number,)
        consumer.ack(message)
    assert next(consumer) is None
    consumer.close()
    broker.join("default", timeout=1000)


def test_prefetch_counts_what_is_not_acknowledged(broker):
    actor = dramatiq.actor(lambda _: None, actor_name="a")
    for number in range(2):
        actor.send(number)
    consumer = broker.consume("default", prefetch=1, timeout=20)
    first = next(consumer)
    assert next(consumer) is None
    consumer.ack(first)
    assert next(consumer).args == (1,)
    consumer.close()


def test_a_requeued_message_is_delivered_again(broker):
    dramatiq.actor(lambda _: None, actor_name="a").send(1)
    consumer = broker.consume("default", prefetch=1, timeout=50)
    message = next(consumer)
    consumer.requeue([message])
    consumer.close()
    again = next(broker.consume("default", prefetch=1, timeout=50))
    assert again.message_id == message.message_id


def test_pause_stops_and_resume_goes_on(broker, run_worker, monkeypatch):
    monkeypatch.setattr(dramatiq.worker, "CONSUMER_RESTART_DELAY_SECS", 0.02)
    ran = []
    actor = dramatiq.actor(ran.append, actor_name="a")
    worker = run_worker(broker, timeout_ms=20)
    worker.pause()
    actor.send(1)
    with pytest.raises(QueueJoinTimeout):
        broker.join("default", timeout=150)
    assert ran == []
    worker.resume()
    broker.join("default", timeout=10_000)
    assert ran == [1]


def test_stopping_gives_back_what_was_not_begun(broker, run_worker):
    begun, may_end = threading.Event(), threading.Event()
    ran = []

    @dramatiq.actor
    def slow(number):
        begun.set()
        may_end.wait(5)
        ran.append(number)

    for number in range(6):
        slow.send(number)
    worker = Worker(broker, worker_threads=1, worker_timeout=20)
    worker.start()
    assert begun.wait(5)
    threading.Timer(0.05, may_end.set).start()
    worker.stop()
    assert ran == [0]
    run_worker(broker)
    broker.join("default", timeout=10_000)
    assert sorted(ran) == list(range(6))


def test_a_failure_stops_nobody(broker, finish):
    ran = []
    bad = dramatiq.actor(fail, actor_name="bad", max_retries=0)
    good = dramatiq.actor(ran.append, actor_name="good")
    for number in range(10):
        bad.send()
        good.send(number)
    finish()
    assert sorted(ran) == list(range(10))


def test_async_actors(broker, finish):
    broker.add_middleware(AsyncIO())
    ran = []

    @dramatiq.actor
    async def note(number):
        ran.append(number)

    note.send(1)
    finish()
    assert ran == [1]


def fail() -> None:
    raise ValueError("meant")
