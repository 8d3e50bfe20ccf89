"""Dead letters of messages that the broker rejected: seen as others are, discarded, never replayed."""

import json

import pytest
from dramatiq import Message

from infra.queue.bells import QUEUE
from infra.queue.broker import connect_redis, make_broker
from infra.queue.priority import MessageTooLarge
from infra.sweeper.rejected_messages import RejectedDuty

REASON = ("--reason", "the sender is gone")


@pytest.fixture(autouse=True)
def letter(monkeypatch, database, database_url, redis_url) -> str:
    """Of a message that is too large."""
    monkeypatch.setenv("ORDERLANE_DATABASE_URL", database_url.reveal())
    monkeypatch.setenv("ORDERLANE_REDIS_URL", redis_url.reveal())
    with connect_redis(redis_url.reveal()) as client:
        broker = make_broker(client, ("p0", "p1", "bulk"))
        with pytest.raises(MessageTooLarge):
            broker.enqueue(Message(QUEUE, "review", ("x" * 2_000_000,), {}, {"lane": "p1"}))
        RejectedDuty(database, broker).run()
    return "1"


def test_it_is_seen_by_cause_in_lists_and_alone(orderlane, letter) -> None:
    [cause] = json.loads(orderlane("dlq", "causes", "--json").stdout)["causes"]
    assert (cause["step"], cause["code"], cause["letters"], cause["orders"]) == ("queue", "message_too_large", 1, 0)
    [listed] = json.loads(orderlane("dlq", "list", "--step", "queue", "--json").stdout)["letters"]
    assert (str(listed["id"]), listed["lane"], listed["order_id"]) == (letter, "p1", None)
    shown = orderlane("dlq", "show", letter)
    assert shown.exit_code == 0
    assert "bytes for review in lane p1 is too large" in " ".join(shown.stdout.split())


def test_a_replay_is_refused_and_says_what_to_do(orderlane, letter) -> None:
    for args in (("--dry-run",), REASON):
        assert "discard the letter" in " ".join(orderlane("dlq", "replay", letter, *args).stdout.split())
    assert orderlane("dlq", "replay", letter, *REASON).exit_code == 5


def test_it_is_discarded_and_may_be_opened_again(orderlane, letter) -> None:
    done = orderlane("dlq", "discard", letter, *REASON)
    assert done.stdout == "letter 1 discarded\n", done.output
    assert orderlane("dlq", "list").stdout == "no open dead letter matches\n"
    assert orderlane("dlq", "reopen", letter, "--reason", "it was real").exit_code == 0
    assert json.loads(orderlane("dlq", "causes", "--json").stdout)["causes"][0]["letters"] == 1
