from contextlib import suppress

import pytest
import structlog
from dramatiq import Actor, Message
from redis import Redis

from domain.alarms import AlarmKind
from infra.engine.author import Author
from infra.engine.replay import ReplayAnswer, replay
from infra.monitoring.alarms import alarm_on_letters
from infra.queue.bells import QUEUE, BellKey, bell
from infra.queue.broker import connect_redis, make_broker
from infra.queue.priority import MessageTooLarge, PriorityBroker, QueueRules
from infra.sweeper.bulk_replay import LetterDuties
from infra.sweeper.rejected_messages import RejectedDuty
from infra.tables.letters import load_causes

LANES = ("p0", "p1", "bulk")
LI = Author("li", "a test of ours")


class Torn(Message):
    """A message of which half arrived."""

    def encode(self) -> bytes:
        return super().encode()[:20] + b"\xff"


@pytest.fixture
def broker(redis_url):
    with connect_redis(redis_url.reveal()) as client:
        broker = make_broker(client, LANES)
        Actor(lambda: None, broker=broker, actor_name="review", queue_name=QUEUE, priority=0, options={})
        yield broker


@pytest.fixture
def duty(harness, broker):
    return RejectedDuty(harness.db, broker)


def reject(broker, *messages):
    """As a worker does that cannot deliver them."""
    broker.enqueue_many(messages)
    consumer = broker.consume(QUEUE, prefetch=len(messages) + 1, timeout=50)
    while (delivery := next(consumer)) is not None:
        consumer.nack(delivery)
    consumer.close()


def send_too_large(broker, number=0):
    message = Message(QUEUE, "review", ("张三 13812345678" * 80_000,), {}, {}, message_id=f"huge-{number}")
    with pytest.raises(MessageTooLarge):
        broker.enqueue(message)


def test_each_becomes_a_letter_without_an_order(harness, broker, duty):
    send_too_large(broker)
    reject(broker, Torn(QUEUE, "review", (), {}, {"lane": "p0"}), Message(QUEUE, "no_such_step", (), {}, {}))
    reject(broker, bell(BellKey("review", "bulk", "")))
    assert duty.run() == 3, "what is for an unknown step is offered for a while first"
    assert sorted(code for code, _ in harness.letters().values()) == [
        "message_failed",
        "message_too_large",
        "message_undecodable",
    ]
    assert harness.rows("SELECT DISTINCT step, order_id, owner FROM dead_letter") == [("queue", None, "engineering")]
    assert broker.rejected(QUEUE) == []
    assert duty.run() == 0


def test_nothing_of_its_content_is_kept(harness, broker, duty):
    send_too_large(broker)
    reject(broker, Message(QUEUE, "13812345678", ("张三",), {}, {"fair_key": "张三"}, message_id="13812345678"))
    reject(broker, Torn(QUEUE, "张三", ("13812345678",), {}, {"fair_key": "13812345678"}))
    duty.run()
    [[kept]] = harness.rows("SELECT string_agg(d::text, ' ') FROM dead_letter AS d")
    assert "review" in kept
    assert "13812345678" not in kept
    assert "张三" not in kept


def test_one_cause_is_one_line(harness, broker, duty):
    for number in range(3):
        send_too_large(broker, number)
    duty.run()
    with harness.db.connection() as connection:
        [cause] = load_causes(connection)
    assert (cause.step, cause.code, cause.letters, cause.orders) == ("queue", "message_too_large", 3, 0)
    with structlog.testing.capture_logs() as lines:
        assert alarm_on_letters(harness.db) == 1, "somebody hears of it"
    assert lines[0]["log_level"] == "error"


def test_more_than_one_round_holds(harness, broker, duty, monkeypatch):
    monkeypatch.setattr("infra.sweeper.rejected_messages.AT_ONCE", 2)
    reject(broker, *(bell(BellKey("review", "bulk", f"shop/{n}")) for n in range(5)))
    assert duty.run() == 5
    assert len(harness.letters()) == 5


def test_whoever_dies_between_letter_and_message_makes_no_second_letter(harness, broker, duty, monkeypatch):
    send_too_large(broker)
    with monkeypatch.context() as patch:
        patch.setattr(PriorityBroker, "discard", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            duty.run()
    assert len(harness.letters()) == len(broker.rejected(QUEUE)) == 1
    assert duty.run() == 1
    assert len(harness.letters()) == 1
    assert broker.rejected(QUEUE) == []


def test_there_is_nothing_to_replay_and_the_sweeper_closes_none(harness, broker, duty):
    send_too_large(broker)
    duty.run()
    [letter_id] = [row[0] for row in harness.rows("SELECT id FROM dead_letter")]
    with harness.db.transaction() as tx:
        [answer], rung = replay(tx, [letter_id], LI)
    assert (answer.answer, rung) == (ReplayAnswer.REFUSED, set())
    assert answer.why is not None
    assert answer.why.code == "message_open"
    LetterDuties(harness.db, harness.bells).run()
    assert len(harness.letters()) == 1


def test_with_redis_away_they_wait(harness, tmp_path):
    away = make_broker(Redis.from_url(f"unix://{tmp_path}/nobody.sock"), LANES)
    assert RejectedDuty(harness.db, away).run() == 0


def test_what_the_cap_dropped_is_an_alarm_once(harness, redis):
    """Also for a sweeper that starts later, which is told of what is dropped since."""
    broker = PriorityBroker(client=redis, lanes=LANES, rules=QueueRules(rejected_max=1, max_bytes=1000))
    broker.declare_queue(QUEUE)

    def told_by_a_new_sweeper(*numbers):
        for number in numbers:
            with suppress(MessageTooLarge):
                broker.enqueue(Message(QUEUE, "review", ("x" * 2000,), {}, {}, message_id=str(number)))
        with structlog.testing.capture_logs() as lines:
            RejectedDuty(harness.db, broker).run()
        return [(x["log_level"], x["messages"]) for x in lines if x["event"] == "rejected_messages_dropped"]

    assert told_by_a_new_sweeper() == []
    assert harness.alarms() == []
    assert told_by_a_new_sweeper(0, 1, 2) == [("error", 2)]
    assert harness.alarms() == [(AlarmKind.REJECTED_MESSAGES_DROPPED, QUEUE, 2)]
    assert told_by_a_new_sweeper() == []
    assert told_by_a_new_sweeper(3, 4) == [("error", 1)]
