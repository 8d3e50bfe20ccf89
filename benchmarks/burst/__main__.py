"""``python -m benchmarks.burst [--average N] [--quick] [--json] [--pictures FOLDER]``."""

import sys
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console

from benchmarks.burst.course import TIMES, Course, Tide, play
from benchmarks.burst.pictures import draw
from benchmarks.surroundings import describe, private_stores
from infra.config.settings import read_settings
from infra.telemetry.log import configure


@click.command()
@click.option("--average", default=800.0, show_default=True, help=f"Orders a minute; the surge is {TIMES} times that.")
@click.option("--processes-max", default=2, show_default=True, help="To how many processes the pool may grow.")
@click.option("--threads", default=4, show_default=True, help="Threads of each process.")
@click.option("--shops", default=5, show_default=True, help="Shops the orders are spread over.")
@click.option("--seed", default=7, show_default=True, help="The same seed gives the same stream.")
@click.option("--quick", is_flag=True, help="A tenth of the orders in a sixth of the time.")
@click.option("--json", "as_json", is_flag=True, help="The last line of stdout is one JSON object.")
@click.option("--pictures", type=click.Path(path_type=Path, file_okay=False), help="Folder to draw pictures into.")
def main(
    *,
    average: float,
    processes_max: int,
    threads: int,
    shops: int,
    seed: int,
    quick: bool,
    as_json: bool,
    pictures: Path | None,
) -> None:
    """Play a surge of two minutes against one worker process that may become more.

    Exits with 1 unless nothing was lost or doubled, the inflow gave exactly one signal, neither before its time nor
    after the surge, and the pool is at its least again.
    """
    configure("auto", "error")
    pace = 1 / 6 if quick else 1.0
    average = 0.6 * average if quick else average
    tide = Tide(
        average_per_min=average,
        before_s=60 * pace,
        surge_s=120 * pace,
        after_s=120 * pace,
        threshold_per_min=3 * average,
        threshold_s=60 * pace,
        window_s=15 if quick else 30,
        surge_window_s=3 if quick else 5,
        calm_s=60 * pace,
        processes_max=processes_max,
        threads=threads,
        shops=shops,
        seed=seed,
    )
    base = read_settings()
    with private_stores(base) as stores:
        course = play(base, stores, tide)
        found = {**figures(course), "settings": {**describe(stores), **course.settings}}
    if pictures is not None:
        draw(course.watch, pictures)
    _print(found, Console(stderr=as_json, highlight=False, width=100))
    if as_json:
        print(msgspec.json.encode(found).decode())
    sys.exit(0 if found["holds"] else 1)


def figures(course: Course) -> dict[str, Any]:
    """What the last line of stdout says; seconds are counted from the beginning of the surge."""
    watch, summary = course.watch, course.outcome.summary()
    began_s = watch.surge_began_s or 0.0
    signals = [round(at_s - began_s, 1) for at_s, reason in watch.signals if reason == "inflow"]
    is_whole = course.outcome.comparison.agrees and not course.outcome.restarts
    soonest_s, latest_s = course.signal_due_s
    is_in_time = len(signals) == 1 and soonest_s <= signals[0] <= latest_s
    return {
        **{name: summary[name] for name in ("orders", "done", "held", "dead", "lost", "duplicate_waybills")},
        "oversold": summary["oversold"],
        "ledgers_agree": summary["ledgers_agree"],
        "signals_after_s": signals,
        "signal_due_s": [soonest_s, latest_s],
        "other_signals": sorted({reason for _, reason in watch.signals} - {"inflow"}),
        "processes": [[round(at_s - began_s, 1), size] for at_s, size in watch.sizes],
        "depth_most": max(depth for _, depth in watch.depths),
        "oldest_most_s": round(watch.oldest_most_s, 1),
        "surge_took_s": round((watch.surge_ended_s or began_s) - began_s, 1),
        "drained_after_s": None if watch.drained_s is None else round(watch.drained_s - began_s, 1),
        "is_least_again": course.is_least_again,
        "holds": is_whole and is_in_time and course.is_least_again,
    }


def _print(found: dict[str, Any], console: Console) -> None:
    console.print(f"{found['orders']} orders: {found['done']} done, {found['held']} held, {found['lost']} lost")
    console.print(f"signal after {found['signals_after_s']} s of the surge, due {found['signal_due_s']}")
    console.print(f"pool {found['processes']} (second, size)")
    console.print(
        f"backlog at most {found['depth_most']}, oldest {found['oldest_most_s']} s; "
        f"all through after {found['drained_after_s']} s; at the least again: {found['is_least_again']}"
    )


if __name__ == "__main__":
    main()
