"""What Dramatiq enqueues while a message ends (its retry, the next of a pipeline) arrives once, whatever Redis does."""

import threading
from unittest.mock import Mock

import dramatiq
import dramatiq.worker
import pytest
from dramatiq import Middleware, group, pipeline
from dramatiq.errors import ConnectionClosed
from dramatiq.middleware import GroupCallbacks
from dramatiq.rate_limits.backends import StubBackend
from redis.exceptions import NoPermissionError

from infra.queue.priority.scripts import Scripts

QUEUE = "default"


@pytest.fixture
def broker(each_redis, make_broker, monkeypatch):
    monkeypatch.setattr(dramatiq.worker, "CONSUMER_RESTART_DELAY_SECS", 0.02)
    return make_broker(client=each_redis, lease_ms=3000)


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


@pytest.fixture
def lose_answers(monkeypatch):
    """Redis does what it is told, and the answer to each send is lost while the list is not empty."""
    lost, enqueue = [], Scripts.enqueue

    def without_answer(scripts, producer, number, entries):
        answer = enqueue(scripts, producer, number, entries)
        if lost:
            raise ConnectionClosed("lost on the wire")
        return answer

    monkeypatch.setattr(Scripts, "enqueue", without_answer)
    return lost


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


def test_what_arrived_and_ran_is_not_sent_again_because_its_answer_was_lost(make_broker, lose_answers):
    """A retry and the next of a pipeline, both of which another process runs before the link is back."""
    broker, other = make_broker(), make_broker()
    note = dramatiq.actor(print, actor_name="note", broker=broker, min_backoff=1, max_backoff=1)
    dramatiq.actor(print, actor_name="note", broker=other)
    broker.enqueue(note.message("retry"))
    consumer, others = broker.consume(QUEUE, timeout=50), other.consume(QUEUE, prefetch=2, timeout=10_000)
    delivery = next(consumer)

    class AndAnother(Middleware):
        def after_process_message(self, broker, _message, *, result=None, exception=None):
            broker.enqueue(note.message("next"))

    broker.add_middleware(AndAnother())
    lose_answers.append("all")
    broker.emit_after("process_message", delivery, exception=ValueError("meant"))
    lose_answers.clear()
    ran = [next(others), next(others)]
    for one in ran:
        others.ack(one)
    others.close()
    consumer.ack(delivery)
    broker._worker_states.first.local_queues[QUEUE].ended()  # as a heartbeat beside the consumer may
    assert sorted(one.args[0] for one in ran) == ["next", "retry"]
    assert next(consumer) is None
    assert broker.known(QUEUE, [one.message_id for one in ran]) == set()


def test_a_thread_goes_on_sending_beside_what_it_keeps(make_broker, lose_answers):
    broker = make_broker()
    note = dramatiq.actor(print, actor_name="note", broker=broker, min_backoff=1, max_backoff=1)
    broker.enqueue(note.message("retry"))
    consumer = broker.consume(QUEUE, prefetch=4, timeout=10_000)
    delivery = next(consumer)
    lose_answers.append("one")
    broker.emit_after("process_message", delivery, exception=ValueError("meant"))
    lose_answers.clear()
    retry = next(consumer)
    broker.enqueue(note.message("more"))
    consumer.ack(retry)
    more = next(consumer)
    consumer.ack(delivery)
    assert more.args == ("more",)
    consumer.ack(more)
    assert next(broker.consume(QUEUE, timeout=50)) is None


def test_a_message_that_cannot_be_sent_yet_holds_up_no_other(make_broker, monkeypatch):
    """Workers empty a full Redis, and they must continue although there is no room for their next steps."""
    broker = make_broker()
    note = dramatiq.actor(print, actor_name="note", broker=broker, min_backoff=1, max_backoff=1)
    broker.enqueue_many([note.message("retry"), note.message("other")])
    consumer = broker.consume(QUEUE, timeout=10_000)
    delivery = next(consumer)
    with monkeypatch.context() as patch:
        patch.setattr(Scripts, "enqueue", Mock(side_effect=ConnectionClosed("no room")))
        broker.emit_after("process_message", delivery, exception=ValueError("meant"))
        consumer.ack(delivery)
        other = next(consumer)
        consumer.ack(other)
        assert other.args == ("other",)
        assert broker.known(QUEUE, [delivery.message_id])
    broker._worker_states.first.local_queues[QUEUE].beat()
    retry = next(consumer)
    assert (retry.args, retry.options["retries"]) == (("retry",), 1)


