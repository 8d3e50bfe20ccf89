"""A flood of messages for an actor that no process has costs those of known actors little."""

import dramatiq
import pytest
from dramatiq import Message

from infra.queue.priority.consumer import PriorityConsumer
from infra.queue.priority.scripts import Scripts

QUEUE = "work"
FLOOD = 2_000


def message(actor="note", **options):
    return Message(QUEUE, actor, (), {}, options)


@pytest.fixture
def broker(make_broker):
    broker = make_broker()
    dramatiq.actor(lambda: None, actor_name="note", queue_name=QUEUE, broker=broker)
    return broker


@pytest.fixture
def calls(monkeypatch):
    """Round trips by script, a wait for the bell included."""
    made = []
    call, listen = Scripts._call, Scripts.fetch_when_rung
    monkeypatch.setattr(Scripts, "_call", lambda self, name, *args: made.append(name) or call(self, name, *args))
    monkeypatch.setattr(Scripts, "fetch_when_rung", lambda *args: made.append("listen") or listen(*args))
    return made


def reach_the_known_one(broker, redis, calls) -> tuple[int, int]:
    """Send one known message behind a flood. Returns round trips and Redis commands until it is handed over."""
    known = message()
    broker.enqueue_many([*(message("modern") for _ in range(FLOOD)), known])
    consumer = broker.consume(QUEUE, prefetch=16, timeout=10_000)
    calls.clear()
    redis.config_resetstat()
    assert next(consumer).message_id == known.message_id
    done = sum(entry["calls"] for entry in redis.info("commandstats").values())
    consumer.close()
    return len(calls), done


def test_a_known_message_is_reached_in_few_round_trips_behind_a_flood_of_unknown_ones(broker, redis, calls):
    trips, commands = reach_the_known_one(broker, redis, calls)
    assert trips < FLOOD / 50
    assert commands < 5 * FLOOD
    assert set(calls) <= {"fetch", "listen", "requeue", "settle"}
    assert broker.stats(QUEUE).delayed == FLOOD


def test_without_looking_past_them_it_takes_as_many_fetches_as_the_prefetch_is_smaller(
    broker, redis, calls, monkeypatch
):
    """The control of the test above. Before, each unknown message was a round trip more."""
    monkeypatch.setattr(PriorityConsumer, "_look_past_unknown", lambda _: None)
    trips, _ = reach_the_known_one(broker, redis, calls)
    assert trips >= FLOOD / 16


def test_what_was_fetched_beyond_the_prefetch_goes_back_to_its_place(broker, make_broker):
    broker.enqueue_many([message("modern", lane="bulk") for _ in range(200)])
    sent = [message(lane="bulk") for _ in range(100)]
    broker.enqueue_many(sent)
    consumer = broker.consume(QUEUE, prefetch=16, timeout=1_000)
    assert next(consumer).message_id == sent[0].message_id
    assert broker._worker_states.first.local_queues[QUEUE].size <= 16
    assert broker.stats(QUEUE).lanes["bulk"].waiting >= 84
    other = make_broker()
    other.actors = broker.actors
    assert next(other.consume(QUEUE, prefetch=1)).message_id in {one.message_id for one in sent[1:20]}


def test_unknown_ones_take_no_place_from_the_first_lane(broker):
    broker.enqueue_many([message("modern", lane="p0") for _ in range(10)])
    soon = message(lane="p0")
    broker.enqueue_many([message(lane="bulk"), soon])
    assert next(broker.consume(QUEUE, prefetch=2, timeout=1_000)).message_id == soon.message_id
