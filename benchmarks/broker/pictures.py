"""Pictures of a comparison: drain by system, and how long each lane waits over time under a flood."""

from collections.abc import Mapping
from pathlib import Path

from benchmarks import svg
from benchmarks.broker.scenes import Figures, Points
from benchmarks.broker.systems import BEST, BULK, CELERY, DEFAULT, PRIORITY, URGENT

_LABELS = {DEFAULT: "Dramatiq", BEST: "Dramatiq, best", CELERY: "Celery"}


def draw(systems: Mapping[str, Figures], floods: Mapping[str, Mapping[str, Points]], folder: Path) -> None:
    """Write ``broker-drain.svg`` and ``broker-flood.svg``."""
    rows = {_LABELS.get(name, name): {"messages a second": found["drain_per_s"]} for name, found in systems.items()}
    svg.save(folder, "broker-drain", svg.bars("Messages that do nothing, two processes", "messages a second", rows))
    waits = {_LABELS.get(name, name): sorted(lanes[URGENT]) for name, lanes in floods.items()}
    waits["bulk, priority"] = sorted(floods[PRIORITY][BULK])
    title = "Urgent messages while bulk ones of 5 ms wait"
    svg.save(folder, "broker-flood", svg.lines(title, "seconds", "waited, ms", waits, log=True))
