"""Cases in which Dramatiq's Redis broker loses, doubles or delays messages: none of them here.

More of them stand in test_rejected (undecodable, unknown actor, dead letters), test_leases (stopped and killed
processes), test_lanes (messages given back), test_sending (retries and next steps), test_command and test_failover.
"""

import threading
import time

import dramatiq
import dramatiq.worker
import pytest
from dramatiq import Message, pipeline
from dramatiq.errors import BrokerConnectionError
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from infra.queue.priority import PriorityBroker, QueueRules
from infra.queue.priority.scripts import Scripts

QUEUE = "default"


@pytest.fixture
def at(server, monkeypatch):
    """A broker on the server that may go away, in a process that tries again soon."""
    monkeypatch.setattr(dramatiq.worker, "CONSUMER_RESTART_DELAY_SECS", 0.1)
    client = Redis.from_url(server.url, retry=Retry(NoBackoff(), 0))
    broker = PriorityBroker(client=client, rules=QueueRules(lease_ms=1000))
    dramatiq.set_broker(broker)
    yield broker
    broker.close()
    client.close()


class Gate:
    """Actors wait at it, so that a test decides when they end."""

    def __init__(self) -> None:
        self.begun: list[object] = []
        self.opened = threading.Event()

    def pass_through(self, name: object) -> None:
        self.begun.append(name)
        assert self.opened.wait(20)


def unsent(broker) -> int:
    """Ended messages whose retries or next steps could not be sent."""
    return broker._worker_states.first.local_queues[QUEUE].unsent


def away(server, seconds: float = 1.5) -> None:
    """Longer than a lease, which nothing but time ends."""
    server.kill()
    time.sleep(seconds)
    server.start()


def restart_empty(server) -> None:
    server.kill()
    server.empty()
    server.start()


def flush_all(server) -> None:
    with Redis.from_url(server.url) as client:
        client.flushall()


@pytest.mark.parametrize("lose_all", [restart_empty, flush_all])
def test_a_redis_that_lost_all_is_noticed_and_can_be_refilled(server, at, run_worker, until, lose_all):
    ran, gate = [], Gate()

    @dramatiq.actor
    def note(name):
        gate.pass_through(name)
        ran.append(name)

    sent = [note.message(number) for number in range(30)]
    at.enqueue_many(sent)
    at.enqueue_many([note.message("delayed")], delay=60_000)
    run_worker(at)
    until(lambda: gate.begun)
    lose_all(server)
    until(
        lambda: not at._worker_states.first.local_queues[QUEUE].is_buffered
    )  # the next heartbeat finds out that nothing is held any more
    gate.opened.set()
    ids = [one.message_id for one in sent]
    missing = set(ids) - at.known(QUEUE, ids)
    at.enqueue_many([one for one in sent if one.message_id in missing and one.args[0] not in gate.begun])
    until(lambda: len(set(ran)) == 30)
    at.join(QUEUE, timeout=10_000)
    assert len(ran) == 30


def test_retries_that_fall_due_while_redis_is_away_are_kept(server, at, run_worker, until):
    runs, gate = [], Gate()

    @dramatiq.actor(max_backoff=50, min_backoff=10)
    def shaky(number):
        runs.append(number)
        if runs.count(number) == 1:
            gate.pass_through(number)
            raise ValueError("meant")

    at.enqueue_many([shaky.message(number) for number in range(8)])
    run_worker(at, threads=8)
    until(lambda: len(gate.begun) == 8)
    server.kill()
    gate.opened.set()
    until(lambda: unsent(at) == 8)
    server.start()
    until(lambda: len(runs) == 16)
    at.join(QUEUE, timeout=10_000)
    assert sorted(runs) == sorted([*range(8), *range(8)])


def test_a_retry_survives_the_end_of_its_lane(make_broker, run_worker):
    """The rollback of a deploy that had brought a lane."""
    runs = []
    later, earlier = make_broker(lanes=("express", "bulk")), make_broker(lanes=("bulk", "express"))

    @dramatiq.actor(broker=earlier, max_backoff=50, min_backoff=10, lane="bulk")
    def shaky(number):
        runs.append(number)
        if len(runs) == 1:
            earlier.lanes = ("bulk",)
            raise ValueError("meant")

    later.enqueue(shaky.message_with_options(args=(1,), lane="express"))
    run_worker(earlier)
    earlier.join(QUEUE, timeout=10_000)
    assert runs == [1, 1]


