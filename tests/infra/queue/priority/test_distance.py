"""Where Redis is far away, a process has as much in hand as its threads end while a fetch is under way."""

from unittest.mock import Mock

import pytest

from infra.queue.priority import QueueRules
from infra.queue.priority.consumer import PriorityConsumer
from infra.queue.priority.local_queue import LocalQueue
from infra.queue.priority.slots import Slots


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    for module in ("slots", "consumer", "local_queue"):
        monkeypatch.setattr(f"infra.queue.priority.{module}.monotonic", clock)
    return clock


@pytest.fixture
def slots(clock):
    slots = Slots()
    slots.threads = 8
    return slots


@pytest.fixture
def fetch(clock, slots):
    """A consumer whose fetches take as long as the test says."""
    took_s = []

    def answer(*_):
        clock.now_s += took_s.pop()
        return -1, []

    scripts = Mock(fetch=Mock(side_effect=answer), beat=Mock(return_value=set()))
    consumer = PriorityConsumer(
        "q",
        LocalQueue(scripts, slots, "ann", QueueRules(), lambda _: set()),
        slots,
        lanes=("p0",),
        prefetch=16,
        timeout_ms=100,
        lease_s=15,
        next_token=lambda: "ann:1",
        is_known=Mock(),
    )

    def fetch(*seconds):
        for each in seconds:
            took_s.append(each)
            consumer._fetch()

    return fetch


def end_at_a_rate_of_1130(slots, clock):
    for _ in range(300):
        clock.now_s += 1 / 1130
        slots.note_end()


def in_hand_at_most(slots):
    slots.in_hand = 0
    while not slots.is_full("q"):
        slots.in_hand += 1
    return slots.in_hand


def test_near_by_it_is_two_milliseconds_of_work(slots, clock, fetch):
    fetch(0.001, 0.004, 0.001)
    end_at_a_rate_of_1130(slots, clock)
    assert (in_hand_at_most(slots), slots.read_ahead(16)) == (8 + 2, 22)


def test_far_away_it_is_a_fetch_more(slots, clock, fetch):
    fetch(0.012, 0.010)
    end_at_a_rate_of_1130(slots, clock)
    assert (in_hand_at_most(slots), slots.read_ahead(16)) == (8 + 13, 45)


def test_long_messages_have_none_behind_them_however_far_it_is(slots, clock, fetch):
    fetch(0.010)
    for _ in range(10):
        clock.now_s += 0.1
        slots.note_end()
    assert in_hand_at_most(slots) == 8


@pytest.mark.parametrize(
    ("took_s", "distance_s"),
    [
        ([0.5, 0.001, 0.5], 0.0),  # it is near, and has something else to do
        ([0.001, *[0.010] * 8], 0.010),  # it has moved
        ([3.0], 0.05),  # it has stood still: no reason to have seconds of work in hand
    ],
)
def test_the_quickest_of_late_tells_how_far_it_is(slots, fetch, took_s, distance_s):
    fetch(*took_s)
    assert slots.distance_s == pytest.approx(distance_s)
