"""How crashes are counted, with leases and heartbeats that end when the test says so."""

import pytest

from infra.queue.priority import QueueRules
from infra.queue.priority.delivery import QueuePosition
from infra.queue.priority.scripts import CHUNK, FetchRequest, QueueEntry


@pytest.fixture
def lose(scripts, redis):
    """A process takes what waits, begins it, and is not heard of until its leases have ended."""

    def take_and_lose(owner):
        scripts.beat(owner, [])
        fetched = scripts.fetch(FetchRequest(f"{owner}:1", 9, 0, ["p0"]), ())[1]
        for one in fetched:
            if one.crashes:
                scripts.start(one.message_id, f"{owner}:1")
        redis.zadd(f"{scripts.prefix}:owners", {owner: 1})
        redis.zadd(f"{scripts.prefix}:leases", {one.message_id: 1 for one in fetched})
        scripts.beat("judge", [])
        return {one.message_id: one.crashes for one in fetched}

    return take_and_lose


def send(scripts, *ids):
    where = QueuePosition("p0", "", 1)
    scripts.enqueue("test", "1", [QueueEntry(one, -1, where.envelope(b"x")) for one in ids])


def reasons(scripts):
    rows = iter(scripts.rejected("list", 0, 9))
    return {id_.decode(): record.split(b"\x1f")[0] for id_, _, record in zip(rows, rows, rows, strict=True)}


def test_the_third_process_that_is_gone_is_the_last(scripts, lose):
    send(scripts, "a")
    assert [lose(owner) for owner in ("ann", "bob", "cid")] == [{"a": 0}, {"a": 1}, {"a": 2}]
    assert reasons(scripts) == {"a": b"crashed"}


def test_a_process_that_came_back_does_not_hide_later_crashes(scripts, lose):
    """Stopped, or swapped out for a while: then the message kills three others."""
    send(scripts, "a")
    assert lose("away") == {"a": 0}
    scripts.beat("away", [])
    assert [lose(owner) for owner in ("ann", "bob", "cid")] == [{"a": 0}, {"a": 1}, {"a": 2}]
    assert reasons(scripts) == {"a": b"crashed"}


def test_a_process_that_came_back_counts_no_more_when_it_ends_later(scripts, lose, redis):
    send(scripts, "a")
    lose("away")
    scripts.beat("away", [])
    assert lose("ann") == {"a": 0}
    redis.zadd(f"{scripts.prefix}:gone", {"away": 1})
    assert lose("bob") == {"a": 1}


def test_a_silence_of_half_a_lease_gives_those_who_live_time_to_renew(scripts, redis):
    """Redis was away. Who beat just before may have little left of its lease, and no way to say so yet."""
    send(scripts, "a")
    scripts.beat("ann", [])
    scripts.fetch(FetchRequest("ann:1", 1, 0, ["p0"]), ())
    contact = int(redis.hget(f"{scripts.prefix}:state", "contact"))
    redis.hset(f"{scripts.prefix}:state", "contact", contact - QueueRules().lease_ms // 2 - 1)
    redis.zadd(f"{scripts.prefix}:leases", {"a": 1})
    assert scripts.fetch(FetchRequest("bob:1", 1, 0, ["p0"]), ())[1] == []
    assert scripts.beat("ann", [("a", "ann:1")]) == set()


def test_a_process_that_holds_very_many_renews_all_before_any_is_taken_from_it(scripts, redis):
    """More than Lua's stack holds, all with leases that ran out while it could not say that it lives."""
    ids = [f"m{number}" for number in range(10 * CHUNK)]
    where = QueuePosition("p0", "", 1)
    for number in range(10):
        part = ids[number * CHUNK : (number + 1) * CHUNK]
        scripts.enqueue("test", f"n{number}", [QueueEntry(one, -1, where.envelope(b"x")) for one in part])
        scripts.fetch(FetchRequest("ann:1", CHUNK, 0, ["p0"]), ())
    redis.zadd(f"{scripts.prefix}:leases", dict.fromkeys(ids, 1))
    assert scripts.beat("ann", [(one, "ann:1") for one in ids]) == set()
    assert redis.zcount(f"{scripts.prefix}:leases", "-inf", 1) == 0
    assert scripts.beat("ann", [("m1", "ann:1"), ("gone", "ann:1")]) == {("gone", "ann:1")}
