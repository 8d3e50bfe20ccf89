"""``python -m benchmarks.distance [--quick] [--json]``: messages of 5 ms, with workers far from Redis."""

from pathlib import Path
from statistics import median
from urllib.parse import unquote, urlsplit

import click
import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.broker.scenes import Figures, flood, steady
from benchmarks.broker.systems import DEFAULT, IN_FLOOD, PRIORITY, PROCESSES, SYSTEMS
from benchmarks.distance.line import Line
from benchmarks.surroundings import describe, private_stores
from infra.engine.event_loop import EventLoopThread
from infra.telemetry.log import configure

ROUND_TRIPS_MS = (1.0, 10.0, 30.0)
NAMES = (DEFAULT, PRIORITY)
_URGENT = 20


@click.command()
@click.option("--messages", default=6_000, show_default=True, help="Messages of each run.")
@click.option("--rounds", default=3, show_default=True, help="Runs of each system at each distance, interleaved.")
@click.option("--round-trip", "round_trips_ms", default=ROUND_TRIPS_MS, multiple=True, show_default=True, type=float)
@click.option("--quick", is_flag=True, help="1,500 messages, two rounds.")
@click.option("--json", "as_json", is_flag=True, help="The last line of stdout is one JSON object.")
def main(*, messages: int, rounds: int, round_trips_ms: tuple[float, ...], quick: bool, as_json: bool) -> None:
    """Compare the priority broker with Dramatiq's Redis broker, both at their defaults."""
    configure("auto", "critical")
    console = Console(stderr=as_json, width=100)
    messages, rounds = (1_500, 2) if quick else (messages, rounds)
    runs: dict[tuple[float, str], list[Figures]] = {}
    with private_stores() as stores, EventLoopThread() as event_loop:
        near = stores.redis_url.reveal()
        settings = {**describe(stores), "messages": messages, "rounds": rounds, "processes": PROCESSES}
        for round_trip_ms in round_trips_ms:
            with Line(event_loop, Path(unquote(urlsplit(near).path)), round_trip_ms / 1000) as line:
                for number in range(rounds):
                    for name in NAMES[:: 1 if number % 2 else -1]:
                        runs.setdefault((round_trip_ms, name), []).append(_run(name, near, line.url, messages))
    found = {
        f"{round_trip_ms:g} ms": {name: _medians(runs[round_trip_ms, name]) for name in NAMES}
        for round_trip_ms in round_trips_ms
    }
    _show(found, console)
    if as_json:
        settings["systems"] = msgspec.to_builtins({name: SYSTEMS[name] for name in NAMES})
        print(msgspec.json.encode({"distances": found, "settings": settings}).decode())


def _run(name: str, near: str, far: str, messages: int) -> Figures:
    rate = steady(name, near, messages, far)
    waits, _ = flood(IN_FLOOD[name].name if name in IN_FLOOD else name, near, messages, _URGENT, far)
    return rate | waits


def _medians(runs: list[Figures]) -> Figures:
    return {name: round(median(run[name] for run in runs), 2) for name in runs[0]}


def _show(found: dict[str, dict[str, Figures]], console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("round trip", "broker", *next(iter(found.values()))[PRIORITY]):
        table.add_column(column, justify="left" if column == "broker" else "right")
    for distance, systems in found.items():
        for name, figures in systems.items():
            table.add_row(distance, name, *(f"{value:,.1f}" for value in figures.values()))
    console.print(table)


if __name__ == "__main__":
    main()
