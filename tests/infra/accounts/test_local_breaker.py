import time

import pytest
from pybreaker import CircuitBreaker

from domain.errors import Refused, Transient
from domain.gates import GateShut
from infra.accounts.local_breaker import OwnGate
from infra.accounts.rules import GateRules

SICK = Transient("timed_out")
OPEN_MS = 50


def own(now=time.monotonic, share=1.0, **rules):
    return OwnGate("sf/main", GateRules(failures_max=2, open_ms=OPEN_MS, **rules), share, now)


def sicken(gate):
    for _ in range(2):
        gate.begin().end(SICK)


def begun(begin, deadline_s=5.0):
    """The first call that may begin again."""
    until = time.monotonic() + deadline_s
    while time.monotonic() < until:
        try:
            return begin()
        except GateShut:
            time.sleep(0.005)
    raise AssertionError("never opened")


def test_it_opens_and_lets_one_probe_in():
    gate = own()
    sicken(gate)
    with pytest.raises(GateShut):
        gate.begin()
    probe = begun(gate.begin)
    for _ in range(20):
        with pytest.raises(GateShut, match="probe"):
            gate.begin()
    probe.end(None)
    gate.begin()


def test_a_failed_probe_opens_it_again():
    gate = own()
    sicken(gate)
    begun(gate.begin).end(SICK)
    with pytest.raises(GateShut, match="open"):
        gate.begin()


def test_control_pybreaker_alone_lets_everybody_probe():
    breaker = CircuitBreaker(fail_max=1, reset_timeout=OPEN_MS / 1000, throw_new_error_on_trip=False)
    with pytest.raises(Transient), breaker.calling():
        raise SICK
    assert breaker.current_state == "open"
    until = time.monotonic() + 5.0
    while time.monotonic() < until and breaker.current_state == "open":
        try:
            first = breaker.calling()
            first.__enter__()
        except Exception:  # noqa: BLE001 - still open
            time.sleep(0.005)
    probes = [breaker.calling() for _ in range(20)]
    for probe in probes:
        probe.__enter__()
    assert breaker.current_state == "half-open", "20 calls are under way to a server that nobody has seen healthy"


def test_a_refusal_is_a_healthy_answer():
    gate = own()
    for _ in range(3):
        gate.begin().end(SICK)
        gate.begin().end(Refused("no_service"))
    gate.begin()


def test_the_bucket_starts_empty_and_holds_this_process_share():
    at = 0.0
    gate = own(lambda: at, share=0.5, rate_per_s=4.0, burst=8)
    with pytest.raises(GateShut, match="rate") as shut:
        gate.begin()
    assert shut.value.after_s == pytest.approx(0.5)
    at = 60.0
    for _ in range(4):
        gate.begin()
    with pytest.raises(GateShut, match="rate"):
        gate.begin()
