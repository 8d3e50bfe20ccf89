"""Where time comes from, so that tests can bring their own.

Leases and deadlines between processes use the database's clock instead.
"""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    def monotonic(self) -> float:
        """Seconds since any start: for durations and deadlines inside one process."""
        ...

    def utcnow(self) -> datetime:
        """The wall clock with its zone: for what people and other systems read."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def monotonic(self) -> float:
        return time.monotonic()

    def utcnow(self) -> datetime:
        return datetime.now(UTC)
