from datetime import UTC, timedelta

from infra.process.clock import SystemClock


def test_the_system_clock_moves_forward_and_knows_its_zone() -> None:
    clock = SystemClock()
    assert clock.monotonic() <= clock.monotonic()
    assert clock.utcnow().tzinfo is UTC
    assert clock.utcnow().utcoffset() == timedelta(0)
