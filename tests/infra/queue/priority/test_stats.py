"""Signals that pools are scaled by: what waits, also unseen, and what came."""

import dramatiq
import pytest
from dramatiq import Message

QUEUE = "work"


@pytest.fixture
def broker(make_broker):
    broker = make_broker()
    dramatiq.actor(lambda: None, actor_name="note", queue_name=QUEUE, broker=broker)
    return broker


def message(actor="note", **options):
    return Message(QUEUE, actor, (), {}, options)


def fall_due(redis, late_ms, *sent):
    seconds, us = redis.time()
    due = seconds * 1000 + us // 1000 - late_ms
    redis.zadd(f"{{priority:{QUEUE}}}:delayed", {one.message_id: due for one in sent})


def test_what_fell_due_while_nobody_fetched_is_overdue(broker, redis):
    early, late, later = message(), message(), message()
    for one in (early, late, later):
        broker.enqueue(one, delay=60_000)
    assert broker.stats(QUEUE)[:3] == (3, 0, None)
    fall_due(redis, 5_000, early)
    fall_due(redis, 1_000, late)
    found = broker.stats(QUEUE)
    assert (found.delayed, found.overdue, found.lanes["bulk"].waiting) == (3, 2, 0)
    assert found.overdue_ms >= 5_000
    assert next(broker.consume(QUEUE, prefetch=1)).message_id == early.message_id
    found = broker.stats(QUEUE)
    assert (found.delayed, found.overdue, found.overdue_ms, found.lanes["bulk"].waiting) == (1, 0, None, 1)


def test_a_message_comes_once_however_often_it_is_put_off(broker, redis):
    unknown = message("unknown")
    broker.enqueue(unknown)
    consumer = broker.consume(QUEUE, prefetch=1, timeout=1)
    for _ in range(3):
        assert next(consumer) is None
        assert next(consumer) is None  # Redis hears of it with the next fetch
        assert broker.stats(QUEUE).delayed == 1
        fall_due(redis, 0, unknown)
    assert broker.stats(QUEUE).lanes["bulk"].inflow == 1


def test_a_delayed_message_comes_when_it_is_sent_and_not_again_when_it_is_due_sooner(broker):
    twice = message(weight=3)
    broker.enqueue(twice, delay=60_000)
    assert broker.stats(QUEUE).lanes["bulk"].inflow == 1
    broker.enqueue(twice)
    assert next(broker.consume(QUEUE, prefetch=1)).message_id == twice.message_id
    found = broker.stats(QUEUE).lanes["bulk"]
    assert (found.inflow, found.inflow_weight) == (1, 3)
