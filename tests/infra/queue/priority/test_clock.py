"""After a failover Redis's clock may be behind: what the old one promised still ends within a lease."""

import pytest

from infra.queue.priority import QueueRules
from infra.queue.priority.delivery import QueuePosition
from infra.queue.priority.scripts import FetchRequest, QueueEntry, Scripts

HOUR_MS = 3_600_000
LEASE_MS = QueueRules().lease_ms


def now_ms(redis):
    seconds, us = redis.time()
    return seconds * 1000 + us // 1000


@pytest.fixture
def scripts(redis):
    """A dead process holds a message, by a clock that was an hour ahead."""
    scripts = Scripts(redis, "clock", "q", QueueRules())
    scripts.enqueue("test", "1", [QueueEntry("a", -1, QueuePosition("p0", "", 1).envelope(b"x"))])
    scripts.beat("ann", [])
    assert fetch(scripts, "ann:1")
    ahead = now_ms(redis) + HOUR_MS
    redis.hset(f"{scripts.prefix}:state", mapping={"contact": ahead, "reap_after": ahead})
    redis.zadd(f"{scripts.prefix}:leases", {"a": ahead + LEASE_MS})
    redis.zadd(f"{scripts.prefix}:owners", {"ann": ahead + LEASE_MS})
    return scripts


def fetch(scripts, token):
    return scripts.fetch(FetchRequest(token, 1, 0, ["p0"]), ())[1]


@pytest.mark.parametrize("name", ["leases", "owners"])
def test_what_was_promised_ends_within_a_lease(scripts, redis, name):
    assert fetch(scripts, "bob:1") == []
    ends = dict(redis.zrange(f"{scripts.prefix}:{name}", 0, -1, withscores=True))
    assert all(end <= now_ms(redis) + LEASE_MS for end in ends.values())
    assert ends


def test_lost_messages_are_brought_back_again_within_a_lease(scripts, redis):
    fetch(scripts, "bob:1")
    assert int(redis.hget(f"{scripts.prefix}:state", "reap_after")) <= now_ms(redis) + LEASE_MS


def test_who_lives_has_time_to_renew_first(scripts, redis):
    redis.zadd(f"{scripts.prefix}:leases", {"a": 1})
    assert fetch(scripts, "bob:1") == []
    assert scripts.beat("ann", [("a", "ann:1")]) == set()
