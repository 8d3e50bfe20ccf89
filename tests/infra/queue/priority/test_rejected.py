"""What cannot be delivered is kept for a person and stops no neighbour."""

import json

import dramatiq
import pytest
from dramatiq import Message, Middleware, pipeline

from infra.queue.priority import MessageTooLarge, QueueRules
from infra.queue.priority.delivery import QueuePosition
from infra.queue.priority.scripts import QueueEntry

QUEUE = "work"


def message(name: object = "a", actor: str = "note", **options) -> Message:
    return Message(QUEUE, actor, (name,), {}, options)


@pytest.fixture
def ran():
    return []


@pytest.fixture
def broker(make_broker, ran):
    rules = QueueRules(max_bytes=5_000, rejected_max=3, unknown_actor_grace_ms=300, unknown_actor_retry_ms=30)
    broker = make_broker(rules=rules)
    dramatiq.actor(ran.append, actor_name="note", queue_name=QUEUE, broker=broker)
    return broker


def send_undecodable(broker, message_id="bad"):
    where = QueuePosition("p0", "", 1)
    broker._scripts_of(QUEUE).enqueue("test", message_id, [QueueEntry(message_id, -1, where.envelope(b"{no json"))])


def test_an_undecodable_message_stops_no_neighbour(broker, ran, run_worker):
    send_undecodable(broker)
    broker.enqueue_many([message(number) for number in range(15)])
    run_worker(broker)
    broker.join(QUEUE, timeout=10_000)
    assert sorted(ran) == list(range(15))
    (found,) = broker.rejected(QUEUE)
    assert (found.message_id, found.reason, found.encoded) == ("bad", "undecodable", b"{no json")
    assert found.decode() is None


def test_messages_that_dramatiq_could_not_handle_stop_no_neighbour(broker, ran, run_worker):
    """Decodable they are. Each would raise where nobody catches it, or never be settled."""
    wrongs = ({"actor_name": ["note"]}, {"kwargs": []}, {"options": None}, {"queue_name": "other"}, {"message_id": "b"})
    for number, wrong in enumerate(wrongs):
        encoded = json.dumps({**message().asdict(), "message_id": str(number), **wrong}).encode()
        entry = QueueEntry(str(number), -1, QueuePosition("p0", "", 1).envelope(encoded))
        broker._scripts_of(QUEUE).enqueue("test", str(number), [entry])
    broker.enqueue_many([message(number) for number in range(15)])
    run_worker(broker)
    broker.join(QUEUE, timeout=10_000)
    assert sorted(ran) == list(range(15))
    assert broker.stats(QUEUE).rejected_dropped == len(wrongs) - 3
    assert {found.reason for found in broker.rejected(QUEUE)} == {"undecodable"}


def test_a_message_that_is_too_large_stops_no_neighbour(broker, ran, run_worker):
    large, small = message("x" * 6_000), message("small")
    with pytest.raises(MessageTooLarge):
        broker.enqueue_many([large, small])
    run_worker(broker)
    broker.join(QUEUE, timeout=10_000)
    assert ran == ["small"]
    (found,) = broker.rejected(QUEUE)
    assert (found.message_id, found.reason) == (large.message_id, "too_large")
    assert found.decode().args == large.args


def test_ten_megabytes_stop_no_neighbour_at_default_rules(make_broker, ran, run_worker):
    broker = make_broker()
    dramatiq.actor(ran.append, actor_name="note", queue_name=QUEUE, broker=broker)
    with pytest.raises(MessageTooLarge):
        broker.enqueue_many([message("x" * 10_000_000), message("small")])
    run_worker(broker)
    broker.join(QUEUE, timeout=10_000)
    assert ran == ["small"]
    assert [(found.reason, len(found.encoded) > 10_000_000) for found in broker.rejected(QUEUE)] == [
        ("too_large", True)
    ]


