"""``python -m benchmarks.binding [--quick] [--json]``."""

import tempfile
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import click
import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.binding.contest import PROCESSES, SWEEP_EVERY_S, Result, prepare, run
from benchmarks.binding.course import BATCH_MAX, STEPS, Course
from benchmarks.binding.dead import Dead, measure_dead
from benchmarks.binding.wiring import THREADS, WAYS
from benchmarks.surroundings import describe, private_stores
from infra.servers import Connection
from infra.telemetry.log import configure


class Scene(NamedTuple):
    """`share` of the orders that run: slow scenes take fewer. `call_s` is spent by each batch of the last step."""

    share: float = 1.0
    accounts: int = 1
    call_s: float = 0.0
    is_backlog: bool = False
    loses_redis: bool = False


SCENES = {
    "one account": Scene(),
    "200 accounts at the last step": Scene(0.5, accounts=200),
    "200 accounts, calls of 20 ms": Scene(0.25, accounts=200, call_s=0.02),
    "200 accounts, calls of 20 ms, after an outage": Scene(0.25, accounts=200, call_s=0.02, is_backlog=True),
    "Redis emptied half-way": Scene(loses_redis=True),
}


@click.command()
@click.option("--orders", default=20_000, show_default=True, help="Orders of each run.")
@click.option("--rounds", default=3, show_default=True, help="Runs of each way and scene, interleaved.")
@click.option("--dead", default=300_000, show_default=True, help="Dead index entries of the last scene.")
@click.option(
    "--quick", is_flag=True, help="2,000 orders, one round, 50,000 dead entries: for a look, not for a decision."
)
@click.option("--json", "as_json", is_flag=True, help="The last line of stdout is one JSON object.")
def main(*, orders: int, rounds: int, dead: int, quick: bool, as_json: bool) -> None:
    """Compare ids in messages with late binding."""
    configure("auto", "error")
    orders, rounds, dead = (2_000, 1, 50_000) if quick else (orders, rounds, dead)
    with private_stores() as stores, tempfile.TemporaryDirectory() as folder:
        settings = {
            **describe(stores),
            "orders": orders,
            "rounds": rounds,
            "steps": len(STEPS),
            "processes": PROCESSES,
            "threads": THREADS,
            "batch_max": BATCH_MAX,
            "sweep_every_s": SWEEP_EVERY_S,
            "dead_entries": dead,
        }
        urls = prepare(stores)
        scenes = _race(orders, rounds, stores, urls, Path(folder))
        dead_entries = measure_dead(urls["ids"], dead)
    _show(scenes, dead_entries, Console(stderr=as_json, highlight=False, width=120))
    if as_json:
        print(msgspec.json.encode({"scenes": scenes, "dead": dead_entries, "settings": settings}).decode())


def _race(
    orders: int, rounds: int, stores: Connection, urls: dict[str, str], folder: Path
) -> dict[str, dict[str, dict[str, Any]]]:
    """Medians by scene and way. Ways alternate, so that a busy minute of the machine hits both."""
    runs: dict[tuple[str, str], list[Result]] = {}
    for number in range(rounds):
        for title, scene in SCENES.items():
            course = Course(int(orders * scene.share), scene.accounts, scene.call_s, scene.is_backlog)
            for name in WAYS if number % 2 else WAYS[::-1]:
                result = run(name, course, stores, urls[name], folder, loses_redis=scene.loses_redis)
                runs.setdefault((title, name), []).append(result)
    return {scene: {name: _medians(runs[scene, name]) for name in WAYS} for scene in SCENES}


def _medians(results: list[Result]) -> dict[str, Any]:
    return {field: round(median(getattr(one, field) for one in results), 3) for field in Result.__struct_fields__}


def _show(scenes: dict[str, dict[str, dict[str, Any]]], dead: dict[str, Dead], console: Console) -> None:
    for scene, ways in scenes.items():
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("", *ways):
            table.add_column(column, justify="right" if column else "left")
        for field in Result.__struct_fields__:
            table.add_row(field, *(f"{numbers[field]:,}" for numbers in ways.values()))
        console.print(f"\n[bold]{scene}")
        console.print(table)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("milliseconds", *Dead.__struct_fields__):
        table.add_column(column, justify="left" if column == "milliseconds" else "right")
    for name, found in dead.items():
        table.add_row(name, *(f"{getattr(found, field):.2f}" for field in Dead.__struct_fields__))
    console.print("\n[bold]Claims beside dead index entries")
    console.print(table)


if __name__ == "__main__":
    main()
