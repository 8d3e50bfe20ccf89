"""``python -m benchmarks.broker [--quick] [--json]``."""

from statistics import median

import click
import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.broker.scenes import drain, flood, footprint, pickup
from benchmarks.broker.systems import PROCESSES, SYSTEMS
from benchmarks.surroundings import describe, private_stores
from infra.log import configure

Figures = dict[str, float]


@click.command()
@click.option("--messages", default=20_000, show_default=True, help="Messages of each drain and flood.")
@click.option("--rounds", default=3, show_default=True, help="Runs of each system and scene, interleaved.")
@click.option("--waiting", default=1_000_000, show_default=True, help="Messages that wait in the last scene.")
@click.option("--quick", is_flag=True, help="6,000 messages, two rounds, 100,000 waiting: for a look.")
@click.option("--json", "as_json", is_flag=True, help="The last line of stdout is one JSON object.")
def main(*, messages: int, rounds: int, waiting: int, quick: bool, as_json: bool) -> None:
    """Compare the priority broker with Dramatiq's Redis broker."""
    configure("auto", "critical")
    messages, rounds, waiting = (6_000, 2, 100_000) if quick else (messages, rounds, waiting)
    pickups, urgent = (20, 20) if quick else (60, 50)
    with private_stores() as stores:
        url = stores.redis_url.reveal()
        settings = {**describe(stores), "messages": messages, "rounds": rounds, "waiting": waiting}
        settings |= {"processes": PROCESSES, "systems": msgspec.to_builtins(SYSTEMS)}
        runs: dict[str, list[Figures]] = {name: [] for name in SYSTEMS}
        for number in range(rounds):
            for name in list(SYSTEMS)[:: 1 if number % 2 else -1]:
                found = drain(name, url, messages) | pickup(name, url, pickups)
                runs[name].append(found | flood(name, url, messages, urgent))
        few, many = _footprints(url, waiting, rounds)
    systems = {name: _medians(found) for name, found in runs.items()}
    result = _compare(runs, systems, few, many)
    _show(systems, {"1,000 waiting": few, f"{waiting:,} waiting": many}, result, Console(stderr=as_json, width=120))
    if as_json:
        details = {"systems": systems, "few_waiting": few, "many_waiting": many, "settings": settings}
        print(msgspec.json.encode(result | details).decode())


def _footprints(url: str, waiting: int, rounds: int) -> tuple[Figures, Figures]:
    runs: dict[int, list[Figures]] = {1_000: [], waiting: []}
    for _ in range(rounds):
        for number, found in runs.items():
            found.append(footprint(url, number, 10_000))
    return _medians(runs[1_000]), _medians(runs[waiting])


def _medians(runs: list[Figures]) -> Figures:
    return {name: round(median(run[name] for run in runs), 4) for name in runs[0]}


def _compare(runs: dict[str, list[Figures]], systems: dict[str, Figures], few: Figures, many: Figures) -> Figures:
    """Ratios are medians of the ratios within one round."""

    def ratio(name: str, other: str) -> float:
        pairs = zip(runs["priority"], runs[other], strict=True)
        return round(median(ours[name] / theirs[name] for ours, theirs in pairs), 2)

    return {
        "drain_vs_default": ratio("drain_per_s", "default"),
        "drain_vs_best": ratio("drain_per_s", "best"),
        "enqueue_vs_default": ratio("enqueue_per_s", "default"),
        "enqueue_vs_pipelined": ratio("enqueue_per_s", "best"),
        "pickup_p50_ms": round(systems["priority"]["pickup_p50_ms"], 2),
        "commands_1m_vs_1k": round(many["commands"] / few["commands"], 3),
        "redis_cpu_1m_vs_1k": round(many["redis_cpu_us"] / few["redis_cpu_us"], 3),
    }


def _show(systems: dict[str, Figures], footprints: dict[str, Figures], result: Figures, console: Console) -> None:
    for title, columns in (("Medians", systems), ("For each message", footprints)):
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in (title, *columns):
            table.add_column(column, justify="left" if column == title else "right")
        for name in next(iter(columns.values())):
            table.add_row(name, *(f"{figures[name]:,.2f}" for figures in columns.values()))
        console.print(table)
        console.print()
    for name, value in result.items():
        console.print(f"{name:22} {value:,.2f}")


if __name__ == "__main__":
    main()