def test_the_sender_hears_which_are_too_large_and_by_how_much_and_the_rest_is_sent(broker):
    """In more than one call to Redis, and in another queue."""
    heard = []

    class Ears(Middleware):
        def after_enqueue(self, _broker, message, _delay):
            heard.append(message.message_id)

    broker.add_middleware(Ears())
    broker.declare_queue("other")
    small = [message(number) for number in range(600)]
    large = [message("x" * 6_000), message("x" * 7_000).copy(queue_name="other")]
    with pytest.raises(MessageTooLarge, match="larger than 5,000 bytes") as caught:
        broker.enqueue_many([large[0], *small, large[1]])
    assert set(caught.value.sizes) == {one.message_id for one in large}
    assert 6_000 < caught.value.sizes[large[0].message_id] < 7_000 < caught.value.sizes[large[1].message_id]
    assert caught.value.max_bytes == 5_000
    assert broker.stats(QUEUE).lanes["bulk"].waiting == 600
    assert heard == [one.message_id for one in small]


@pytest.mark.parametrize("excess", [0, 1])
def test_the_limit_is_of_what_lies_in_redis(make_broker, excess):
    broker, one = make_broker(), message("x")
    size = len(broker._entry(one, None).envelope)
    broker = make_broker(rules=QueueRules(max_bytes=size - excess))
    if excess:
        with pytest.raises(MessageTooLarge):
            broker.enqueue(one)
    else:
        broker.enqueue(one)
    assert len(broker.rejected(QUEUE)) == excess


def test_what_dramatiq_sends_while_a_message_ends_has_nobody_to_tell(broker, caplog):
    """The next of a pipeline, made too large by a result: it is kept as rejected, and its sender ends in peace."""
    note = broker.get_actor("note")
    pipeline([note.message("first"), note.message()], broker=broker).run()
    consumer = broker.consume(QUEUE, timeout=10_000)
    delivery = next(consumer)
    broker.emit_after("process_message", delivery, result="x" * 6_000)
    consumer.ack(delivery)
    assert "larger than 5,000 bytes" in caplog.text
    assert "failed" not in caplog.text
    assert [found.reason for found in broker.rejected(QUEUE)] == ["too_large"]


def test_a_message_for_an_unknown_actor_waits_for_one_who_knows_it(make_broker, ran, run_worker, until):
    """A rolling deploy: the old process must not reject what is meant for the new one."""
    broker = make_broker(rules=QueueRules(unknown_actor_grace_ms=14_000, unknown_actor_retry_ms=30))
    dramatiq.actor(ran.append, actor_name="note", queue_name=QUEUE, broker=broker)
    run_worker(broker)
    broker.enqueue_many([message("new", actor="modern"), message("old")])
    until(lambda: ran)
    assert broker.rejected(QUEUE) == []
    modern = make_broker(rules=broker.rules)
    dramatiq.actor(ran.append, actor_name="modern", queue_name=QUEUE, broker=modern)
    dramatiq.actor(ran.append, actor_name="note", queue_name=QUEUE, broker=modern)
    run_worker(modern)
    until(lambda: len(ran) == 2 or broker.rejected(QUEUE))
    assert ran == ["old", "new"]


def test_an_actor_nobody_knows_is_rejected_after_the_grace(broker, run_worker, until):
    run_worker(broker)
    broker.enqueue(message(actor="gone"))
    until(lambda: broker.rejected(QUEUE))
    assert broker.rejected(QUEUE)[0].reason == "unknown_actor"


def test_a_message_that_failed_for_good_is_rejected(broker, run_worker):
    dramatiq.actor(lambda: 1 / 0, actor_name="fail", queue_name=QUEUE, broker=broker, max_retries=0).send()
    run_worker(broker)
    broker.join(QUEUE, timeout=10_000)
    assert broker.rejected(QUEUE)[0].reason == "failed"


def test_rejected_messages_survive_a_flush_and_have_no_end_of_life(broker, redis):
    with pytest.raises(MessageTooLarge):
        broker.enqueue(message("x" * 6_000))
    broker.flush(QUEUE)
    assert len(broker.rejected(QUEUE)) == 1
    assert {redis.ttl(key) for key in redis.scan_iter("*rejected*")} == {-1}


