"""A planned failover: the replica is promoted, and the old primary lives on as one, with every connection to it."""

import threading
from collections import Counter

import dramatiq
import dramatiq.worker
import pytest
from dramatiq.errors import BrokerConnectionError
from redis import Redis

from domain.errors import Transient
from drills.proxy import Proxy
from infra.accounts.shared_breaker import SharedGates, connect_gates
from infra.engine.event_loop import EventLoopThread
from infra.queue.broker import connect_redis
from infra.queue.priority import PriorityBroker, QueueRules, refusals

from .test_failover import free_port

QUEUE = "default"
LEASE_MS = 1500


class Pair:
    """A primary and its replica behind one address, where new connections find the one in charge and old ones stay."""

    def __init__(self, make_server, until, event_loop) -> None:
        self.servers = [make_server("first"), make_server("second")]
        self.ports = [free_port(), free_port()]
        for server, port in zip(self.servers, self.ports, strict=True):
            server.start("--port", str(port), "--repl-diskless-sync-delay", "0")
        self._until = until
        self.proxy = Proxy(event_loop, ("127.0.0.1", self.ports[0]))
        with self._at(0) as first, self._at(1) as second:
            second.replicaof("127.0.0.1", self.ports[0])
            until(lambda: second.info("replication")["master_link_status"] == "up")
            until(lambda: first.info("replication").get("slave0", {}).get("state") == "online")

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.proxy.port}/0"

    def hand_over(self) -> None:
        """As a planned failover does: nothing that the primary has taken is lost."""
        with self._at(0) as first, self._at(1) as second:
            first.execute_command("FAILOVER", "TO", "127.0.0.1", self.ports[1])
            self._until(lambda: first.info("replication")["role"] == "slave")
            self._until(lambda: second.info("replication")["role"] == "master")
        self.proxy.there = ("127.0.0.1", self.ports[1])

    def lease_end(self, message_id: str) -> float | None:
        """As the new primary knows it."""
        with self._at(1) as second:
            return second.zscore(f"{{priority:{QUEUE}}}:leases", message_id)

    def _at(self, number: int) -> Redis:
        return Redis.from_url(self.servers[number].url)


@pytest.fixture
def pair(make_server, until):
    with EventLoopThread() as event_loop:
        pair = Pair(make_server, until, event_loop)
        with pair.proxy:
            yield pair


@pytest.fixture
def make_broker(pair, monkeypatch):
    """Brokers of the engine's own client, each a process of its own as far as Redis can tell."""
    monkeypatch.setattr(dramatiq.worker, "CONSUMER_RESTART_DELAY_SECS", 0.1)
    made = []

    def make() -> PriorityBroker:
        client = connect_redis(pair.url)
        made.append(PriorityBroker(client=client, rules=QueueRules(lease_ms=LEASE_MS)))
        return made[-1]

    yield make
    for broker in made:
        broker.close()
        broker.client.close()


class Slow:
    """An actor whose first message runs until a test lets it end."""

    def __init__(self, *brokers: PriorityBroker) -> None:
        self.begun: Counter[str] = Counter()
        self.may_end = threading.Event()
        for broker in brokers:
            self.actor = dramatiq.actor(self._run, actor_name="slow", broker=broker, max_retries=0)

    def _run(self, name: str) -> None:
        self.begun[name] += 1
        if name == "long":
            assert self.may_end.wait(60)


def keep_idle(client: Redis, connections: int = 5) -> None:
    """Let the pool have some idle connections to the server that is in charge now."""
    pool = client.connection_pool
    for connection in [pool.get_connection() for _ in range(connections)]:
        pool.release(connection)


@pytest.fixture
def nothing_dropped(monkeypatch):
    """The harm: a connection to the old primary goes back to the pool, and out again."""
    monkeypatch.setattr(
        refusals, "drop_connections", lambda _client, error: "READONLY" in str(error) or "read only" in str(error)
    )


def test_sends_and_workers_go_on_and_nothing_runs_twice(pair, make_broker, run_worker, until):
    broker, sender = make_broker(), make_broker()
    slow = Slow(broker)
    run_worker(broker, threads=2)
    long = slow.actor.message("long")
    sender.enqueue_many([long, slow.actor.message("before")])
    until(lambda: len(slow.begun) == 2)
    keep_idle(sender.client)
    keep_idle(broker.client)

    pair.hand_over()
    before = pair.lease_end(long.message_id)
    sender.enqueue_many([slow.actor.message(f"batch-{number}") for number in range(5)])
    for number in range(20):
        sender.enqueue(slow.actor.message(f"single-{number}"))
    until(lambda: len(slow.begun) == 27)
    # Its heartbeat has found the new primary too: the lease lasts longer than anything that the old one had granted.
    until(lambda: pair.lease_end(long.message_id) > before + LEASE_MS)
    slow.may_end.set()
    broker.join(QUEUE, timeout=15_000)
    assert set(slow.begun.values()) == {1}


def test_without_it_every_send_fails_and_what_runs_is_begun_again(
    pair, make_broker, run_worker, until, nothing_dropped
):
    broker, sender = make_broker(), make_broker()
    slow = Slow(broker)
    run_worker(broker, threads=2)
    sender.enqueue(slow.actor.message("long"))
    until(lambda: slow.begun)
    keep_idle(sender.client)
    keep_idle(broker.client)

    pair.hand_over()
    for number in range(20):
        with pytest.raises(BrokerConnectionError):
            sender.enqueue(slow.actor.message(f"single-{number}"))
    fresh = make_broker()
    slow_again = dramatiq.actor(slow._run, actor_name="slow", broker=fresh, max_retries=0)
    run_worker(fresh, threads=2)
    fresh.enqueue(slow_again.message("after"))
    until(lambda: slow.begun["long"] == 2)
    slow.may_end.set()


def test_an_idle_worker_wakes_at_the_new_primary(pair, make_broker, run_worker, until):
    """Its blocking wait is broken off by the server that is primary no longer."""
    broker, sender = make_broker(), make_broker()
    slow = Slow(broker)
    run_worker(broker, threads=1)
    until(lambda: any(local_queue.is_listening for local_queue in broker._worker_states.local_queues()))
    pair.hand_over()
    sender.enqueue(slow.actor.message("after"))
    until(lambda: slow.begun["after"] == 1)


def test_gates_lose_one_answer_and_go_on(pair):
    client = connect_gates(pair.url)
    gates = SharedGates(client)
    keep_idle(client)
    gates.forget("sf/main")
    pair.hand_over()
    with pytest.raises(Transient):
        gates.forget("sf/main")
    for _ in range(5):
        gates.forget("sf/main")
    client.close()
