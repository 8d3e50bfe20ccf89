import time
from collections import deque

import pytest

from adapters.http_client import Request
from benchmarks.floor.play import Agenda
from benchmarks.floor.recording import Begin, Commit, Statement
from benchmarks.floor.replay import moved
from domain.order import Lane
from infra.engine.results import NewWork


@pytest.mark.slow
def test_what_a_stream_says_is_said_again(benchmark):
    found = benchmark("floor", "--orders", "30", "--shops", "2", "--rounds", "1")

    assert found["refused"] == 0
    # A trade is read, its refund is checked, it is booked, written back, read back and told.
    assert found["calls"] >= 5
    assert found["statements"] > found["commits"] > 0
    parts = ("client_statements", "client_calls", "postgres")
    assert found["floor_cpu_ms"] == pytest.approx(sum(found[part] for part in parts), abs=0.01)
    assert found["play_client"] > 0


def test_work_of_one_key_makes_a_batch_and_the_rest_waits():
    agenda = Agenda(batch_max=2)
    agenda.add([NewWork("review", number, Lane.BULK) for number in (1, 2, 3)])
    agenda.add([NewWork("review", 9, Lane.P0)])

    batches = [agenda.next_batch() for _ in range(4)]

    assert batches[0] == (("review", Lane.BULK, ""), [1, 2])
    assert sorted(batch[1] for batch in batches[1:3]) == [[3], [9]]
    assert batches[3] is None


def test_later_work_is_due_in_its_time():
    agenda = Agenda(batch_max=50)
    agenda.add([NewWork("pull", 1, Lane.P1, "shop", after_s=0.01)])
    deadline = time.monotonic() + 30

    found = deque([agenda.next_batch()], maxlen=1)
    while found[0] is None and time.monotonic() < deadline:
        found.append(agenda.next_batch())

    assert found[0] == (("pull", Lane.P1, "shop"), [1])
    assert agenda.pause_s == 0


def test_only_requests_to_the_sandbox_move_with_it():
    ours = Request("POST", "http://127.0.0.1:1/hook?a=1", "hook", is_idempotent=True)
    other = Request("POST", "http://127.0.0.2:1/hook", "hook", is_idempotent=True)
    acts = [Begin(), Statement(b"SELECT 1", None), Commit(), ours, other]

    found = moved(acts, "http://127.0.0.1:1", "http://127.0.0.1:2")

    assert found[:3] == acts[:3]
    assert [act.url for act in found[3:]] == ["http://127.0.0.1:2/hook?a=1", other.url]