def test_redrive_runs_them_again(broker, ran, run_worker, until):
    send_undecodable(broker)
    broker.enqueue(message("later", actor="gone"))
    run_worker(broker)
    until(lambda: len(broker.rejected(QUEUE)) == 2)
    dramatiq.actor(ran.append, actor_name="gone", queue_name=QUEUE, broker=broker)
    ids = [found.message_id for found in broker.rejected(QUEUE) if found.reason == "unknown_actor"]
    assert broker.redrive(QUEUE, [*ids, "unknown"]) == 1
    until(lambda: ran)
    assert ran == ["later"]
    assert broker.discard(QUEUE, ["bad"]) == 1
    assert broker.rejected(QUEUE) == []


def test_the_cap_is_an_alarm_and_keeps_the_first(broker):
    sent = [message("x" * 6_000) for _ in range(5)]
    with pytest.raises(MessageTooLarge):
        broker.enqueue_many(sent)
    assert {found.message_id for found in broker.rejected(QUEUE)} == {one.message_id for one in sent[:3]}
    found = broker.stats(QUEUE)
    assert (found.rejected, found.rejected_dropped) == (3, 2)
    assert len(broker.rejected(QUEUE, offset=2, count=5)) == 1
    broker.acknowledge_dropped(QUEUE, 1)
    assert broker.stats(QUEUE).rejected_dropped == 1
    broker.acknowledge_dropped(QUEUE, 5)
    assert broker.stats(QUEUE).rejected_dropped == 0


def test_rejected_messages_are_listed_and_sent_again_in_pages_of_4_mb(make_broker, ran):
    """Else a page of large ones would hold Redis up, and fill the memory of who asks."""
    broker = make_broker(rules=QueueRules(max_bytes=1_000))
    dramatiq.actor(ran.append, actor_name="note", queue_name=QUEUE, broker=broker)
    scripts = broker._scripts_of(QUEUE)
    sent = [message(str(number) + "x" * 1_500_000) for number in range(6)] + [message("y" * 5_000_000)]
    for number, one in enumerate(sent):
        scripts.enqueue(
            "test", str(number), [QueueEntry(one.message_id, -1, QueuePosition("bulk", "", 1).envelope(one.encode()))]
        )
    pages, offset = [], 0
    while page := broker.rejected(QUEUE, offset=offset):
        pages.append(len(page))
        offset += len(page)
    assert pages == [2, 2, 2, 1]
    assert broker.redrive(QUEUE, [one.message_id for one in sent]) == 7
    assert broker.rejected(QUEUE) == []
    assert broker.stats(QUEUE).lanes["bulk"].waiting == 7


@pytest.mark.parametrize("lost", ["rejected", "rejected:records"])
def test_a_list_of_rejected_messages_of_which_part_is_lost_can_be_read(broker, redis, lost):
    """A record without a place gets one, a place without a record goes."""
    sent = [message("x" * 6_000), message("y" * 6_000)]
    broker._scripts_of(QUEUE).enqueue(
        "test",
        "1",
        [QueueEntry(one.message_id, -1, QueuePosition("bulk", "", 1).envelope(one.encode())) for one in sent],
    )
    redis.delete(f"{{priority:{QUEUE}}}:{lost}")
    found = {one.message_id for one in broker.rejected(QUEUE)}
    assert found == ({one.message_id for one in sent} if lost == "rejected" else set())
    assert broker.stats(QUEUE).rejected == len(found)


def test_what_was_counted_of_lost_rejected_messages_drops_no_new_ones(make_broker, redis):
    broker = make_broker(rules=QueueRules(max_bytes=100, rejected_max_bytes=10_000))
    scripts = broker._scripts_of(QUEUE)

    def reject(name):
        scripts.enqueue("test", name, [QueueEntry(name, -1, QueuePosition("bulk", "", 1).envelope(b"x" * 6_000))])

    reject("a")
    redis.delete(f"{scripts.prefix}:rejected", f"{scripts.prefix}:rejected:records")
    reject("b")
    assert redis.hkeys(f"{scripts.prefix}:rejected:records") == [b"b"]
    reject("c")
    assert broker.stats(QUEUE).rejected_dropped == 1
