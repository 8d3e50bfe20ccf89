"""Messages of a process that is killed, stopped or cut off come back; what kills its processes is rejected."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import dramatiq
import pytest
from dramatiq import Message
from redis import Redis

from infra.queue.priority import PriorityBroker, QueueRules

QUEUE = "work"
LEASE_MS = 600
CHILD = """
    import os, signal, sys, time
    import dramatiq
    from dramatiq import Worker
    from redis import Redis
    from infra.queue.priority import PriorityBroker, QueueRules

    redis = Redis.from_url(sys.argv[1])
    broker = PriorityBroker(client=redis, rules=QueueRules(lease_ms=int(sys.argv[2])))
    dramatiq.set_broker(broker)

    @dramatiq.actor(queue_name="work", max_retries=0)
    def note(name):
        redis.rpush("begun", name)
        if name == "deadly":
            os.kill(os.getpid(), signal.SIGKILL)
        redis.blpop(f"may-end:{name}", timeout=float(sys.argv[3]))
        redis.rpush("ran", name)

    Worker(broker, worker_threads=4, worker_timeout=50).start()
    time.sleep(60)
"""


@pytest.fixture
def broker(make_broker):
    broker = make_broker(lease_ms=LEASE_MS)
    dramatiq.actor(lambda _: None, actor_name="note", queue_name=QUEUE, broker=broker)
    return broker


@pytest.fixture
def start_process(redis_url):
    """A worker process of its own; each message waits up to `pause_s`."""
    started = []

    def start(pause_s: float = 0.05) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", textwrap.dedent(CHILD), redis_url.reveal(), str(LEASE_MS), str(pause_s)]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def message(name: str, **options) -> Message:
    return Message(QUEUE, "note", (name,), {}, options)


def texts(redis: Redis, key: str) -> list[str]:
    return [value.decode() for value in redis.lrange(key, 0, -1)]


def test_messages_of_a_killed_process_run_elsewhere_once(broker, redis, start_process, until):
    names = [str(number) for number in range(20)]
    broker.enqueue_many([message(name) for name in names])
    victim = start_process(pause_s=30)
    until(lambda: redis.llen("begun") == 4)
    victim.kill()
    victim.wait()
    redis.delete("begun")
    start_process()
    until(lambda: redis.llen("ran") == 20)
    assert sorted(texts(redis, "ran")) == sorted(names)
    until(lambda: broker.stats(QUEUE).in_flight == 0)


def test_a_message_that_kills_its_process_is_rejected_at_the_third_crash(broker, redis, start_process, until):
    deadly = message("deadly")
    broker.enqueue(deadly)
    for _ in range(3):
        process = start_process()
        process.wait(timeout=15)
    start_process()
    until(lambda: broker.rejected(QUEUE))
    (found,) = broker.rejected(QUEUE)
    assert (found.message_id, found.reason, found.redelivered) == (deadly.message_id, "crashed", 3)
    assert texts(redis, "begun").count("deadly") == 3


def test_neighbours_of_a_deadly_message_are_not_rejected(broker, redis, start_process, until):
    names = [str(number) for number in range(12)]
    broker.enqueue(message("deadly", lane="p0"))
    broker.enqueue_many([message(name) for name in names])
    for _ in range(3):
        start_process(pause_s=0.5).wait(timeout=15)
    start_process()
    until(lambda: broker.rejected(QUEUE) and set(texts(redis, "ran")) == set(names))
    assert [found.decode().args for found in broker.rejected(QUEUE)] == [("deadly",)]


def test_a_long_message_is_not_redelivered_while_its_process_lives(broker, make_broker, run_worker, until):
    """It blocks for five leases, beside a second process that is idle and looks for lost ones."""
    begun = []
    may_end = threading.Event()

    @dramatiq.actor(queue_name=QUEUE, broker=broker)
    def long(name):
        begun.append(name)
        may_end.wait(10)

    other = make_broker(lease_ms=LEASE_MS)
    other.actors = broker.actors
    other.declare_queue(QUEUE)
    run_worker(broker)
    run_worker(other)
    long.send("a")
    until(lambda: begun)
    assert not may_end.wait(LEASE_MS * 5 / 1000)
    may_end.set()
    broker.join(QUEUE, timeout=5000)
    assert begun == ["a"]


def test_without_a_heartbeat_it_is_redelivered(broker, make_broker, until):
    """The control of the test above."""
    broker.enqueue(message("a"))
    next(broker.consume(QUEUE, prefetch=1))
    broker._heartbeat.stop()
    other = make_broker(lease_ms=LEASE_MS)
    other.actors = broker.actors
    consumer = other.consume(QUEUE, prefetch=1, timeout=50)
    found = []
    until(lambda: found.append(next(consumer)) or found[-1])
    assert found[-1].args == ("a",)
    assert found[-1].crashes == 1


def test_a_crash_is_taken_back_when_the_process_turns_out_to_live(broker, make_broker, until):
    broker.enqueue(message("a"))
    slow = broker.consume(QUEUE, prefetch=1)
    next(slow)
    broker._heartbeat.stop()
    other = make_broker(lease_ms=LEASE_MS)
    other.actors = broker.actors
    consumer = other.consume(QUEUE, prefetch=1, timeout=50)
    found = []
    until(lambda: found.append(next(consumer)) or found[-1])
    assert found[-1].crashes == 1
    broker._worker_states.first.local_queues[QUEUE].beat()
    consumer.requeue([found[-1]])
    until(lambda: found.append(next(consumer)) or found[-1])
    assert found[-1].crashes == 0


def test_a_late_end_changes_nothing(broker, make_broker, until):
    sent = message("a")
    broker.enqueue(sent)
    consumer = broker.consume(QUEUE, prefetch=1)
    late = next(consumer)
    broker._heartbeat.stop()
    other = make_broker(lease_ms=LEASE_MS)
    other.actors = broker.actors
    found = []
    second = other.consume(QUEUE, prefetch=1, timeout=50)
    until(lambda: found.append(next(second)) or found[-1])
    consumer.ack(late)
    consumer.close()
    assert broker.known(QUEUE, [sent.message_id])
    second.ack(found[-1])
    second.close()
    assert not broker.known(QUEUE, [sent.message_id])


def test_a_stopped_process_runs_only_what_it_had_begun_twice(broker, redis, start_process, until):
    names = [str(number) for number in range(8)]
    sleeper = start_process(pause_s=0.8)
    broker.enqueue_many([message(name) for name in names])
    until(lambda: redis.llen("begun") >= 4)
    os.kill(sleeper.pid, signal.SIGSTOP)
    start_process(pause_s=0.8)
    until(lambda: set(texts(redis, "ran")) == set(names))
    os.kill(sleeper.pid, signal.SIGCONT)
    until(lambda: broker.stats(QUEUE).in_flight == 0)
    until(lambda: len(texts(redis, "ran")) >= 12)
    begun = texts(redis, "begun")
    assert sum(begun.count(name) > 1 for name in names) == 4
    assert broker.rejected(QUEUE) == []


def test_a_process_stopped_for_less_than_a_lease_runs_nothing_twice(make_broker, redis, start_process, until):
    broker = make_broker()
    process = start_process(pause_s=0.2)
    broker.enqueue_many([message(str(number)) for number in range(8)])
    until(lambda: redis.llen("begun") >= 4)
    os.kill(process.pid, signal.SIGSTOP)
    start_process()
    time.sleep(LEASE_MS / 3000)  # within a heartbeat's slack of the lease
    os.kill(process.pid, signal.SIGCONT)
    until(lambda: redis.llen("ran") == 8)
    assert len(set(texts(redis, "begun"))) == redis.llen("begun")


def test_an_owner_is_one_process(redis):
    broker = PriorityBroker(client=redis, rules=QueueRules())
    assert str(os.getpid()) in broker._owner()
