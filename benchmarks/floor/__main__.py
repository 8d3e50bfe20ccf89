"""``python -m benchmarks.floor [--orders N] [--quick] [--json]``."""

from statistics import median
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.floor.measure import Floor, measure_floor
from benchmarks.surroundings import describe, private_stores
from infra.config.settings import read_settings
from infra.telemetry.log import configure
from workers.demo.stage import Script
from workers.demo.warehouses import UNTOLD


@click.command()
@click.option("--orders", default=2000, show_default=True, help="How many orders to generate.")
@click.option("--shops", default=5, show_default=True, help="Shops they are spread over.")
@click.option("--rounds", default=3, show_default=True, help="Rounds; medians are shown.")
@click.option("--batch", default=50, show_default=True, help="Subjects of one transaction; 1 is the peers' way.")
@click.option("--seed", default=7, show_default=True, help="The same seed gives the same stream.")
@click.option("--quick", is_flag=True, help="300 orders, one round.")
@click.option("--json", "as_json", is_flag=True, help="The last line of stdout is one JSON object.")
def main(*, orders: int, shops: int, rounds: int, batch: int, seed: int, quick: bool, as_json: bool) -> None:
    """Measure what the chain's statements and calls cost without queue, engine and rules."""
    configure("auto", "warning")
    orders, rounds = (300, 1) if quick else (orders, rounds)
    script = Script(
        orders=orders, csv=None, seed=seed, per_second=0.0, processes=0, threads=1, shops=shops, floors=UNTOLD
    )
    base = read_settings()
    found = medians([measure_floor(base, script, batch) for _ in range(rounds)])
    with private_stores(base) as stores:
        surroundings = describe(stores)
    counts = {"orders": orders, "shops": shops, "rounds": rounds, "batch": batch, "seed": seed}
    settings = {**surroundings, **counts}
    show(found, Console(stderr=as_json, highlight=False, width=100))
    if as_json:
        print(msgspec.json.encode(figures(found) | {"settings": settings}).decode())


def medians(rounds: list[Floor]) -> Floor:
    return Floor(*(median(getattr(one, name) for one in rounds) for name in Floor.__struct_fields__))


def figures(floor: Floor) -> dict[str, Any]:
    return {
        "floor_cpu_ms": round(floor.cpu_ms, 3),
        **{name: round(getattr(floor, name), 3) for name in Floor.__struct_fields__},
    }


def show(floor: Floor, console: Console) -> None:
    table = Table("for each order", "", box=None, pad_edge=False, header_style="dim")
    for name, value in figures(floor).items():
        table.add_row(name.replace("_", " "), f"{value:.2f}")
    console.print(table)


if __name__ == "__main__":
    main()