def test_next_steps_of_a_pipeline_that_ends_while_redis_is_away_are_kept(server, at, run_worker, until):
    ran, gate = [], Gate()

    @dramatiq.actor
    def first(number):
        gate.pass_through(number)
        return number

    @dramatiq.actor
    def second(number):
        ran.append(number)

    for number in range(8):
        pipeline([first.message(number), second.message()]).run()
    run_worker(at, threads=8)
    until(lambda: len(gate.begun) == 8)
    server.kill()
    gate.opened.set()
    until(lambda: unsent(at) == 8)
    server.start()
    until(lambda: len(ran) == 8)
    at.join(QUEUE, timeout=10_000)
    assert sorted(ran) == list(range(8))
    assert len(gate.begun) == 8


def test_an_actor_that_cannot_send_runs_again(server, at, run_worker, until):
    ran, gate = [], Gate()

    @dramatiq.actor(max_backoff=50, min_backoff=10)
    def first(number):
        gate.pass_through(number)
        second.send(number)

    @dramatiq.actor
    def second(number):
        ran.append(number)

    at.enqueue_many([first.message(number) for number in range(8)])
    run_worker(at, threads=8)
    until(lambda: len(gate.begun) == 8)
    server.kill()
    gate.opened.set()
    until(lambda: unsent(at) == 8)
    server.start()
    until(lambda: len(ran) == 8)
    at.join(QUEUE, timeout=10_000)
    assert sorted(ran) == list(range(8))


def test_delayed_messages_survive_redis_being_away(server, at, run_worker, until):
    ran = []
    note = dramatiq.actor(ran.append, actor_name="note")
    at.enqueue_many([note.message(number) for number in range(50)], delay=1000)
    run_worker(at)
    away(server)
    until(lambda: len(ran) == 50)
    at.join(QUEUE, timeout=10_000)
    assert sorted(ran) == list(range(50))


def test_running_messages_are_not_doubled_when_redis_was_away_for_longer_than_a_lease(server, at, run_worker, until):
    gate, ended = Gate(), []

    @dramatiq.actor
    def note(number):
        gate.pass_through(number)
        ended.append(number)

    at.enqueue_many([note.message(number) for number in range(4)])
    run_worker(at, threads=4)
    until(lambda: len(gate.begun) == 4)
    away(server)
    time.sleep(1.2)
    gate.opened.set()
    at.join(QUEUE, timeout=10_000)
    assert len(gate.begun) == len(ended) == 4


@pytest.mark.parametrize("call", ["fetch", "fetch_when_rung"])
def test_the_lost_answer_of_a_fetch_strands_nothing(make_broker, run_worker, monkeypatch, until, call):
    broker = make_broker(lease_ms=600)
    ran = []
    note = dramatiq.actor(ran.append, actor_name="note", broker=broker)
    fetch, lost = getattr(Scripts, call), []

    def lose_the_first(*args):
        answer = fetch(*args)
        if not lost and answer[1]:
            lost.extend(answer[1])
            raise BrokerConnectionError("lost on the wire")
        return answer

    monkeypatch.setattr(Scripts, call, lose_the_first)
    monkeypatch.setattr(dramatiq.worker, "CONSUMER_RESTART_DELAY_SECS", 0.1)
    messages = [note.message(number) for number in range(30)]
    if call == "fetch":
        broker.enqueue_many(messages)
        run_worker(broker)
    else:
        run_worker(broker)
        for message in messages:
            until(
                lambda: (
                    QUEUE in broker._worker_states.first.local_queues
                    and broker._worker_states.first.local_queues[QUEUE].is_listening
                )
            )
            broker.enqueue(message)
    broker.join(QUEUE, timeout=10_000)
    assert lost
    assert sorted(ran) == list(range(30))
    assert broker.rejected(QUEUE) == []


def test_the_lost_answer_of_an_enqueue_doubles_nothing(redis_url):
    """redis-py repeats the call by itself; meanwhile the message has already run."""
    with Redis.from_url(redis_url.reveal(), retry=Retry(NoBackoff(), 2)) as client:
        broker = PriorityBroker(client=client)
        dramatiq.actor(lambda _: None, actor_name="note", broker=broker)
        consumer = broker.consume(QUEUE, prefetch=1, timeout=50)
        parse = client.connection_pool.connection_class.read_response
        ran = []

        def lose(connection, *args, **options):
            answer = parse(connection, *args, **options)
            if not ran:
                ran.append("run")
                consumer.ack(next(consumer))
                raise RedisConnectionError("lost on the wire")
            return answer

        note = broker.get_actor("note").message(1)
        broker.known(QUEUE, ["warm"])
        broker.enqueue(Message("other", "note", (1,), {}, {}))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(client.connection_pool.connection_class, "read_response", lose)
            broker.enqueue(note)
        assert ran == ["run"]
        assert next(consumer) is None
        broker.close()


