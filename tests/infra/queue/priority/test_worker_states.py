"""Several workers of one broker in one process."""

import threading
from unittest.mock import Mock

import dramatiq
import pytest
from dramatiq import Message

from infra.queue.priority import QueueRules
from infra.queue.priority.delivery import Delivery
from infra.queue.priority.local_queue import LocalQueue
from infra.queue.priority.slots import InHand, Slots
from infra.queue.priority.worker_states import WorkerStates

QUEUE = "work"
MANY = 30  # more than both prefetch


@pytest.fixture
def broker(make_broker):
    return make_broker()


@pytest.fixture
def begun():
    return []


@pytest.fixture
def may_end():
    end = threading.Event()
    yield end
    end.set()


@pytest.fixture
def slow(broker, begun, may_end):
    @dramatiq.actor(queue_name=QUEUE, broker=broker)
    def slow(name):
        begun.append(name)
        assert may_end.wait(20)

    return slow


def test_each_of_two_workers_has_slots_for_its_own_threads(broker, slow, begun, run_worker, until):
    run_worker(broker, threads=2)
    run_worker(broker, threads=2)
    broker.enqueue_many([slow.message(number) for number in range(MANY)])
    until(lambda: len(begun) == 4)
    assert [state.slots.threads for state in broker._worker_states._all] == [2, 2]


@pytest.fixture
def _shared_slots(monkeypatch):
    def boot(states, worker):
        states.first.slots.threads = worker.worker_threads

    monkeypatch.setattr(WorkerStates, "boot", boot)


@pytest.mark.usefixtures("_shared_slots")
def test_workers_that_share_slots_leave_threads_idle(broker, slow, begun, run_worker, until):
    """The control of the test above."""
    run_worker(broker, threads=2)
    run_worker(broker, threads=2)
    broker.enqueue_many([slow.message(number) for number in range(MANY)])
    until(lambda: len(begun) == 2)
    threading.Event().wait(0.3)
    assert len(begun) == 2


def test_the_smaller_of_two_workers_takes_no_more_than_its_threads_can_run(broker, slow, begun, run_worker, until):
    run_worker(broker, threads=1)
    run_worker(broker, threads=3)
    broker.enqueue_many([slow.message(number) for number in range(MANY)])
    until(lambda: len(begun) == 4)
    assert [state.slots.in_hand for state in broker._worker_states._all] == [1, 3]


def test_a_worker_takes_the_place_of_one_that_has_shut_down(broker, slow, begun, run_worker, until):
    run_worker(broker, threads=1).stop()
    run_worker(broker, threads=2)
    broker.enqueue_many([slow.message(number) for number in range(3)])
    until(lambda: len(begun) == 2)
    assert [state.slots.threads for state in broker._worker_states._all] == [2]


def test_a_suspect_runs_alone_beside_other_workers_too():
    in_hand = InHand()
    local_queues = [
        LocalQueue(Mock(), Slots(in_hand), "ann", QueueRules(max_crashes=2), lambda _: set()) for _ in range(2)
    ]
    busy, other = local_queues
    for local_queue in local_queues:
        local_queue.slots.threads = 4
    busy.add(delivery() for _ in range(2))
    other.add([delivery(crashes=1)])
    begun = busy.hand_over()
    assert other.hand_over() is None
    assert busy.hand_over() is None
    busy.end(begun)
    suspect = other.hand_over()
    assert suspect.crashes == 1
    assert busy.hand_over() is None
    other.end(suspect)
    assert busy.hand_over()


def delivery(crashes=0):
    return Delivery(Message("q", "note", (), {}, {}), token="ann:1", rank=1, crashes=crashes, lease_end=float("inf"))
