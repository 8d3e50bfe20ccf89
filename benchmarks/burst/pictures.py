"""Pictures of a surge: due work and worker processes over time."""

from itertools import pairwise
from pathlib import Path

from benchmarks import svg
from benchmarks.burst.course import Watch


def draw(watch: Watch, folder: Path) -> None:
    """Write ``burst-due.svg`` and ``burst-processes.svg``."""
    due = svg.lines("Due work in a surge", "seconds", "pieces of work", {"due": watch.depths})
    svg.save(folder, "burst-due", due)
    processes = svg.lines("Worker processes in a surge", "seconds", "processes", {"processes": _steps(watch)})
    svg.save(folder, "burst-processes", processes)


def _steps(watch: Watch) -> list[tuple[float, int]]:
    """A size lasts until the next one, and the last until the last look."""
    ends_s = watch.depths[-1][0]
    steps = [point for (at_s, size), (until_s, _) in pairwise(watch.sizes) for point in ((at_s, size), (until_s, size))]
    at_s, size = watch.sizes[-1]
    return [*steps, (at_s, size), (ends_s, size)]
