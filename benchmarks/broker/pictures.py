"""Pictures of a comparison: drain by system, and how long each lane waits over time under a flood."""

from collections.abc import Mapping
from pathlib import Path

from benchmarks import svg
from benchmarks.broker.scenes import Figures, Points
from benchmarks.broker.systems import BULK, PRIORITY, URGENT


def draw(systems: Mapping[str, Figures], floods: Mapping[str, Mapping[str, Points]], folder: Path) -> None:
    """Write ``broker-drain.svg`` and ``broker-flood.svg``."""
    rows = {name: {"messages a second": figures["drain_per_s"]} for name, figures in systems.items()}
    svg.save(folder, "broker-drain", svg.bars("Messages that do nothing, two processes", "messages a second", rows))
    waits = {f"urgent, {name}": sorted(lanes[URGENT]) for name, lanes in floods.items()}
    waits["bulk, priority"] = sorted(floods[PRIORITY][BULK])
    title = "Urgent messages while bulk ones of 5 ms wait"
    svg.save(folder, "broker-flood", svg.lines(title, "seconds", "waited, ms", waits, log=True))
