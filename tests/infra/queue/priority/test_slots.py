"""What one process has in hand, over all its queues."""

from unittest.mock import Mock

import pytest
from dramatiq import Message

from infra.queue.priority import QueueRules
from infra.queue.priority.delivery import Delivery
from infra.queue.priority.local_queue import LocalQueue
from infra.queue.priority.slots import Slots


@pytest.fixture
def slots():
    slots = Slots()
    slots.threads = 4
    return slots


@pytest.fixture
def make_holding(slots):
    return lambda: LocalQueue(Mock(), slots, "ann", QueueRules(max_crashes=2), lambda _: set())


def delivery(crashes=0, rank=1):
    return Delivery(Message("q", "note", (), {}, {}), token="ann:1", rank=rank, crashes=crashes, lease_end=float("inf"))


def test_a_suspect_gets_its_turn_beside_a_busy_queue_and_runs_alone(make_holding):
    busy, other = make_holding(), make_holding()
    busy.add(delivery() for _ in range(3))
    other.add([delivery(crashes=1)])
    begun = [busy.hand_over(), busy.hand_over()]
    assert other.hand_over() is None
    assert busy.hand_over() is None, "else there would always be something beside the suspect"
    for one in begun:
        busy.end(one)
    suspect = other.hand_over()
    assert suspect.crashes == 1
    other.add([delivery()])
    assert busy.hand_over() is other.hand_over() is None
    other.end(suspect)
    assert busy.hand_over()
    assert other.hand_over()


def test_a_suspect_that_is_given_back_or_overtaken_keeps_nobody_waiting(make_holding):
    busy, other = make_holding(), make_holding()
    busy.add(delivery() for _ in range(3))
    other.add([delivery(crashes=1)])
    assert busy.hand_over()
    assert other.hand_over() is None
    other.add([delivery(rank=0)])
    assert other.hand_over().rank == 0
    assert other.hand_over() is None
    other.close()
    assert busy.hand_over()


def test_what_is_fetched_already_keeps_its_share_beside_a_stream_of_the_first_lane(make_holding):
    local_queue = make_holding()
    local_queue.add([delivery(rank=2)])
    begun = []
    for _ in range(40):
        local_queue.add([delivery(rank=0)])
        begun.append(local_queue.hand_over())
        local_queue.end(begun[-1])
    assert [number for number, one in enumerate(begun, 1) if one.rank == 2] == [20]


def test_a_suspect_has_no_share_of_its_own(make_holding):
    local_queue = make_holding()
    local_queue.add([delivery(crashes=1, rank=2)])
    for _ in range(40):
        local_queue.add([delivery(rank=0)])
        first = local_queue.hand_over()
        assert first.rank == 0
        local_queue.end(first)
