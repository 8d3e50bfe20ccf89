"""How much one call of a script does, in Redis's commands and values, where a queue is as bad as it can be.

Redis answers nobody else meanwhile. The bounds are the same however much waits, owes, is due or was lost.
"""

import os
from collections.abc import Callable, Sequence

import pytest
from redis import Redis

from infra.queue.priority import QueueRules
from infra.queue.priority.delivery import QueuePosition
from infra.queue.priority.scripts import NAMES, FetchRequest, QueueEntry, Scripts, Settlement, source

LANES = ("p0", "p1", "bulk")
MANY = 2_000
DEBTORS = 50_000 if int(os.environ.get("PRIORITY_MODEL_COMMANDS", "0")) >= 100_000 else 10_000
ROOM = 16
TOKEN = "ann:1"
COMMANDS = 3_000
VALUES = 25_000
METER = """
    local plain, redis = redis, {}
    local function size(value)
        local sum = 1
        for _, one in ipairs(type(value) == "table" and value or {}) do
            sum = sum + size(one)
        end
        return sum
    end
    function redis.call(...)
        local answer = plain.call(...)
        plain.call("HINCRBY", "meter", "commands", 1)
        plain.call("HINCRBY", "meter", "values", select("#", ...) + size(answer))
        return answer
    end
"""


class Metered(Scripts):
    """Notes for each script the most that one call of it did."""

    def __init__(self, redis: Redis, change: Callable[[str], str] = str) -> None:
        super().__init__(redis, "bounds", "q", QueueRules(max_bytes=1_000, rejected_max=1_000_000))
        self._redis = redis
        self._scripts = {name: redis.register_script(METER + change(source(name))) for name in NAMES}
        self.worst: dict[str, tuple[int, int]] = {}

    def _call(self, name, *args):
        self._redis.delete("meter")
        answer = super()._call(name, *args)
        done = tuple(int(value or 0) for value in self._redis.hmget("meter", "commands", "values"))
        self.worst[name] = max(self.worst.get(name, (0, 0)), done)
        return answer

    def forget(self) -> None:
        self.worst.clear()

    def assert_bounded(self, ids: int = ROOM) -> None:
        for name, (commands, values) in self.worst.items():
            assert commands <= COMMANDS + 15 * ids, (name, commands)
            assert values <= VALUES + 60 * ids, (name, values)


@pytest.fixture
def metered(redis):
    scripts = Metered(redis)
    scripts.beat("ann", [])
    return scripts


def send(scripts: Scripts, entries: Sequence[QueueEntry]) -> None:
    for number, first in enumerate(range(0, len(entries), 500)):
        scripts.enqueue("test", f"{entries[0].message_id}:{number}", entries[first : first + 500])


def entries(count: int, *, weight: int = 1, delay: int = -1, size: int = 1, name: str = "m") -> list[QueueEntry]:
    """Each of a fair key of its own."""
    return [
        QueueEntry(f"{name}{number}", delay, QueuePosition("bulk", f"key{number}", weight).envelope(b"x" * size))
        for number in range(count)
    ]


def fetch(scripts: Scripts, token: str = TOKEN, room: int = ROOM, ends: Sequence[Settlement] = ()) -> list[str]:
    return [one.message_id for one in scripts.fetch(FetchRequest(token, room, 1, LANES), ends)[1]]


def take_all(scripts: Scripts, count: int) -> list[str]:
    taken: list[str] = []
    while len(taken) < count:
        found = fetch(scripts, room=min(500, count - len(taken)))
        assert found
        taken += found
    return taken


def put_in_debt(scripts: Scripts, count: int) -> None:
    send(scripts, entries(count, weight=1_000))
    send(scripts, entries(count, weight=1_000, name="n"))
    take_all(scripts, count)


