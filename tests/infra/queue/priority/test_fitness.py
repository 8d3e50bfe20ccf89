"""What cannot carry the broker is refused at the start, with a sentence, and not found out by a loss later."""

import logging
import threading
from collections import Counter
from unittest.mock import Mock

import dramatiq
import pytest
from dramatiq import Message, Worker
from dramatiq.errors import BrokerConnectionError
from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import NoPermissionError
from redis.retry import Retry

from drills.proxy import Fault, Proxy
from infra.engine.event_loop import EventLoopThread
from infra.queue.priority import PriorityBroker, QueueRules, Unfit, fitness
from infra.queue.priority.fitness import check_server, connections_needed

QUEUES = ("one", "two", "three")
THREADS = 2
LEASE_MS = 900


@pytest.mark.parametrize("namespace", ["a:b", "", "{a}", "a b", "a\n", "a}"])
def test_a_namespace_that_could_collide_is_refused(redis, namespace):
    with pytest.raises(Unfit, match="must be a name without colons"):
        PriorityBroker(client=redis, namespace=namespace)


def test_without_it_two_brokers_would_share_keys(redis, monkeypatch):
    """The harm: the queue b:c of namespace a, and the queue c of namespace a:b."""
    monkeypatch.setattr("infra.queue.priority.broker.check_namespace", lambda _name: None)
    one, other = PriorityBroker(client=redis, namespace="a"), PriorityBroker(client=redis, namespace="a:b")
    one.enqueue(Message("b:c", "note", (), {}, {}))
    assert other.stats("c").lanes["bulk"].waiting == 1


def test_a_client_that_waits_for_ever_is_refused(redis_url):
    with Redis.from_url(redis_url.reveal(), socket_timeout=None) as client, pytest.raises(Unfit, match="for ever"):
        PriorityBroker(client=client)


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1:1/0", "unix:///nowhere.sock", "redis://127.0.0.1:1/0?socket_timeout=7"]
)
def test_a_client_of_the_brokers_own_waits_for_seconds(url):
    timeout_s = PriorityBroker(url=url).client.connection_pool.connection_kwargs["socket_timeout"]
    assert timeout_s == (7 if "socket_timeout" in url else 5)


