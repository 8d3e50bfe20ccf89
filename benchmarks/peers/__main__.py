"""``python -m benchmarks.peers [--peer NAME] [--processes N] [--arguments ...] [--json]``: how they were tuned."""

from dataclasses import replace

import click
import msgspec

from benchmarks.peers.course import CELERY, DRAMATIQ, figures, measure_peer
from benchmarks.surroundings import describe, private_stores
from infra.config.settings import read_settings
from infra.telemetry.log import configure
from workers.demo.stage import Script
from workers.demo.warehouses import UNTOLD

PEERS = {"dramatiq": DRAMATIQ, "celery": CELERY}


@click.command()
@click.option("--peer", type=click.Choice(list(PEERS)), default="dramatiq", show_default=True)
@click.option("--orders", default=1000, show_default=True, help="How many orders to generate.")
@click.option("--shops", default=5, show_default=True, help="Shops they are spread over.")
@click.option("--processes", type=int, help="Worker processes, if other than measured best.")
@click.option("--arguments", help="Of the worker: '16' threads for Dramatiq, 'threads 8' or 'prefork 4' for Celery.")
@click.option("--quick", is_flag=True, help="200 orders.")
@click.option("--json", "as_json", is_flag=True, help="The last line of stdout is one JSON object.")
def main(
    *, peer: str, orders: int, shops: int, processes: int | None, arguments: str | None, quick: bool, as_json: bool
) -> None:
    """Measure one peer's chain by itself, with settings of your own."""
    configure("auto", "warning")
    chosen = PEERS[peer]
    if chosen.missing:
        raise click.ClickException(chosen.missing)
    chosen = replace(
        chosen,
        processes=processes or chosen.processes,
        arguments=tuple(arguments.split()) if arguments else chosen.arguments,
    )
    script = Script(200 if quick else orders, None, 7, 0.0, processes=0, threads=1, shops=shops, floors=UNTOLD)
    base = read_settings()
    with private_stores(base) as stores:
        found = figures(chosen, measure_peer(base, stores, script, chosen))
        found["settings"] |= describe(stores)
    if as_json:
        print(msgspec.json.encode(found).decode())
    else:
        for name, value in found.items():
            click.echo(f"{name:20} {value}")


if __name__ == "__main__":
    main()
