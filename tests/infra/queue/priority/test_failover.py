"""A replica that lost the last second is promoted: nothing is stranded, and only what it had not heard of is lost."""

import socket
import threading
from collections import Counter

import dramatiq
import dramatiq.worker
import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from infra.queue.priority import PriorityBroker, QueueRules

QUEUE = "default"
LEASE_MS = 2500


class Pair:
    """A primary and its replica behind one address, which is a link to the socket of the one that is in charge."""

    def __init__(self, make_server, until) -> None:
        self._primary, self._replica = make_server("primary"), make_server("replica")
        port = free_port()
        self._primary.start("--port", str(port), "--repl-diskless-sync-delay", "0")
        self._replica.start("--port", "0", "--replicaof", "127.0.0.1", str(port))
        self.address = self._primary.folder.parent / "in-charge.sock"
        self.address.symlink_to(self._primary.folder / "redis.sock")
        self._until = until
        with Redis.from_url(self._primary.url) as primary, Redis.from_url(self._replica.url) as replica:
            until(lambda: replica.info("replication")["master_link_status"] == "up")
            until(lambda: primary.info("replication")["connected_slaves"] == 1)

    def cut_off(self) -> None:
        """From here on the replica hears nothing more: the second that will be lost."""
        with Redis.from_url(self._primary.url) as primary:
            assert primary.wait(1, 10_000) == 1
        with Redis.from_url(self._replica.url) as replica:
            replica.replicaof("NO", "ONE")

    def fail_over(self) -> None:
        self._primary.kill()
        self.address.unlink()
        self.address.symlink_to(self._replica.folder / "redis.sock")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def pair(make_server, until) -> Pair:
    return Pair(make_server, until)


@pytest.fixture
def at(pair, monkeypatch):
    monkeypatch.setattr(dramatiq.worker, "CONSUMER_RESTART_DELAY_SECS", 0.1)
    client = Redis(unix_socket_path=str(pair.address), retry=Retry(NoBackoff(), 0))
    broker = PriorityBroker(client=client, rules=QueueRules(lease_ms=LEASE_MS))
    yield broker
    broker.close()
    client.close()


class Gates:
    """Messages that wait until a test lets them end, by kind."""

    def __init__(self, *kinds: str) -> None:
        self.begun: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self._gates = {kind: threading.Event() for kind in kinds}

    def pass_through(self, name: str) -> None:
        self.begun[name] += 1
        assert self._gates[name.partition("-")[0]].wait(30)
        self.ended[name] += 1

    def open(self, *kinds: str) -> None:
        for kind in kinds:
            self._gates[kind].set()


def names(kind: str, count: int) -> list[str]:
    return [f"{kind}-{number}" for number in range(count)]


def test_a_failover_strands_nothing_and_what_was_lost_can_be_sent_again(pair, at, run_worker, until):
    gates = Gates("spans", "lost_end", "waits", "delayed", "unheard")
    note = dramatiq.actor(gates.pass_through, actor_name="note", broker=at, max_retries=0)
    gates.open("waits", "delayed", "unheard")
    spans, lost_end, waits, delayed, unheard = (
        [note.message(name) for name in names(kind, 4)] for kind in ("spans", "lost_end", "waits", "delayed", "unheard")
    )
    at.enqueue_many([*spans, *lost_end])
    run_worker(at, threads=8)
    until(lambda: len(gates.begun) == 8)  # every thread has one
    at.enqueue_many(waits)
    at.enqueue_many(delayed, delay=500)

    pair.cut_off()
    gates.open("lost_end")
    until(lambda: sum(gates.ended[name] for name in [*names("lost_end", 4), *names("waits", 4)]) == 8)
    at.enqueue_many(unheard, delay=60_000)
    pair.fail_over()

    sent = [message.message_id for message in unheard]
    until(lambda: is_back(at))
    assert at.known(QUEUE, sent) == set()  # as whoever sent them finds out
    at.enqueue_many(unheard)
    gates.open("spans")
    at.join(QUEUE, timeout=20_000)

    assert at.stats(QUEUE).in_flight == at.stats(QUEUE).delayed == at.stats(QUEUE).rejected == 0
    assert all(count == 1 for name, count in gates.ended.items() if name.startswith(("spans", "unheard")))
    assert all(count in {1, 2} for count in gates.ended.values())
    assert len(gates.ended) == 20
    assert all(gates.ended[name] == 2 for name in names("lost_end", 4))  # the replica had only heard of their start


def is_back(broker: PriorityBroker) -> bool:
    try:
        broker.stats(QUEUE)
    except dramatiq.errors.BrokerConnectionError:
        return False
    return True