class HalfOpen:
    """A link to Redis whose old connections carry nothing more: what is asked on them has no answer."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy

    def begin(self) -> None:
        self._proxy.judge = lambda _request: Fault("half-open", late_s=3600)

    def end(self) -> None:
        """New connections work; those that were asked on meanwhile still wait."""
        self._proxy.judge = lambda _request: None


@pytest.fixture
def link(server, until):
    """A URL of the server, and the link that it goes over."""
    with EventLoopThread() as event_loop, Proxy(event_loop, server.folder / "redis.sock") as proxy:
        yield f"redis://127.0.0.1:{proxy.port}/0", HalfOpen(proxy)


def test_a_half_open_connection_costs_one_timeout(link):
    url, half_open = link
    broker = PriorityBroker(client=Redis.from_url(url, socket_timeout=0.2, retry=Retry(NoBackoff(), 0)))
    note = Message("one", "note", (), {}, {})
    broker.enqueue(note)
    half_open.begin()
    with pytest.raises(BrokerConnectionError):
        broker.enqueue(note)
    half_open.end()
    broker.enqueue(note)
    broker.client.close()


def test_without_a_timeout_it_would_hang(link, monkeypatch):
    """The harm: it hangs until somebody cuts the line."""
    monkeypatch.setattr("infra.queue.priority.broker.check_client", lambda _client: None)
    url, half_open = link
    broker = PriorityBroker(client=Redis.from_url(url, socket_timeout=None, retry=Retry(NoBackoff(), 0)))
    note = Message("one", "note", (), {}, {})
    broker.enqueue(note)
    half_open.begin()
    ended = threading.Event()

    def send() -> None:
        with pytest.raises(BrokerConnectionError):
            broker.enqueue(note)
        ended.set()

    thread = threading.Thread(target=send)
    thread.start()
    assert not ended.wait(1.0)
    half_open._proxy.cut()
    assert ended.wait(20)
    thread.join()
    broker.client.close()


class Worked:
    """A broker of three queues over a pool of so many connections, and a long message of its first queue."""

    def __init__(self, url: str, connections: int) -> None:
        pool = BlockingConnectionPool.from_url(url, max_connections=connections, timeout=5)
        self.broker = PriorityBroker(client=Redis.from_pool(pool), rules=QueueRules(lease_ms=LEASE_MS))
        self.begun: Counter[str] = Counter()
        self.may_end = threading.Event()
        for queue in QUEUES:
            self.broker.declare_queue(queue)
        self.actor = self.known_to(self.broker)

    def known_to(self, broker: PriorityBroker) -> dramatiq.Actor:
        return dramatiq.actor(self._run, actor_name="slow", queue_name=QUEUES[0], broker=broker, max_retries=0)

    def _run(self, name: str) -> None:
        self.begun[name] += 1
        assert self.may_end.wait(60)


@pytest.fixture
def make_worked(redis_url):
    made = []

    def make(connections: int) -> Worked:
        made.append(Worked(redis_url.reveal(), connections))
        return made[-1]

    yield make
    for worked in made:
        worked.broker.close()
        worked.broker.client.close()


def test_a_pool_that_is_too_small_for_a_worker_is_refused(make_worked):
    broker = make_worked(connections_needed(3, THREADS) - 1).broker
    with pytest.raises(Unfit, match="has 5 connections and this worker needs 6: one for each of 3 queues"):
        Worker(broker, worker_threads=THREADS).start()


def test_what_is_needed_is_of_the_queues_that_are_served(make_worked, run_worker):
    worker = Worker(make_worked(4).broker, queues={"two"}, worker_threads=THREADS)
    worker.start()
    worker.stop(timeout=5000)


def test_what_is_needed_suffices(make_worked, make_broker, redis, run_worker, until):
    worked, other = make_worked(connections_needed(3, THREADS)), make_broker(lease_ms=LEASE_MS)
    worked.known_to(other)
    message = worked.actor.message("long")
    run_worker(worked.broker, threads=THREADS)
    worked.broker.enqueue(message)
    until(lambda: worked.begun["long"])
    run_worker(other)
    leases, first = f"{{priority:{QUEUES[0]}}}:leases", redis.zscore
    granted = first(leases, message.message_id)
    until(lambda: redis.zscore(leases, message.message_id) > granted + 2 * LEASE_MS)
    worked.may_end.set()
    worked.broker.join(QUEUES[0], timeout=10_000)
    assert worked.begun["long"] == 1


def test_with_fewer_the_heartbeat_would_starve_and_a_message_run_beside_itself(
    make_worked, make_broker, run_worker, until, monkeypatch
):
    monkeypatch.setattr("infra.queue.priority.broker.check_connections", lambda *_: None)
    worked, other = make_worked(len(QUEUES)), make_broker(lease_ms=LEASE_MS)
    worked.known_to(other)
    # An idle consumer that has every connection gives each back for a moment only.
    monkeypatch.setattr(worked.broker.client.connection_pool, "timeout", 0.01)
    run_worker(worked.broker, threads=THREADS)
    other.enqueue(worked.actor.message("long"))
    until(lambda: worked.begun["long"])
    run_worker(other)
    until(lambda: worked.begun["long"] > 1, 30)
    worked.may_end.set()


def test_a_cluster_is_refused_and_an_eviction_policy_warned_of(caplog):
    with pytest.raises(Unfit, match="cluster"):
        check_server(Mock(info=Mock(return_value={"cluster_enabled": 1})))
    check_server(Mock(info=Mock(return_value={"cluster_enabled": 0, "maxmemory_policy": "allkeys-lru"})))
    assert "maxmemory-policy is allkeys-lru" in caplog.text


def test_a_server_that_does_not_say_is_let_be(caplog):
    check_server(Mock(info=Mock(side_effect=NoPermissionError("no right"))))
    assert [one.levelno for one in caplog.records if one.levelno >= logging.WARNING] == []


def test_a_node_of_a_cluster_is_refused_by_a_worker(make_server, redis_version):
    server = make_server("node")
    server.start("--port", "0", "--cluster-enabled", "yes", "--maxmemory-policy", "volatile-lru")
    with Redis.from_url(server.url) as client, pytest.raises(Unfit, match="not supported"):
        Worker(PriorityBroker(client=client)).start()


def test_a_healthy_server_is_asked_once_and_says_nothing(each_redis, caplog):
    assert fitness.check_server(each_redis) is None
    assert caplog.text == ""
