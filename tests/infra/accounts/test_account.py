import threading

import pytest

from domain.errors import Refused, Throttled, Transient
from domain.gates import GateShut
from infra.accounts.account import GRANT_CALLS
from infra.accounts.shared_breaker import PREFIX

SICK = Transient("connection_failed")


@pytest.fixture
def calm(make_world, counted, stepped_clock):
    """A world whose own clock stands still."""
    return make_world(shared=counted, clock=stepped_clock)


def fail(gate, times):
    for _ in range(times):
        gate.begin().end(SICK)


def why(gate):
    with pytest.raises(GateShut) as shut:
        gate.begin()
    return shut.value.why


def test_a_healthy_batch_costs_one_round_trip(calm, counted):
    gate = calm.account()
    assert gate.reserve(50) == 50
    for _ in range(3 * 50):
        gate.begin().end(None)
    assert counted.asked == 1
    assert GRANT_CALLS >= 150


def test_a_second_later_it_is_asked_again(calm, counted, stepped_clock):
    gate = calm.account()
    gate.begin().end(None)
    stepped_clock.at += 1.1
    gate.begin().end(None)
    assert counted.asked == 2


def test_failures_in_a_row_open_it_for_every_process(calm):
    here, there = calm.account(failures_max=3), calm.account(failures_max=3)
    fail(here, 3)
    assert why(here) == "open"
    assert there.reserve(50) == 0
    assert why(there) == "open"


def test_refusals_and_successes_between_keep_it_closed(calm):
    gate = calm.account(failures_max=3)
    for _ in range(4):
        fail(gate, 2)
        gate.begin().end(None)
        fail(gate, 2)
        gate.begin().end(Refused("no_service"))
    gate.begin()


def test_one_probe_in_each_interval_over_all_processes(calm):
    processes = [calm.account(failures_max=1) for _ in range(4)]
    fail(processes[0], 1)
    calm.pass_ms("sf/main", 10_001)
    assert [gate.reserve(50) for gate in processes] == [1, 0, 0, 0]
    processes[0].begin()
    assert [why(gate) for gate in processes] == ["open"] * 4, "nobody else, also while the prober says nothing"
    calm.pass_ms("sf/main", 10_001)
    assert [gate.reserve(50) for gate in processes] == [1, 0, 0, 0], "a prober that died is replaced"


def test_a_failed_probe_opens_it_again_and_a_good_one_brings_calls_back_by_the_ramp(calm):
    gate, other = calm.account(failures_max=1), calm.account(failures_max=1)
    fail(gate, 1)
    calm.pass_ms("sf/main", 10_001)
    fail(gate, 1)
    assert why(gate) == "open"
    calm.pass_ms("sf/main", 10_001)
    gate.begin().end(None)
    begun = []
    for _ in range(5):
        count = 0
        for each in (gate, other):
            while True:
                try:
                    each.begin().end(None)
                except GateShut:
                    break
                count += 1
            assert why(each) == "ramp"
        begun.append(count)
        calm.pass_ms("sf/main", 1_000)
    assert begun == [1, 2, 4, 8, 16]
    calm.pass_ms("sf/main", 1_000)
    assert other.reserve(50) == 50


def test_a_failure_on_the_way_back_opens_it_at_once(calm):
    gate = calm.account(failures_max=5)
    fail(gate, 5)
    calm.pass_ms("sf/main", 10_001)
    gate.begin().end(None)
    fail(gate, 1)
    assert why(gate) == "open"


def test_a_late_answer_from_before_neither_closes_nor_opens(calm):
    gate, other = calm.account(failures_max=2), calm.account(failures_max=2)
    late, later = other.begin(), other.begin()
    fail(gate, 2)
    late.end(None)
    assert why(gate) == "open"
    calm.pass_ms("sf/main", 10_001)
    gate.begin().end(None)
    later.end(SICK)
    calm.pass_ms("sf/main", 60_000)
    assert gate.reserve(50) == 50


def test_a_call_for_patience_shuts_it_for_all_until_then_and_opens_no_breaker(calm):
    gate, other = calm.account(failures_max=1), calm.account(failures_max=1)
    gate.begin().end(Throttled("http_429", after_s=30))
    for each in (gate, other):
        with pytest.raises(GateShut) as shut:
            each.begin()
        assert shut.value.why == "throttled"
        assert 29 < shut.value.after_s <= 30
    calm.pass_ms("sf/main", 30_001)
    assert other.reserve(50) == 50


def finish_subjects(gate):
    """Begin as many subjects as may be begun, three calls each; how many that were."""
    begun = gate.reserve(50)
    for _ in range(3 * begun):
        gate.begin().end(None)
    gate.give_up(begun)
    return begun


# Slow enough that nothing is earned while a test runs.
SLOW = {"rate_per_s": 0.01, "burst": 15}


def test_no_more_subjects_are_begun_than_a_counted_rate_can_finish(calm):
    gate = calm.account(**SLOW)
    assert gate.reserve(50) == 0, "the bucket starts empty"
    calm.pass_ms("sf/main", 10_000_000)
    assert [finish_subjects(gate) for _ in range(6)] == [1, 1, 1, 1, 1, 0]
    assert why(gate) == "rate"


def test_calls_that_are_promised_are_promised_to_nobody_else(calm):
    gate = calm.account(**SLOW)
    gate.reserve(50)
    calm.pass_ms("sf/main", 10_000_000)
    assert [gate.reserve(50), gate.reserve(50)] == [1, 0]
    gate.give_up(1)
    assert gate.reserve(50) == 1


def test_two_processes_share_one_rate(calm):
    here, there = calm.account(**SLOW), calm.account(**SLOW)
    here.reserve(1)
    calm.pass_ms("sf/main", 10_000_000)
    assert sum(finish_subjects(gate) for gate in (here, there) * 4) == 5


def test_threads_that_come_together_ask_once(calm, counted):
    gate = calm.account()
    threads = [threading.Thread(target=gate.begin) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counted.asked == 1


def test_with_redis_away_each_process_has_its_own_breaker(make_world, lost_redis, stepped_clock):
    world = make_world(shared=lost_redis, clock=stepped_clock)
    gate, other = world.account(failures_max=3), world.account(failures_max=3)
    assert gate.reserve(50) == 50
    fail(gate, 3)
    assert why(gate) == "open"
    other.begin().end(None)


def test_redis_back_is_heeded_again(make_world, lost_redis, shared, stepped_clock, redis):
    gate = make_world(shared=lost_redis, clock=stepped_clock).account(failures_max=1)
    gate.begin().end(None)
    gate._shared = shared
    stepped_clock.at += 1.1
    fail(gate, 1)
    assert redis.hget(PREFIX + "sf/main", "open_until") is not None
