"""Part of a queue is gone, by eviction or by hand: what is left stops no other message."""

import dramatiq
import pytest
from dramatiq import Message

from infra.queue.priority.delivery import QueuePosition
from infra.queue.priority.rejected import UNKNOWN_ACTOR
from infra.queue.priority.scripts import FetchRequest, QueueEntry, Settlement

LANES = ("p0", "bulk")
TOKEN = "ann:1"


@pytest.fixture
def lose(redis, scripts):
    """Drop fields of a hash, or all of it."""

    def drop(name, *ids):
        key = f"{scripts.prefix}:{name}"
        assert redis.hdel(key, *ids) if ids else redis.delete(key)

    return drop


@pytest.fixture
def end_leases(redis, scripts):
    def end(*ids):
        redis.zadd(f"{scripts.prefix}:leases", dict.fromkeys(ids, 1))

    return end


def send(scripts, *ids, number="1", delay=-1, lane="bulk", fair=""):
    where = QueuePosition(lane, fair, 1)
    scripts.enqueue("test", number, [QueueEntry(one, delay, where.envelope(b"x")) for one in ids])


def fetch(scripts, token=TOKEN, room=9):
    return [one.message_id for one in scripts.fetch(FetchRequest(token, room, 0, LANES), ())[1]]


def depth(scripts):
    delayed, _, _, in_flight, *rest = scripts.stats(LANES)
    waiting = sum(rest[-5 * number] for number in range(1, len(LANES) + 1))
    return waiting, delayed, in_flight


def test_a_lease_without_its_message_is_dropped(scripts, lose, end_leases):
    send(scripts, "a", "b", "c")
    assert fetch(scripts) == ["a", "b", "c"]
    lose("messages", "b")
    end_leases("a", "b", "c")
    assert fetch(scripts, "bob:1") == ["a", "c"]
    assert depth(scripts) == (0, 0, 2)


def test_a_lease_without_its_delivery_brings_the_message_back(scripts, lose, end_leases):
    send(scripts, "a", "b")
    assert fetch(scripts) == ["a", "b"]
    lose("flight")
    end_leases("a", "b")
    assert scripts.beat("ann", [("a", TOKEN)]) == {("a", TOKEN)}
    assert sorted(fetch(scripts, "bob:1")) == ["a", "b"]


def test_a_due_message_that_is_gone_is_passed_over(scripts, redis, lose):
    send(scripts, "a", "b", delay=60_000)
    lose("messages", "a")
    redis.zadd(f"{scripts.prefix}:delayed", {"a": 1, "b": 2})
    assert fetch(scripts) == ["b"]
    assert depth(scripts) == (0, 0, 1)


def test_a_delivery_whose_message_is_gone_can_be_given_back_ended_and_put_off(scripts, lose):
    send(scripts, "a", "b", "c", "d")
    fetch(scripts)
    lose("messages", "a", "b", "c")
    scripts.requeue([("a", TOKEN), ("d", TOKEN)])
    assert scripts.settle([Settlement("b", TOKEN, "failed")]) == 1
    assert scripts.settle([Settlement("c", TOKEN, UNKNOWN_ACTOR)]) == 1
    assert depth(scripts) == (1, 0, 0)


def test_a_place_in_line_without_its_message_is_passed_over(scripts, lose):
    send(scripts, "a", "b")
    lose("messages", "a")
    assert fetch(scripts) == ["b"]
    assert depth(scripts) == (0, 0, 1)


def test_a_flush_drops_lanes_that_were_done_away_with(make_broker):
    before, after = make_broker(lanes=("p0", "express")), make_broker(lanes=("p0",))
    waits = Message("work", "note", (), {}, {"lane": "express"})
    before.enqueue(waits)
    after.flush("work")
    assert before.stats("work").lanes["express"].waiting == 0
    before.enqueue(waits.copy(options={"lane": "p0"}))
    consumer = before.consume("work", prefetch=2, timeout=1)
    dramatiq.actor(lambda: None, actor_name="note", queue_name="work", broker=before)
    assert next(consumer).message_id == waits.message_id
    assert next(consumer) is None


@pytest.mark.parametrize("lost", ["waiting:bulk:", "flight", "delayed"])
def test_a_message_that_stands_nowhere_is_taken_again(scripts, redis, lost):
    send(scripts, "a", delay=60_000 if lost == "delayed" else -1)
    if lost == "flight":
        fetch(scripts)
    assert redis.delete(f"{scripts.prefix}:{lost}")
    send(scripts, "a", number="2", lane="p0")
    assert fetch(scripts, "bob:1") == ["a"]


