"""A Redis that has reached its maxmemory takes nothing new, and can be drained."""

import pytest
from dramatiq.errors import BrokerConnectionError
from redis.exceptions import ResponseError

from infra.queue.priority import QueueRules
from infra.queue.priority.delivery import QueuePosition
from infra.queue.priority.rejected import UNKNOWN_ACTOR
from infra.queue.priority.scripts import FetchRequest, QueueEntry, Scripts, Settlement

LANES = ("p0", "bulk")
TOKEN = "ann:1"


@pytest.fixture
def scripts(each_redis):
    return Scripts(each_redis, "full", "q", QueueRules(max_bytes=100))


@pytest.fixture
def fill(each_redis):
    yield lambda: each_redis.config_set("maxmemory", 1)
    each_redis.config_set("maxmemory", 0)


def send(scripts, *ids, number="1", size=10, delay=-1):
    where = QueuePosition("bulk", "", 1)
    scripts.enqueue("test", number, [QueueEntry(one, delay, where.envelope(b"x" * size)) for one in ids])


def fetch(scripts, token=TOKEN, room=1, ends=()):
    return [one.message_id for one in scripts.fetch(FetchRequest(token, room, 0, LANES), ends)[1]]


def test_nothing_new_is_taken(scripts, fill):
    fill()
    with pytest.raises((ResponseError, BrokerConnectionError), match="maxmemory"):
        send(scripts, "a")
    assert scripts.size() == 0


def test_what_waits_is_fetched_and_settled(scripts, fill):
    send(scripts, "a", "b")
    fill()
    assert fetch(scripts) == ["a"]
    assert fetch(scripts, "ann:2", 1, [Settlement("a", TOKEN, "")]) == ["b"]
    assert scripts.settle([Settlement("b", "ann:2", "failed")]) == 1
    assert scripts.size() == 0


def test_an_idle_fetch_passes_with_a_due_message_to_promote(scripts, fill, each_redis):
    send(scripts, "a", delay=60_000)
    each_redis.zadd(f"{scripts.prefix}:delayed", {"a": 1})
    fill()
    assert fetch(scripts) == ["a"]


def test_what_runs_keeps_its_lease(scripts, fill, each_redis):
    send(scripts, "a")
    fetch(scripts)
    each_redis.zadd(f"{scripts.prefix}:leases", {"a": 1})
    fill()
    assert scripts.beat("ann", [("a", TOKEN)]) == set()
    assert fetch(scripts, "bob:1") == [], "else it would run beside itself"
    assert scripts.settle([Settlement("a", TOKEN, "")]) == 1


def test_a_suspect_is_noted_before_it_runs(scripts, fill, each_redis):
    send(scripts, "a")
    fetch(scripts)
    fill()
    scripts.start("a", TOKEN)
    assert TOKEN.encode() in each_redis.hget(f"{scripts.prefix}:history", "a")


def test_a_retry_takes_the_place_of_its_delivery(scripts, fill):
    send(scripts, "a")
    fetch(scripts)
    fill()
    send(scripts, "a", number="2", delay=60_000)
    assert scripts.settle([Settlement("a", TOKEN, "")]) == 0
    assert scripts.known(["a"]) == {"a"}


def test_rejected_messages_can_be_discarded(scripts, fill):
    send(scripts, "a", size=200)
    fill()
    assert scripts.change_rejected("discard", ["a"]) == 1


@pytest.mark.parametrize(("since_ms", "wanted"), [("9999999999999", (1, 0)), ("1", (0, 1))])
def test_an_unknown_actors_message_is_put_off_or_rejected(scripts, fill, each_redis, since_ms, wanted):
    send(scripts, "a")
    fetch(scripts)
    history = f'{{"redelivered":0,"owners":[],"unknown_since_ms":{since_ms}}}'
    each_redis.hset(f"{scripts.prefix}:history", "a", history)
    fill()
    assert scripts.settle([Settlement("a", TOKEN, UNKNOWN_ACTOR)]) == 1
    found = scripts.stats(LANES)
    assert (found[0], found[4]) == wanted
