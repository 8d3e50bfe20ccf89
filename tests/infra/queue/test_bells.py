import threading
from concurrent.futures import ThreadPoolExecutor

import dramatiq
import pytest
from redis import Redis
from redis.exceptions import OutOfMemoryError

from infra.queue.bells import QUEUE, BellKey, BrokerBells
from infra.queue.broker import connect_redis, make_broker

KEY = BellKey("review", "p1", "")
LANES = ("p0", "p1", "bulk")


@pytest.fixture
def bells(redis_url):
    with connect_redis(redis_url.reveal()) as client:
        bells = BrokerBells(make_broker(client, LANES))
        yield bells
        bells.broker.close()


@pytest.fixture
def listen(bells):
    """A worker on lane p1 that answers as it is told."""
    started = []

    def start(answer):
        actor = dramatiq.Actor(
            answer, broker=bells.broker, actor_name="review", queue_name=QUEUE, priority=0, options={}
        )
        bells.broker.declare_actor(actor)
        worker = dramatiq.Worker(bells.broker, worker_threads=2, worker_timeout=50)
        worker.start()
        started.append(worker)

    yield start
    for worker in started:
        worker.stop()


def waiting(bells, lane="p1"):
    return bells.broker.stats(QUEUE).lanes[lane].waiting


def test_a_key_that_waits_is_not_rung_again(bells):
    bells.ring([KEY, KEY])
    bells.ring({KEY})
    assert waiting(bells) == 1


def test_every_part_of_a_key_makes_it_another(bells):
    bells.ring([KEY, KEY._replace(step="route"), KEY._replace(account="a"), KEY._replace(alone=True)])
    bells.ring([KEY._replace(lane="p0")])
    assert (waiting(bells), waiting(bells, "p0")) == (4, 1)


def test_a_key_whose_bell_is_being_answered_is_rung_again_once(bells, listen, until):
    """What commits after the answer's claim would otherwise be heard by nobody."""
    heard, go_on = threading.Semaphore(0), threading.Event()
    count = []

    def answer(lane, account, alone):
        count.append(1)
        heard.release()
        assert go_on.wait(20)

    listen(answer)
    bells.ring([KEY])
    assert heard.acquire(timeout=20)
    bells.ring([KEY])
    assert heard.acquire(timeout=20), "the first is not even over"
    go_on.set()
    until(lambda: not bells.broker.known(QUEUE, ["review:p1::0"]))
    assert len(count) == 2, "the end of the first did not take the second with it, nor bring a third"


def test_from_many_threads_at_once_a_key_is_rung_once(bells):
    start = threading.Barrier(8, timeout=20)

    def ring(_):
        start.wait()
        bells.ring([KEY])

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(ring, range(8)))
    assert waiting(bells) == 1


def test_many_keys_are_one_call_to_redis_and_none_is_no_call(bells, monkeypatch):
    bells.ring([KEY])
    calls, plain = [], bells.broker.client.execute_command
    monkeypatch.setattr(
        bells.broker.client, "execute_command", lambda *args, **named: (calls.append(args[0]), plain(*args, **named))[1]
    )
    bells.ring([])
    assert calls == []
    bells.ring([KEY._replace(account=f"shop/{n}") for n in range(100)])
    assert len(calls) == 1
    assert waiting(bells) == 101


def test_lost_bells_stay_lost_and_break_nothing(bells, tmp_path):
    lost = BrokerBells(make_broker(Redis.from_url(f"unix://{tmp_path}/nobody.sock"), LANES))
    lost.ring([KEY])
    assert waiting(bells) == 0
    bells.ring([KEY])
    assert waiting(bells) == 1


def test_a_redis_that_refuses_writes_loses_bells_and_breaks_nothing(bells, monkeypatch):
    def full(*_args, **_named):
        raise OutOfMemoryError("command not allowed when used memory > 'maxmemory'")

    with monkeypatch.context() as patch:
        patch.setattr(bells.broker.client, "execute_command", full)
        bells.ring([KEY])
    bells.ring([KEY])
    assert waiting(bells) == 1


def test_a_bell_that_is_too_large_is_logged_and_keeps_no_other_from_ringing(bells, caplog):
    bells.ring([KEY, KEY._replace(account="x" * 1_000_000), KEY._replace(account="z")])
    assert waiting(bells) == 2
    assert "1 bells are larger than 1000000 bytes" in caplog.text
    assert [found.reason for found in bells.broker.rejected(QUEUE)] == ["too_large"]


def test_a_worker_hears_what_was_rung(bells, listen):
    heard = []
    done = threading.Event()

    def answer(lane, account, alone):
        heard.append((lane, account, alone))
        done.set()

    listen(answer)
    bells.ring([KEY._replace(account="taobao/s1", alone=True)])
    assert done.wait(20)
    assert heard == [("p1", "taobao/s1", True)]


def test_accounts_take_turns_a_bell_each(bells, listen):
    order, done = [], threading.Event()
    bells.ring([KEY._replace(account="a", step="review", alone=alone) for alone in (False, True)])
    bells.ring([KEY._replace(account="b")])

    def answer(lane, account, alone):
        order.append(account)
        if len(order) == 3:
            done.set()

    listen(answer)
    assert done.wait(20)
    assert sorted(order[:2]) == ["a", "b"]
