"""``python -m benchmarks.chain [--orders N] [--quick] [--json]``."""

import sys

import click
import msgspec
from rich.console import Console

from benchmarks.chain.course import measure
from benchmarks.chain.report import figures, print_report
from benchmarks.surroundings import private_stores
from infra.log import configure
from infra.settings import read_settings
from workers.demo.stage import Script

QUICK_ORDERS = 1000


@click.command()
@click.option("--orders", default=5000, show_default=True, help="How many orders to generate.")
@click.option("--shops", default=5, show_default=True, help="Shops they are spread over.")
@click.option("--processes", default=2, show_default=True, help="Worker processes.")
@click.option("--threads", default=4, show_default=True, help="Threads of each worker process.")
@click.option("--seed", default=7, show_default=True, help="The same seed gives the same stream.")
@click.option("--quick", is_flag=True, help=f"{QUICK_ORDERS} orders, in less than a minute.")
@click.option("--sample", is_flag=True, help="Also sample what Postgres is at; costs a little.")
@click.option("--json", "as_json", is_flag=True, help="The last line of stdout is one JSON object.")
def main(
    *, orders: int, shops: int, processes: int, threads: int, seed: int, quick: bool, sample: bool, as_json: bool
) -> None:
    """Measure the whole chain on private stores against the sandbox, durable writes on."""
    configure("auto", "warning")
    script = Script(
        orders=QUICK_ORDERS if quick else orders,
        csv=None,
        seed=seed,
        per_second=0.0,
        processes=processes,
        threads=threads,
        shops=shops,
    )
    base = read_settings()
    with private_stores(base) as stores:
        course = measure(base, stores, script, samples=sample)
    print_report(course, Console(stderr=as_json, highlight=False, width=100))
    if as_json:
        print(msgspec.json.encode(figures(course)).decode())
    sys.exit(0 if course.outcome.reckoning.agrees else 1)


if __name__ == "__main__":
    main()
