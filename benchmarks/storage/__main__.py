"""``python -m benchmarks.storage [--quick] [--json]``."""

from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.storage.measure import Cost, measure
from infra.config.settings import read_settings
from infra.telemetry.log import configure
from workers.demo.stage import Script
from workers.demo.warehouses import UNTOLD

FEW = 10_000


@click.command()
@click.option("--orders", default=2000, show_default=True, help="New orders that are played.")
@click.option("--stored", default=1_000_000, show_default=True, help="Orders stored before, against 10,000.")
@click.option("--quick", is_flag=True, help="100,000 stored, 300 new.")
@click.option("--json", "as_json", is_flag=True, help="The last line of stdout is one JSON object.")
def main(*, orders: int, stored: int, quick: bool, as_json: bool) -> None:
    """Measure what a new order costs beside few and many stored ones."""
    configure("auto", "warning")
    orders, stored = (300, 100_000) if quick else (orders, stored)
    base = read_settings()
    script = Script(orders=orders, csv=None, seed=7, per_second=0.0, processes=0, threads=1, shops=5, floors=UNTOLD)
    few, many = measure(base, script, FEW), measure(base, script, stored)
    show(few, many, Console(stderr=as_json, highlight=False, width=150))
    if as_json:
        counts = {"orders": orders, "stored": [few.stored, many.stored], "fill_s": round(many.fill_s, 1)}
        settings = {**many.surroundings, **counts}
        print(msgspec.json.encode(figures(few, many) | {"settings": settings}).decode())


def figures(few: Cost, many: Cost) -> dict[str, Any]:
    """Ratios are of many to few. `changed_plans`: statements that reach a relation another way."""
    return {
        "statements_1m_vs_10k": round(many.statements / few.statements, 3),
        "buffers_1m_vs_10k": round(many.buffers / few.buffers, 3),
        "statements": [round(few.statements, 2), round(many.statements, 2)],
        "buffers": [round(few.buffers, 1), round(many.buffers, 1)],
        "done": [few.done, many.done],
        "changed_plans": sorted(
            name for name, plan in many.plans.items() if name in few.plans and plan.scans != few.plans[name].scans
        ),
        "plans": {name: [few.plans.get(name), plan] for name, plan in sorted(many.plans.items())},
    }


def show(few: Cost, many: Cost, console: Console) -> None:
    numbers = figures(few, many)
    for name in ("statements", "buffers"):
        ratio = numbers[f"{name}_1m_vs_10k"]
        console.print(
            f"{name} an order: {few.stored:,} stored {numbers[name][0]}, {many.stored:,} {numbers[name][1]}: {ratio}"
        )
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("statement", f"buffers, {few.stored:,}", f"buffers, {many.stored:,}", "reached by"):
        table.add_column(column, justify="right" if column.startswith("buffers") else "left")
    for name, (before, after) in sorted(numbers["plans"].items(), key=lambda item: -item[1][1].buffers):
        changed = " (changed)" if name in numbers["changed_plans"] else ""
        scans = ", ".join(after.scans) + changed
        table.add_row(name, f"{before.buffers:,}" if before else "", f"{after.buffers:,}", scans)
    console.print(table)


if __name__ == "__main__":
    main()
