"""``python -m benchmarks.chain [--orders N] [--quick] [--json]``."""

import sys
from pathlib import Path

import click
import msgspec
from rich.console import Console

from benchmarks.chain.contest import Plan, play_round
from benchmarks.chain.pictures import draw
from benchmarks.chain.report import figures, print_report
from benchmarks.peers.course import CELERY, DRAMATIQ
from infra.config.settings import read_settings
from infra.telemetry.log import configure
from workers.demo.stage import Script, scenes_of
from workers.demo.warehouses import UNTOLD

QUICK_ORDERS = 1000
QUICK_OTHERS = 200


@click.command()
@click.option("--orders", default=2000, show_default=True, help="How many orders to generate.")
@click.option("--shops", default=5, show_default=True, help="Shops they are spread over.")
@click.option("--processes", default=2, show_default=True, help="Worker processes.")
@click.option("--threads", default=4, show_default=True, help="Threads of each worker process.")
@click.option("--seed", default=7, show_default=True, help="The same seed gives the same stream.")
@click.option("--rounds", default=3, show_default=True, help="Rounds of engine, floor and peers, interleaved.")
@click.option("--floor-orders", type=int, help="Orders of the floor, if not as many.")
@click.option("--peer-orders", type=int, help="Orders of each peer, if not as many.")
@click.option("--alone", is_flag=True, help="One run of the engine, without floor and peers.")
@click.option("--quick", is_flag=True, help=f"One round: {QUICK_ORDERS} orders, {QUICK_OTHERS} for the others.")
@click.option("--split-share", default=0.0, help="Share of orders whose lines no location has all of.")
@click.option("--told", is_flag=True, help="The warehouses take orders: the steps of a chain with dispatch.")
@click.option("--followed", is_flag=True, help="The courier is asked about parcels, at the sandbox's pace.")
@click.option("--sample", is_flag=True, help="Also sample what Postgres is at; costs a little.")
@click.option("--pictures", type=click.Path(path_type=Path, file_okay=False), help="Folder to draw pictures into.")
@click.option("--json", "as_json", is_flag=True, help="The last line of stdout is one JSON object.")
def main(
    *,
    orders: int,
    shops: int,
    processes: int,
    threads: int,
    seed: int,
    rounds: int,
    floor_orders: int | None,
    peer_orders: int | None,
    alone: bool,
    quick: bool,
    split_share: float,
    told: bool,
    followed: bool,
    sample: bool,
    pictures: Path | None,
    as_json: bool,
) -> None:
    """Measure the whole chain on private stores against the sandbox, durable writes on, beside floor and peers."""
    configure("auto", "warning")
    if quick:
        orders, rounds, floor_orders, peer_orders = QUICK_ORDERS, 1, QUICK_OTHERS, QUICK_OTHERS
    if alone:
        rounds, floor_orders = 1, 0
    # As many for everybody: connecting and preparing statements is shared out over the same number.
    floor_orders = orders if floor_orders is None else floor_orders
    peer_orders = orders if peer_orders is None else peer_orders
    base = read_settings()
    script = Script(
        orders=orders,
        csv=None,
        seed=seed,
        per_second=0.0,
        processes=processes,
        threads=threads,
        shops=shops,
        scenes=scenes_of(split_share, 0.0),
        follows=followed,
        floors={} if told else UNTOLD,
    )
    wanted = [] if alone else [DRAMATIQ, CELERY]
    peers = [peer for peer in wanted if not peer.missing]
    plan = Plan(script, floor_orders, peer_orders, base.engine.batch_max, peers, sample)
    played = [play_round(base, plan, number) for number in range(rounds)]
    console = Console(stderr=as_json, highlight=False, width=100)
    print_report(played, plan, console)
    for peer in wanted:
        if peer.missing:
            console.print(f"{peer.name} is skipped: {peer.missing}")
    if pictures is not None:
        draw(played, pictures)
    if as_json:
        print(msgspec.json.encode(figures(played, plan)).decode())
    sys.exit(0 if all(one.is_whole for one in played) else 1)


if __name__ == "__main__":
    main()
