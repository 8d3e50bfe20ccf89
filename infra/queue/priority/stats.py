"""Signals that worker pools are scaled by."""

from collections.abc import Sequence
from typing import NamedTuple


class LaneStats(NamedTuple):
    """Of one lane: what waits now, and what ever came (for rates, as differences)."""

    waiting: int
    waiting_weight: int
    oldest_ms: int | None
    inflow: int
    inflow_weight: int


class QueueStats(NamedTuple):
    """Of one queue. `rejected_dropped` above 0 is an alarm: the cap was reached and messages are gone."""

    delayed: int
    in_flight: int
    rejected: int
    rejected_dropped: int
    lanes: dict[str, LaneStats]


def read_stats(values: Sequence[int], lanes: Sequence[str]) -> QueueStats:
    delayed, in_flight, rejected, dropped, *rest = values
    rows = zip(*[iter(rest)] * 5, strict=True)
    by_lane = {
        lane: LaneStats(waiting, weight, None if oldest < 0 else oldest, inflow, inflow_weight)
        for lane, (waiting, weight, oldest, inflow, inflow_weight) in zip(lanes, rows, strict=True)
    }
    return QueueStats(delayed, in_flight, rejected, dropped, by_lane)