def test_the_debts_of_all_fair_keys_are_paid_at_once(metered, redis):
    put_in_debt(Scripts(redis, "bounds", "q", QueueRules()), DEBTORS)
    metered.forget()
    assert len(fetch(metered)) == ROOM
    assert metered.worst["fetch"] < (40 + 12 * ROOM, 10_000)


def test_debts_paid_round_by_round_would_take_more_than_a_call(redis):
    """The control of the test above."""
    paid, by_rounds = "math.floor(-balance / RULES.quantum) + 1", "1"
    assert source("fetch").count(paid) == 1
    scripts = Metered(redis, lambda text: text.replace(paid, by_rounds))
    scripts.beat("ann", [])
    put_in_debt(scripts, 300)
    assert len(fetch(scripts)) < ROOM


def test_many_leases_that_ran_out_come_back_in_pieces(metered, redis):
    send(metered, entries(MANY))
    taken = take_all(metered, MANY)
    redis.zadd(f"{metered.prefix}:leases", dict.fromkeys(taken, 1))
    metered.forget()
    assert fetch(metered, "bob:1")
    metered.beat("bob", [])
    metered.assert_bounded()
    for _ in range(MANY // 100):
        metered.beat("bob", [])
    assert redis.zcount(f"{metered.prefix}:leases", 0, 1) == 0


def test_without_pieces_the_meter_shows_more(redis):
    """The control of the test above, and of the others that end in `assert_bounded`."""
    piece = "local PIECE = 100 "
    assert source("beat").count(piece) == 1
    scripts = Metered(redis, lambda text: text.replace(piece, f"local PIECE = {MANY} "))
    scripts.beat("ann", [])
    send(scripts, entries(1_000))
    redis.zadd(f"{scripts.prefix}:leases", dict.fromkeys(take_all(scripts, 1_000), 1))
    scripts.beat("bob", [])
    with pytest.raises(AssertionError, match="beat"):
        scripts.assert_bounded()


def test_many_processes_that_are_gone_are_forgotten_in_pieces(metered, redis):
    for key in ("owners", "gone"):
        redis.zadd(f"{metered.prefix}:{key}", {f"{key}{number}": 1 for number in range(MANY)})
    metered.forget()
    metered.beat("ann", [])
    metered.assert_bounded()
    for _ in range(MANY // 100):
        metered.beat("ann", [])
    assert redis.zcard(f"{metered.prefix}:gone") == 0
    assert redis.zcard(f"{metered.prefix}:owners") == 1


def test_many_messages_that_are_due_at_once_join_in_pieces(metered, redis):
    send(metered, entries(MANY, delay=3_600_000))
    delayed = f"{metered.prefix}:delayed"
    redis.zadd(delayed, dict.fromkeys(redis.zrange(delayed, 0, -1), 1))
    metered.forget()
    assert len(fetch(metered)) == ROOM
    metered.assert_bounded()
    assert metered.stats(LANES)[1] == MANY - 200


def test_large_messages_that_are_due_at_once_join_in_smaller_pieces(redis):
    scripts = Scripts(redis, "bounds", "q", QueueRules())
    send(scripts, entries(30, delay=3_600_000, size=900_000))
    delayed = f"{scripts.prefix}:delayed"
    redis.zadd(delayed, dict.fromkeys(redis.zrange(delayed, 0, -1), 1))
    fetch(scripts, room=1)
    assert scripts.stats(LANES)[1] == 25, "more than 4 MB are read"


def test_after_a_step_of_the_clock_leases_are_cut_in_pieces(metered, redis):
    leases = f"{metered.prefix}:leases"
    redis.zadd(leases, {f"m{number}": 9e12 for number in range(MANY)})
    redis.hset(f"{metered.prefix}:state", "contact", 9_000_000_000_000)
    metered.forget()
    for _ in range(MANY // 100 + 1):
        fetch(metered)
    metered.assert_bounded()
    assert redis.zcount(leases, "(8e12", "+inf") == 0


@pytest.mark.parametrize("lost", ["rounds:bulk", "heads:bulk", "state", "balance:bulk"])
def test_what_is_lost_of_many_fair_keys_is_mended_in_pieces(metered, redis, lost):
    send(metered, entries(MANY))
    assert redis.delete(f"{metered.prefix}:{lost}")
    metered.forget()
    for _ in range(3 * MANY // 50):
        fetch(metered, room=0)
    metered.assert_bounded()
    assert metered.stats(LANES)[-5] == MANY
    assert len(take_all(metered, MANY)) == MANY


def test_many_lines_that_are_lost_stop_a_call_and_no_lane(metered, redis):
    send(metered, entries(MANY))
    for number in range(MANY - 10):
        redis.delete(f"{metered.prefix}:waiting:bulk:key{number}")
    metered.forget()
    found: list[str] = []
    for number in range(4 * MANY // 50):
        found += fetch(metered, f"ann:{number}", ROOM)
    metered.assert_bounded()
    assert len(found) == len(set(found))
    for number in range(MANY):
        if len(found) == MANY:
            break
        found += fetch(metered, f"bob:{number}", 200)
    assert len(set(found)) == MANY


def test_a_large_flush_is_done_in_pieces_and_its_lines_come_back_never(metered, redis):
    send(metered, entries(MANY))
    fetch(metered)
    metered.forget()
    calls = metered._call
    metered._call = lambda name, *args: [calls(name, *args)[0], 0]  # only the first of its calls
    assert metered.flush() == MANY
    metered._call = calls
    metered.assert_bounded()
    assert metered.size() == 0
    (again,) = entries(MANY)[-1:]
    metered.enqueue("test", "again", [again])
    assert metered.stats(LANES)[-5] == 1
    assert fetch(metered) == [again.message_id]
    metered.flush()
    for _ in range(MANY // 100):
        fetch(metered)
    assert not redis.keys(f"{metered.prefix}:waiting:*")
    assert not redis.keys(f"{metered.prefix}:names:*")


def test_moving_listing_and_changing_many_is_bounded(metered, redis):
    send(metered, entries(MANY))
    send(metered, entries(MANY, size=2_000, name="large"))
    metered.forget()
    assert metered.move([f"m{number}" for number in range(1_500)], "p0") == 1_500
    assert len(metered.rejected("list", 0, MANY)) == 3 * 500
    assert metered.change_rejected("redrive", [f"large{number}" for number in range(600)]) == 600
    assert metered.change_rejected("discard", [f"large{number}" for number in range(600, 1200)]) == 600
    redis.delete(f"{metered.prefix}:rejected")
    assert len(metered.rejected("list", 0, MANY)) >= 3
    metered.assert_bounded(ids=500)


def test_full_calls_of_every_script_are_bounded_by_their_ids(metered):
    for lane, name in (("bulk", "m"), ("p0", "u")):
        sent = [one._replace(message_id=f"{name}{number}") for number, one in enumerate(entries(1_500))]
        send(metered, [one._replace(envelope=one.envelope.replace(b"bulk", lane.encode())) for one in sent])
    taken = fetch(metered, "ann:1", 500)
    metered.requeue([(one, "ann:1") for one in taken[:500]])
    taken = fetch(metered, "ann:2", 499)
    metered.beat("ann", [(one, "ann:2") for one in taken])
    metered.start(taken[0], "ann:2")
    metered.settle([Settlement(one, "ann:2", "unknown_actor") for one in taken])
    failed = fetch(metered, "ann:3", 499)
    done = fetch(metered, "ann:4", 499, [Settlement(one, "ann:3", "failed") for one in failed])
    metered.settle([Settlement(one, "ann:4", "") for one in done])
    metered.known(taken)
    metered.move(taken, "p1")
    metered.rejected("list", 0, 500)
    metered.stats(LANES)
    metered.flush()
    assert set(metered.worst) == set(NAMES)
    metered.assert_bounded(ids=1_000)
