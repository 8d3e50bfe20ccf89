"""``python -m benchmarks.broker [--quick] [--json] [--pictures FOLDER]``."""

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import NamedTuple

import click
import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.broker.pictures import draw
from benchmarks.broker.scenes import Figures, Points, delayed, drain, flood, footprint, pickup
from benchmarks.broker.systems import BEST, CELERY, DEFAULT, IN_FLOOD, PRIORITY, PROCESSES, SYSTEMS, TUNED
from benchmarks.surroundings import describe, private_stores
from infra.telemetry.log import configure

DELAYING = (BEST, PRIORITY)
DEEP = (BEST, PRIORITY)  # systems that enqueue in batches: the others would take many minutes for a million


class Size(NamedTuple):
    """How much is measured. `far` are delayed messages that stay delayed, `due` those that become due."""

    messages: int
    rounds: int
    waiting: int
    pickups: int = 60
    urgent: int = 50
    far: int = 100_000
    due: int = 2_000


QUICK = Size(6_000, 2, 100_000, pickups=8, urgent=15, far=10_000, due=250)


@click.command()
@click.option("--messages", default=20_000, show_default=True, help="Messages of each drain and flood.")
@click.option("--rounds", default=3, show_default=True, help="Runs of each system and scene, interleaved.")
@click.option("--waiting", default=1_000_000, show_default=True, help="Messages that wait in the last scenes.")
@click.option("--quick", is_flag=True, help="6,000 messages, two rounds, 100,000 waiting: for a look.")
@click.option("--json", "as_json", is_flag=True, help="The last line of stdout is one JSON object.")
@click.option("--pictures", type=click.Path(path_type=Path, file_okay=False), help="Write SVG into this folder.")
def main(*, messages: int, rounds: int, waiting: int, quick: bool, as_json: bool, pictures: Path | None) -> None:
    """Compare the priority broker with Dramatiq's Redis broker and with Celery."""
    configure("auto", "critical")
    console = Console(stderr=as_json, width=120)
    size = QUICK if quick else Size(messages, rounds, waiting)
    names = [name for name, system in SYSTEMS.items() if not system.missing]
    for system in SYSTEMS.values():
        if system.missing:
            console.print(f"without {system.name}: {system.missing}")
    with private_stores() as stores:
        url = stores.redis_url.reveal()
        settings = {**describe(stores), **size._asdict(), "processes": PROCESSES}
        settings |= {"systems": msgspec.to_builtins(SYSTEMS)}
        runs: dict[str, list[Figures]] = {name: [] for name in names}
        floods: dict[str, Mapping[str, Points]] = {}
        for number in range(size.rounds):
            for name in names[:: 1 if number % 2 else -1]:
                figures, over_time = _round(name, url, size)
                runs[name].append(figures)
                if over_time:
                    floods[name] = over_time
        few, many = _footprints(url, size)
        deep = {name: flood(_in_flood(name), url, size.waiting, size.urgent)[0] for name in DEEP}
    systems = {name: _medians(found) for name, found in runs.items()}
    result = _compare(runs, systems, few, many)
    _show(systems, {"1,000 waiting": few, f"{size.waiting:,} waiting": many}, result, console)
    for name, figures in deep.items():
        shown = ", ".join(f"{key} {value:,.1f}" for key, value in figures.items())
        console.print(f"urgent behind {size.waiting:,}, {name}: {shown}")
    if pictures:
        draw(systems, floods, pictures)
    if as_json:
        details = {"systems": systems, "few_waiting": few, "many_waiting": many, "deep": deep, "settings": settings}
        print(msgspec.json.encode(result | details).decode())


def _round(name: str, url: str, size: Size) -> tuple[Figures, Mapping[str, Points]]:
    found = drain(name, url, size.messages)
    if name == TUNED:
        return found, {}
    found |= pickup(name, url, size.pickups)
    waits, over_time = flood(_in_flood(name), url, size.messages, size.urgent)
    found |= waits
    if name in DELAYING:
        found |= delayed(name, url, size.far, size.due)
    return found, over_time


def _in_flood(name: str) -> str:
    return IN_FLOOD[name].name if name in IN_FLOOD else name


def _footprints(url: str, size: Size) -> tuple[Figures, Figures]:
    runs: dict[int, list[Figures]] = {1_000: [], size.waiting: []}
    for _ in range(size.rounds):
        for number, found in runs.items():
            found.append(footprint(url, number, 10_000))
    return _medians(runs[1_000]), _medians(runs[size.waiting])


def _medians(runs: list[Figures]) -> Figures:
    return {name: round(median(run[name] for run in runs), 4) for name in runs[0]}


def _compare(runs: Mapping[str, list[Figures]], systems: Mapping[str, Figures], few: Figures, many: Figures) -> Figures:
    """Ratios are medians of the ratios within one round."""

    def ratio(name: str, other: str, ours: str = PRIORITY) -> float:
        pairs = zip(runs[ours], runs[other], strict=True)
        return round(median(mine[name] / theirs[name] for mine, theirs in pairs), 2)

    celery = {"drain_vs_celery": ratio("drain_per_s", CELERY)} if CELERY in runs else {}
    return {
        "drain_vs_default": ratio("drain_per_s", DEFAULT),
        # Best settings are compared with best settings, and defaults with defaults.
        "drain_vs_best": ratio("drain_per_s", BEST, TUNED),
        "drain_default_vs_best": ratio("drain_per_s", BEST),
        **celery,
        "enqueue_vs_default": ratio("enqueue_per_s", DEFAULT),
        "enqueue_vs_pipelined": ratio("enqueue_per_s", BEST),
        "pickup_p50_ms": round(systems[PRIORITY]["pickup_p50_ms"], 2),
        "late_p99_ms": round(systems[PRIORITY]["late_p99_ms"], 2),
        "delayed_memory_mb": round(systems[PRIORITY]["delayed_memory_mb"], 2),
        "commands_1m_vs_1k": round(many["commands"] / few["commands"], 3),
        "redis_cpu_1m_vs_1k": round(many["redis_cpu_us"] / few["redis_cpu_us"], 3),
    }


def _show(systems: Mapping[str, Figures], footprints: Mapping[str, Figures], result: Figures, console: Console) -> None:
    for title, columns in (("Medians", systems), ("For each message", footprints)):
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in (title, *columns):
            table.add_column(column, justify="left" if column == title else "right")
        for name in dict.fromkeys(name for figures in columns.values() for name in figures):
            table.add_row(name, *(f"{figures[name]:,.2f}" if name in figures else "" for figures in columns.values()))
        console.print(table)
        console.print()
    for name, value in result.items():
        console.print(f"{name:22} {value:,.2f}")


if __name__ == "__main__":
    main()
