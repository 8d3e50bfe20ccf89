"""``python -m benchmarks.priority [--quick] [--courier-ms 200] [--pictures FOLDER] [--json]``."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks import svg
from benchmarks.priority.fairness import measure_fairness
from benchmarks.priority.measure import SETTLE_S, Points, Scene, Seen, play
from infra.config.settings import read_settings
from infra.telemetry.log import configure

NAMES = ("idle", "flood", "control")


@click.command()
@click.option("--waiting", default=100_000, show_default=True, help="Bulk orders waiting, a fifth before each step.")
@click.option("--urgent", default=2_000, show_default=True, help="P0 orders, at a steady pace.")
@click.option("--urgent-per-second", default=10.0, show_default=True)
@click.option("--bulk-per-second", default=5.0, show_default=True, help="Bulk orders that arrive meanwhile.")
@click.option("--courier-ms", default=0.0, show_default=True, help="How long each courier call takes on top.")
@click.option("--ship-on", type=click.Choice(["label", "handover"]), default="label", show_default=True)
@click.option("--fair", is_flag=True, help="Instead: 10 orders of one shop behind 10,000 of another, in one lane.")
@click.option("--threads", default=4, show_default=True, help="Threads of each worker process.")
@click.option("--shape", type=click.Choice(["shared", "parted"]), default="parted", show_default=True, help="Pools.")
@click.option("--scene", "names", type=click.Choice(NAMES), multiple=True, help="Only these; else all three.")
@click.option("--quick", is_flag=True, help="5,000 waiting, 100 urgent.")
@click.option("--pictures", type=click.Path(path_type=Path, file_okay=False), help="Folder to draw pictures into.")
@click.option("--json", "as_json", is_flag=True, help="The last line of stdout is one JSON object.")
def main(
    *,
    waiting: int,
    urgent: int,
    urgent_per_second: float,
    bulk_per_second: float,
    courier_ms: float,
    ship_on: str,
    fair: bool,
    threads: int,
    shape: str,
    names: tuple[str, ...],
    quick: bool,
    pictures: Path | None,
    as_json: bool,
) -> None:
    """Measure urgent orders, idle and behind a backlog before every step, on our broker and on Dramatiq's."""
    configure("auto", "warning")
    if quick:
        waiting, urgent = 5_000, 100
    base = read_settings()
    flood = Scene(waiting, urgent, urgent_per_second, bulk_per_second, courier_ms, ship_on, threads, shape)
    if fair:
        found = measure_fairness(base, flood, many=2_000 if quick else 10_000, few=10, rounds=1 if quick else 5)
        print(msgspec.json.encode(found).decode() if as_json else found)
        return
    scenes = {"idle": replace(flood, waiting=0), "flood": flood, "control": replace(flood, is_control=True)}
    seen = {name: play(base, scene) for name, scene in scenes.items() if name in (names or NAMES)}
    show(seen, Console(stderr=as_json, highlight=False, width=110))
    if pictures is not None:
        draw(seen, pictures)
    if as_json:
        print(msgspec.json.encode(figures(seen, flood)).decode())


def p99_ms(points: Points, unfinished: int = 0) -> float | None:
    """The 99th percentile of latencies, in milliseconds; an order that never finished counts as having waited for the
    whole run.
    """
    latencies = [latency * 1000 for _, latency in points] + [SETTLE_S * 1000] * unfinished
    return round(quantiles(latencies, n=100, method="inclusive")[-1], 1) if len(latencies) > 1 else None


def p50_ms(points: Points) -> float | None:
    latencies = [latency * 1000 for _, latency in points]
    return round(median(latencies), 1) if latencies else None


def figures(seen: dict[str, Seen], flood: Scene) -> dict[str, Any]:
    """The promised keys first. A run with urgent orders that never came through says so in `unfinished`."""
    p99s = {name: p99_ms(seen[name].urgent, seen[name].unfinished) if name in seen else None for name in NAMES}
    idle = p99s["idle"]
    return {
        "p0_idle_p99_ms": idle,
        "p0_flood_p99_ms": p99s["flood"],
        "control_flood_p99_ms": p99s["control"],
        "bulk_share": round(seen["flood"].bulk_share, 3) if "flood" in seen else None,
        "goal_ms": round(2 * idle + 100, 1) if idle is not None else None,
        "scenes": {name: _details(one) for name, one in seen.items()},
        "settings": {**next(iter(seen.values())).settings, **msgspec.to_builtins(flood)},
    }


def _details(one: Seen) -> dict[str, Any]:
    return {
        "p50_ms": p50_ms(one.urgent),
        "p99_ms": p99_ms(one.urgent, one.unfinished),
        "urgent": len(one.urgent),
        "unfinished": one.unfinished,
        "holds": list(one.holds),
        "bulk_written_back_per_minute": round(len(one.bulk) / one.seconds * 60),
        "steps_by_lane": dict(one.lanes),
        "waited": dict(one.waited),
        "left_at_the_end": one.left,
        "fed_per_second": round((len(one.urgent) + one.unfinished) / one.fed_s, 1),
    }


def show(seen: dict[str, Seen], console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    columns = ("scene", "P0 p50 ms", "P0 p99 ms", "P0 done", "unfinished", "bulk a minute", "due at the end")
    for column in columns:
        table.add_column(column, justify="left" if column == "scene" else "right")
    for name, one in seen.items():
        found = _details(one)
        cells: Sequence[object] = (
            found["p50_ms"],
            found["p99_ms"],
            found["urgent"],
            found["unfinished"],
            found["bulk_written_back_per_minute"],
            found["left_at_the_end"],
        )
        table.add_row(name, *(f"{cell:,}" if cell is not None else "" for cell in cells))
    console.print(table)


def draw(seen: dict[str, Seen], folder: Path) -> None:
    """Latency by lane over time: of bulk, the slowest of each second."""
    titles = {"idle": "P0, idle", "flood": "P0, flood", "control": "P0, flood, Dramatiq's broker"}
    series = {titles[name]: _slowest_ms(one.urgent) for name, one in seen.items()}
    if "flood" in seen:
        series["bulk, flood"] = _slowest_ms(seen["flood"].bulk)
    name = "latency, milliseconds (the slowest of each second)"
    svg.save(folder, "priority-latency", svg.lines("Raw payload to write-back", "seconds", name, series, log=True))


def _slowest_ms(points: Points) -> list[tuple[float, float]]:
    slowest: dict[int, float] = {}
    for at, latency in points:
        slowest[int(at)] = max(slowest.get(int(at), 0.0), latency * 1000)
    return [(float(at), value) for at, value in sorted(slowest.items())]


if __name__ == "__main__":
    main()
