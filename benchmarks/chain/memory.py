"""The memory of the engine's processes over a run, and how fast it grows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import linear_regression

from workers.demo.run import Progress

# The kernel walks all pages of a process for its PSS: seldom enough to cost nothing.
_EVERY_S = 5.0
# Memory that a process loads and caches at first does not count as growth.
_WARM_SHARE = 0.2
_PER_ORDERS = 100_000


@dataclass(slots=True)
class Memory:
    """Samples `read` (MiB by process) every few seconds; `samples` hold (orders written back, MiB)."""

    read: Callable[[], Mapping[str, float]]
    samples: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    _next_s: float = 0.0

    def look(self, progress: Progress) -> None:
        if progress.seconds < self._next_s:
            return
        self._next_s = progress.seconds + _EVERY_S
        for name, pss_mb in self.read().items():
            self.samples.setdefault(name, []).append((progress.written_back, pss_mb))

    def growth_mb(self) -> dict[str, float]:
        """MiB for each 100,000 orders, by least squares behind the warm-up; a run too short to tell has none."""
        return {name: slope for name, points in self.samples.items() if (slope := _slope(points)) is not None}


def _slope(points: list[tuple[float, float]]) -> float | None:
    """Of the points behind the warm-up, in MiB for each 100,000 orders."""
    warm = [point for point in points if point[0] >= _WARM_SHARE * points[-1][0]]
    done = [orders for orders, _ in warm]
    if len(set(done)) < 3:  # noqa: PLR2004 - two points always make a line
        return None
    return round(linear_regression(done, [pss_mb for _, pss_mb in warm]).slope * _PER_ORDERS, 2)
