"""Signals that worker pools are scaled by."""

from collections.abc import Sequence
from typing import NamedTuple


class LaneStats(NamedTuple):
    """Of one lane: what waits now, and what senders ever brought (for rates, as differences)."""

    waiting: int
    waiting_weight: int
    oldest_ms: int | None
    inflow: int
    inflow_weight: int


class QueueStats(NamedTuple):
    """Of one queue.

    `overdue` of the delayed messages should have begun, the oldest `overdue_ms` ago: they join their lanes when
    somebody fetches, so of a queue that nobody serves they are what waits.
    `rejected_dropped` above 0 is an alarm: the cap was reached and messages are gone. It falls when acknowledged.
    """

    delayed: int
    overdue: int
    overdue_ms: int | None
    in_flight: int
    rejected: int
    rejected_dropped: int
    lanes: dict[str, LaneStats]


def read_stats(values: Sequence[int], lanes: Sequence[str]) -> QueueStats:
    """Stats from the numbers that the script returns."""
    delayed, overdue, overdue_ms, in_flight, rejected, dropped, *numbers = values
    rows = zip(*[iter(numbers)] * 5, strict=True)
    by_lane = {
        lane: LaneStats(waiting, weight, _age(oldest), inflow, inflow_weight)
        for lane, (waiting, weight, oldest, inflow, inflow_weight) in zip(lanes, rows, strict=True)
    }
    return QueueStats(delayed, overdue, _age(overdue_ms), in_flight, rejected, dropped, by_lane)


def _age(value_ms: int) -> int | None:
    return None if value_ms < 0 else value_ms
