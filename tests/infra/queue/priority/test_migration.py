import time

import dramatiq
import pytest
from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker

from infra.queue.priority import QueueRules
from infra.queue.priority.migration import move_from_dramatiq

QUEUE = "default"


@pytest.fixture
def old(redis):
    broker = RedisBroker(client=redis)
    broker.declare_queue(QUEUE)
    return broker


def test_waiting_and_delayed_messages_move_with_their_options_and_due_times(old, make_broker, run_worker):
    ran = []
    new = make_broker()
    dramatiq.actor(lambda name: ran.append((name, time.monotonic())), actor_name="note", broker=new)
    began = time.monotonic()
    old.enqueue(Message(QUEUE, "note", ("delayed",), {}, {}), delay=400)
    old.enqueue(Message(QUEUE, "note", ("bulk",), {}, {}))
    old.enqueue(Message(QUEUE, "note", ("urgent",), {}, {"lane": "p0"}))
    assert move_from_dramatiq(old, new, QUEUE) == 3
    old.join(QUEUE, timeout=1000)
    run_worker(new, threads=1)
    new.join(QUEUE, timeout=10_000)
    assert [name for name, _ in ran] == ["urgent", "bulk", "delayed"]
    assert ran[-1][1] - began >= 0.39


def test_it_may_be_interrupted_and_repeated(old, make_broker, monkeypatch):
    new = make_broker()
    old.enqueue(Message(QUEUE, "note", (1,), {}, {}))
    consumer = old.consume(QUEUE)
    monkeypatch.setattr(type(consumer), "ack", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        move_from_dramatiq(old, new, QUEUE)
    monkeypatch.undo()
    old.do_requeue(QUEUE, *old.client.smembers(f"dramatiq:__acks__.{old.broker_id}.{QUEUE}"))
    assert move_from_dramatiq(old, new, QUEUE) == 1
    assert new.stats(QUEUE).lanes["bulk"].waiting == 1


def test_messages_that_an_old_worker_holds_come_later(old, make_broker):
    new = make_broker()
    old.enqueue(Message(QUEUE, "note", (1,), {}, {}))
    worker = old.consume(QUEUE, prefetch=1)
    held = next(worker)
    assert move_from_dramatiq(old, new, QUEUE) == 0
    worker.requeue([held])
    assert move_from_dramatiq(old, new, QUEUE) == 1


def test_a_message_whose_options_mean_something_else_here_stops_no_other(old, make_broker):
    new = make_broker()
    old.enqueue(Message(QUEUE, "note", (1,), {}, {"weight": "12 kg"}))
    old.enqueue(Message(QUEUE, "note", (2,), {}, {}))
    assert move_from_dramatiq(old, new, QUEUE) == 1
    assert new.stats(QUEUE).lanes["bulk"].waiting == 1
    assert old.client.zcard(f"dramatiq:{QUEUE}.XQ") == 1
    old.join(QUEUE, timeout=1000)


def test_a_message_that_is_too_large_here_is_a_rejected_message_here(old, make_broker):
    new = make_broker(rules=QueueRules(max_bytes=1_000))
    old.enqueue(Message(QUEUE, "note", ("x" * 2_000,), {}, {}))
    assert move_from_dramatiq(old, new, QUEUE) == 1
    assert [found.reason for found in new.rejected(QUEUE)] == ["too_large"]
    assert old.client.zcard(f"dramatiq:{QUEUE}.XQ") == 0
    old.join(QUEUE, timeout=1000)
