"""The ship-by clock: it starts when the order is paid, or may ship, and ends when the platform wants it shipped."""

from datetime import datetime

from domain.states import State

# Percent of the clock at which an alarm is raised, once each.
MARKS = (50, 80, 100)

# States in which the clock runs: paid, and not yet with the courier.
ON_THE_CLOCK = frozenset({State.PAID, State.ON_HOLD, State.APPROVED, State.ALLOCATED, State.IN_WAREHOUSE, State.PACKED})


def used_percent(started_at: datetime, ship_by: datetime, now: datetime) -> int:
    """How much of the clock has run, rounded down; more than 100 when it is late.

    A clock that ends before it starts (a promise older than the payment) is full from the first moment.
    """
    length = (ship_by - started_at).total_seconds()
    run = (now - started_at).total_seconds()
    if length <= 0:
        return 100 if now >= ship_by else 0
    return max(0, int(run * 100 // length))