@pytest.mark.parametrize("lost", ["rounds:p0", "balance:p0", "heads:p0", "rounds:bulk", "balance:bulk", "heads:bulk"])
def test_places_that_are_lost_are_found_again(scripts, redis, lost):
    """Without its turns a lane would else be asked for ever, and Redis with it."""
    send(scripts, "a", "b", lane="p0")
    send(scripts, "c", "d", number="2")
    assert redis.delete(f"{scripts.prefix}:{lost}")
    assert fetch(scripts, room=3) == ["a", "b", "c"]
    send(scripts, "e", number="3", lane="p0")
    assert fetch(scripts, "ann:2") == ["e", "d"]
    assert depth(scripts) == (0, 0, 5)


@pytest.mark.parametrize("lost", ["rounds:bulk", "heads:bulk"])
def test_who_came_before_a_place_was_lost_is_served_beside_who_came_after(scripts, redis, lost):
    send(scripts, "a", "b", fair="x")
    assert redis.delete(f"{scripts.prefix}:{lost}")
    send(scripts, *(f"y{number}" for number in range(60)), number="2", fair="y")
    send(scripts, "c", number="3", fair="x")
    assert {"a", "b", "c"} <= set(fetch(scripts, room=55)), "turns of 50"
    assert len(fetch(scripts, "ann:2")) == 8
    assert depth(scripts) == (0, 0, 63)
    assert not redis.exists(f"{scripts.prefix}:rounds:bulk", f"{scripts.prefix}:heads:bulk")


@pytest.mark.parametrize("owed", [0, 19])
def test_a_lane_that_has_turns_and_no_line_is_passed_over(scripts, redis, owed):
    send(scripts, "a", lane="p0")
    send(scripts, "b", number="2")
    redis.hset(f"{scripts.prefix}:state", f"owed:{','.join(LANES)}", owed)
    assert redis.delete(f"{scripts.prefix}:waiting:p0:", f"{scripts.prefix}:heads:p0")
    assert fetch(scripts) == ["b"]
    send(scripts, "c", number="3", lane="p0")
    assert fetch(scripts, "ann:2") == ["c"]
    assert redis.exists(f"{scripts.prefix}:rounds:p0") == 0


def mend(scripts):
    scripts.beat("ann", [])
    for _ in range(3):
        fetch(scripts, "ann:mend", room=0)
        scripts.beat("ann", [])


@pytest.mark.parametrize("lost", ["waiting:bulk:x", "delayed"])
def test_messages_that_stand_nowhere_are_lined_up_again(scripts, lose, lost):
    send(scripts, "a", "b", "c", fair="x", delay=60_000 if lost == "delayed" else -1)
    send(scripts, "d", number="2", fair="y")
    lose(lost)
    assert fetch(scripts) == ["d"]
    mend(scripts)
    assert sorted(fetch(scripts, "ann:2")) == ["a", "b", "c"]
    assert depth(scripts) == (0, 0, 4)


def test_a_delivery_without_its_lease_comes_back_when_its_process_is_gone(scripts, lose, end_leases):
    send(scripts, "a")
    fetch(scripts)
    lose("leases")
    mend(scripts)
    end_leases("a")
    assert fetch(scripts, "bob:1") == ["a"]


@pytest.mark.parametrize("lost", [["state"], ["turns"], ["rounds:bulk"], ["heads:bulk"]])
def test_the_depth_is_right_again_after_one_look(scripts, redis, lost):
    for number in range(5):
        send(scripts, *(f"{number}-{one}" for one in range(3)), number=str(number), fair=f"key{number}")
    redis.delete(*(f"{scripts.prefix}:{name}" for name in lost))
    send(scripts, "more", number="more", fair="key0")
    mend(scripts)
    assert depth(scripts) == (16, 0, 0)
    assert len(fetch(scripts, room=20)) == 16
    assert depth(scripts) == (0, 0, 16)


def test_lines_that_nothing_names_any_more_are_found_when_the_lane_runs_empty(scripts, redis):
    for number in range(5):
        send(scripts, *(f"{number}-{one}" for one in range(3)), number=str(number), fair=f"key{number}")
    redis.delete(f"{scripts.prefix}:rounds:bulk", f"{scripts.prefix}:heads:bulk")
    send(scripts, "more", number="more", fair="key0")
    assert fetch(scripts, room=20) == ["0-0", "0-1", "0-2", "more"]
    assert len(fetch(scripts, "ann:2", room=20)) == 12
    assert depth(scripts) == (0, 0, 16)


def test_who_comes_after_a_lost_clock_overtakes_nobody(scripts, lose):
    """A lane without its clock would else count its rounds from the first, before all who wait already."""
    for number in range(4):  # each round makes the clock go on
        send(scripts, "a", "b", number=f"ab{number}", fair="x")
        send(scripts, "c", number=f"c{number}", fair="y")
        fetch(scripts, f"ann:{number}", room=2)
    waiting = depth(scripts)[0]
    assert waiting
    lose("balance:bulk")
    send(scripts, "new", number="new", fair="z")
    assert fetch(scripts, "ann:9")[-1] == "new"