def test_what_redis_refuses_for_good_is_kept_with_its_sender_all_the_same(make_broker, redis, monkeypatch):
    """A right that was taken away, a script that broke off: nobody else would ever send the retry.

    Redis has noted the number of the call by then, and takes nothing under it any more.
    """

    def break_off(scripts, producer, number, _entries):
        redis.set(f"{scripts.prefix}:producer:{producer}", number)
        raise NoPermissionError("no right")

    broker = make_broker()
    note = dramatiq.actor(print, actor_name="note", broker=broker, min_backoff=1, max_backoff=1)
    note.send("retry")
    consumer = broker.consume(QUEUE, timeout=10_000)
    delivery = next(consumer)
    with monkeypatch.context() as patch:
        patch.setattr(Scripts, "enqueue", break_off)
        broker.emit_after("process_message", delivery, exception=ValueError("meant"))
        consumer.ack(delivery)
        assert broker._worker_states.first.local_queues[QUEUE].ended() == {}
        broker._worker_states.first.local_queues[QUEUE].beat()
        with pytest.raises(NoPermissionError):
            note.send("nobody's")
    assert next(consumer).options["retries"] == 1


def test_nothing_more_is_fetched_while_too_many_cannot_send(make_broker, monkeypatch):
    """Each would run again and again: their leases end when they are too many to be renewed."""
    monkeypatch.setattr("infra.queue.priority.consumer.UNSENT_MAX", 1)
    monkeypatch.setattr("infra.queue.priority.local_queue.CHUNK", 1)
    broker = make_broker()
    note = dramatiq.actor(print, actor_name="note", broker=broker, min_backoff=60_000)
    broker.enqueue_many([note.message(number) for number in range(5)])
    consumer = broker.consume(QUEUE, timeout=50)
    begun = []
    with monkeypatch.context() as patch:
        patch.setattr(Scripts, "enqueue", Mock(side_effect=ConnectionClosed("no room")))
        while delivery := next(consumer):
            begun.append(delivery)
            broker._worker_states.first.local_queues[QUEUE].beat()
            broker.emit_after("process_message", delivery, exception=ValueError("meant"))
            consumer.ack(delivery)
        broker._worker_states.first.local_queues[QUEUE].beat()
        assert next(consumer) is None
    assert len(begun) < 5
    broker._worker_states.first.local_queues[QUEUE].beat()
    assert next(consumer)


@pytest.fixture
def lanes_of(broker, run_worker):
    """Run what was sent, and tell in which lane each message was received."""
    seen = {}

    class Eyes(Middleware):
        def before_process_message(self, _broker, message):
            seen[message.actor_name] = message.options["lane"]

    broker.add_middleware(Eyes())

    def run():
        run_worker(broker)
        broker.join(QUEUE, timeout=10_000)
        return seen

    return run


def test_a_pipeline_keeps_its_lane(broker, lanes_of):
    steps = [dramatiq.actor(lambda *_: None, actor_name=name, broker=broker) for name in ("first", "second", "third")]
    named = dramatiq.actor(lambda *_: None, actor_name="named", broker=broker, lane="p1")
    first, second, third = (step.message() for step in steps)
    pipeline([first.copy(options={"lane": "p0"}), second, named.message(), third], broker=broker).run()
    # An actor that names a lane has it, and what follows goes on in that one.
    assert lanes_of() == {"first": "p0", "second": "p0", "named": "p1", "third": "p1"}


def test_what_follows_a_group_keeps_its_lane(broker, lanes_of):
    broker.add_middleware(GroupCallbacks(StubBackend()))
    part, last = (dramatiq.actor(lambda: None, actor_name=name, broker=broker) for name in ("part", "last"))
    parts = group([part.message_with_options(lane="p0") for _ in range(3)], broker=broker)
    parts.add_completion_callback(last.message())
    parts.run()
    assert lanes_of() == {"part": "p0", "last": "p0"}


def test_what_an_actor_sends_itself_has_the_lane_that_it_names(broker, lanes_of):
    other = dramatiq.actor(lambda: None, actor_name="other", broker=broker)
    sender = dramatiq.actor(lambda: other.send() and None, actor_name="sender", broker=broker)
    sender.send_with_options(lane="p0")
    assert lanes_of() == {"sender": "p0", "other": "bulk"}
