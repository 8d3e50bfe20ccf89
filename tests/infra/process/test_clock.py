import time
from datetime import timedelta

import pytest

from infra.process.clock import SystemClock


@pytest.fixture
def clock() -> SystemClock:
    return SystemClock()


def test_durations_are_those_of_the_monotonic_clock(clock) -> None:
    before = time.monotonic()
    shown = clock.monotonic()
    assert before <= shown <= time.monotonic()
    assert abs(shown - time.time()) > 1, "the wall clock, which people set, is another one"


def test_the_wall_clock_shows_now_in_utc(clock, monkeypatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        before = time.time()
        shown = clock.utcnow()
        after = time.time()
    finally:
        monkeypatch.undo()
        time.tzset()
    assert shown.utcoffset() == timedelta(0)
    # Clocks of the same machine differ by their resolution.
    assert before - 0.001 <= shown.timestamp() <= after + 0.001
