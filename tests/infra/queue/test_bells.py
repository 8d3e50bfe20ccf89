import threading
import time
from concurrent.futures import ThreadPoolExecutor

import dramatiq
import pytest
from redis import Redis

from infra.queue.bells import MARKER, BellKey, RedisBells
from infra.queue.broker import connect_redis, make_broker

KEY = BellKey("review", "p1", "")
LANES = ("p0", "p1", "bulk")


@pytest.fixture
def client(redis_url):
    client = connect_redis(redis_url.reveal())
    yield client
    client.close()


@pytest.fixture
def bells(client):
    return RedisBells(make_broker(client, LANES), client, ttl_s=60)


def waiting(redis, lane="p1"):
    return redis.llen(f"dramatiq:{lane}")


def test_a_key_that_waits_is_not_rung_again(bells, redis):
    bells.ring([KEY, KEY])
    bells.ring({KEY})
    assert waiting(redis) == 1


def test_every_part_of_a_key_makes_it_another(bells, redis):
    bells.ring([KEY, KEY._replace(step="route"), KEY._replace(account="a"), KEY._replace(alone=True)])
    bells.ring([KEY._replace(lane="p0")])
    assert (waiting(redis), waiting(redis, "p0")) == (4, 1)


def test_a_hushed_key_rings_again(bells, redis):
    bells.ring([KEY])
    bells.hush(KEY)
    bells.ring([KEY])
    assert waiting(redis) == 2


def test_the_marker_ends_by_itself(client, redis):
    bells = RedisBells(make_broker(client, LANES), client, ttl_s=0.05)
    bells.ring([KEY])
    assert 0 < redis.pttl(f"{MARKER}review:p1::0") <= 50
    deadline = time.monotonic() + 10
    while waiting(redis) < 2:
        assert time.monotonic() < deadline
        bells.ring([KEY])


def test_from_many_threads_at_once_a_key_is_rung_once(bells, redis):
    start = threading.Barrier(8, timeout=20)

    def ring(_):
        start.wait()
        bells.ring([KEY])

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(ring, range(8)))
    assert waiting(redis) == 1


def test_nothing_to_ring_asks_redis_nothing(bells, monkeypatch):
    asked = []
    monkeypatch.setattr(RedisBells, "_ring", lambda _self, wanted: asked.append(wanted))
    bells.ring([])
    assert asked == []
    bells.ring([KEY])
    assert asked == [[KEY]]


def test_lost_bells_stay_lost_and_break_nothing(bells, client, redis, monkeypatch, tmp_path):
    away = Redis.from_url(f"unix://{tmp_path}/nobody.sock")
    lost = RedisBells(bells.broker, away, ttl_s=1)
    lost.ring([KEY])
    lost.hush(KEY)
    assert waiting(redis) == 0
    bells.ring([KEY])
    assert waiting(redis) == 1


def test_a_worker_hears_what_was_rung(client, bells):
    heard = []
    done = threading.Event()

    def answer(lane, account, alone):
        heard.append((lane, account, alone))
        done.set()

    bells.broker.declare_actor(
        dramatiq.Actor(answer, broker=bells.broker, actor_name="review", queue_name="bulk", priority=0, options={})
    )
    worker = dramatiq.Worker(bells.broker, queues={"p1"}, worker_threads=1, worker_timeout=10)
    worker.start()
    try:
        bells.ring([KEY._replace(account="taobao/s1", alone=True)])
        assert done.wait(20)
    finally:
        worker.stop()
    assert heard == [("p1", "taobao/s1", True)]