def test_a_call_repeated_after_its_message_ran_enqueues_nothing(make_broker):
    broker = make_broker()
    note = dramatiq.actor(lambda _: None, actor_name="note", broker=broker)
    scripts = broker._scripts_of(QUEUE)
    entry = broker._entry(note.message(1), None)
    consumer = broker.consume(QUEUE, prefetch=1, timeout=50)
    scripts.enqueue("producer", "1", [entry])
    consumer.ack(next(consumer))
    scripts.enqueue("producer", "1", [entry])
    assert next(consumer) is None
    scripts.enqueue("producer", "2", [entry])
    assert next(consumer) is not None


def test_messages_due_late_stand_before_nobody(make_broker, run_worker, until):
    broker = make_broker()
    ran = []
    note = dramatiq.actor(ran.append, actor_name="note", broker=broker)
    broker.enqueue_many([note.message("late") for _ in range(150)], delay=90_000)
    broker.enqueue_many([note.message("soon") for _ in range(10)], delay=300)
    run_worker(broker)
    until(lambda: len(ran) == 10)
    assert set(ran) == {"soon"}
    assert broker.stats(QUEUE).delayed == 150


def test_an_idle_consumer_waits_no_longer_than_to_the_next_due_message(make_broker, monkeypatch):
    broker = make_broker()
    waits = []
    listen = Scripts.fetch_when_rung
    monkeypatch.setattr(
        Scripts,
        "fetch_when_rung",
        lambda scripts, wanted, wait_s: waits.append(wait_s) or listen(scripts, wanted, wait_s),
    )
    note = dramatiq.actor(lambda: None, actor_name="note", broker=broker)
    consumer = broker.consume(QUEUE, timeout=10_000)
    note.send_with_options(delay=400)
    consumer.ack(next(consumer))
    assert 0 < max(waits) <= 0.4


def test_delayed_messages_cost_a_worker_no_memory(make_broker, run_worker):
    broker = make_broker()
    note = dramatiq.actor(lambda: None, actor_name="note", broker=broker)
    broker.enqueue_many([note.message() for _ in range(2000)], delay=60_000)
    worker = run_worker(broker)
    note.send()
    while broker.stats(QUEUE).lanes["bulk"].waiting or broker.stats(QUEUE).in_flight:
        time.sleep(0.01)
    assert [consumer.delay_queue.qsize() for consumer in worker.consumers.values()] == [0]
    assert broker._worker_states.first.local_queues[QUEUE].size == 0


def test_connections_that_are_dropped_lose_and_double_nothing(server, make_broker, run_worker, monkeypatch, until):
    monkeypatch.setattr(dramatiq.worker, "CONSUMER_RESTART_DELAY_SECS", 0.1)
    client = Redis.from_url(server.url)
    broker = make_broker(lease_ms=3000, client=client)
    ran = []
    note = dramatiq.actor(ran.append, actor_name="note", broker=broker)
    broker.enqueue_many([note.message(number) for number in range(300)])
    broker.enqueue_many([note.message(300 + number) for number in range(50)], delay=300)
    run_worker(broker)
    until(lambda: len(ran) > 50)
    # A server of its own: the command drops everybody's connections.
    with Redis.from_url(server.url) as admin:
        assert admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes") > 0
    until(lambda: len(ran) >= 350)
    broker.join(QUEUE, timeout=10_000)
    assert sorted(ran) == list(range(350))


def test_redis_killed_with_a_backlog_loses_and_doubles_nothing(server, at, run_worker, until):
    ran = []

    @dramatiq.actor
    def note(number):
        ran.append(number)
        time.sleep(0.005)

    at.enqueue_many([note.message(number) for number in range(300)])
    run_worker(at, threads=4)
    until(lambda: len(ran) > 100)
    away(server, seconds=0.5)
    until(lambda: len(ran) >= 300)
    at.join(QUEUE, timeout=10_000)
    assert sorted(ran) == list(range(300))


def test_priority_counts_among_waiting_messages_of_one_actor(make_broker, run_worker):
    broker = make_broker()
    ran = []
    note = dramatiq.actor(ran.append, actor_name="note", broker=broker)
    broker.enqueue_many([note.message("bulk") for _ in range(500)])
    broker.enqueue(note.message_with_options(args=("urgent",), lane="p0"))
    run_worker(broker, threads=1)
    broker.join(QUEUE, timeout=10_000)
    assert ran[0] == "urgent"
