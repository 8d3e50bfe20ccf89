"""The command line of Dramatiq runs workers of the broker: their ends, gentle and sudden, lose nothing."""

import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest
from dramatiq import Message

from infra.queue.priority import PriorityBroker, QueueRules

QUEUE = "default"
APP = """
import dramatiq, os
from redis import Redis
from infra.queue.priority import PriorityBroker, QueueRules

redis = Redis.from_url(os.environ["APP_REDIS"])
broker = PriorityBroker(client=redis, rules=QueueRules(lease_ms=int(os.environ["APP_LEASE_MS"])))
dramatiq.set_broker(broker)

@dramatiq.actor
def note(name):
    redis.rpush("begun", os.getpid())
    redis.blpop("may-end", timeout=float(os.environ["APP_PAUSE_S"]))
    redis.rpush("ran", name)
"""


@pytest.fixture
def start(tmp_path, redis_url, request):
    """Start Dramatiq's master with workers of two threads, whose messages end after `pause_s` at the latest."""
    (tmp_path / "app.py").write_text(APP)

    def run(processes: int, lease_ms: int, pause_s: float) -> subprocess.Popen[bytes]:
        settings = {"APP_REDIS": redis_url.reveal(), "APP_LEASE_MS": str(lease_ms), "APP_PAUSE_S": str(pause_s)}
        process = subprocess.Popen(
            [sys.executable, "-m", "dramatiq", "app", "-p", str(processes), "-t", "2", "--path", str(tmp_path)],
            env={**os.environ, **settings},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        request.addfinalizer(lambda: end_group(process))
        return process

    return run


def end_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def messages(count: int) -> list[Message]:
    return [Message(QUEUE, "note", (number,), {}, {}) for number in range(count)]


def test_what_a_killed_worker_had_comes_back_to_whoever_is_started_next(redis, start, until):
    """Dramatiq's master ends all when one worker dies."""
    broker = PriorityBroker(client=redis, rules=QueueRules(lease_ms=900))
    broker.enqueue_many(messages(40))
    first = start(2, 900, 0.1)
    until(lambda: redis.llen("begun") > 4, 30)
    os.kill(int(redis.lindex("begun", 0)), signal.SIGKILL)
    assert first.wait(30) == 1
    start(2, 900, 0.1)
    until(lambda: len(set(redis.lrange("ran", 0, -1))) == 40, 30)
    broker.join(QUEUE, timeout=10_000)


def test_sigterm_ends_what_runs_and_gives_the_rest_back_at_once(redis, start, until):
    broker = PriorityBroker(client=redis)
    broker.enqueue_many(messages(10))
    master = start(1, 15_000, 60)
    until(lambda: redis.llen("begun") == 2, 30)
    master.terminate()
    redis.rpush("may-end", *range(10))
    assert master.wait(30) == 0
    found = broker.stats(QUEUE)
    assert redis.llen("ran") == redis.llen("begun") >= 2
    assert (found.in_flight, found.lanes["bulk"].waiting) == (0, 10 - redis.llen("ran"))
