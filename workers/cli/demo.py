"""``orderlane demo``: the whole chain against the sandbox."""

from pathlib import Path

import click

from infra.config.instance import remember_demo
from infra.config.settings import read_settings
from infra.telemetry.log import configure
from workers.cli.exits import Exit
from workers.cli.output import say_json
from workers.cli.values import WHOLE, Number
from workers.demo.face import LiveFace, consoles, print_summary, silent
from workers.demo.run import run as run_demo
from workers.demo.stage import Script, scenes_of
from workers.demo.warehouses import PlayedWarehouses, cast_of

DEFAULT_ORDERS = 500
# Changes on the way are not played by default: a demo with them ends only after each shop's next pull.
DEFAULT_SPLIT_SHARE = 0.05
ORDERS_MAX = 100_000_000


@click.command(epilog="\b\nExample:  orderlane demo --orders 2000\n          orderlane demo --from orders.csv --json")
@click.option(
    "--orders",
    type=click.IntRange(0, ORDERS_MAX),
    help=f"How many orders to play.  [default: {DEFAULT_ORDERS}; with --from the whole file]",
)
@click.option(
    "--from",
    "csv",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="CSV",
    help="Replay a CSV instead of a generated stream.",
)
@click.option("--seed", type=WHOLE, default=7, show_default=True, help="The same seed gives the same stream.")
@click.option(
    "--rate", type=Number(0, ORDERS_MAX), default=0.0, show_default=True, help="Orders a second; 0: all at once."
)
@click.option("--processes", type=click.IntRange(1, 1000), default=2, show_default=True, help="Worker processes.")
@click.option("--threads", type=click.IntRange(1, 1000), default=4, show_default=True, help="Threads of each of them.")
@click.option(
    "--shops", type=click.IntRange(1, 100_000), default=5, show_default=True, help="Shops of a generated stream."
)
@click.option(
    "--split-share",
    type=Number(0, 1),
    default=DEFAULT_SPLIT_SHARE,
    show_default=True,
    help="Share of generated orders whose lines no location has all of.",
)
@click.option(
    "--change-share",
    type=Number(0, 1),
    default=0.0,
    show_default=True,
    help="Share of generated orders of which a line is refunded, shipped by others, closed, or not ours.",
)
@click.option(
    "--warehouses",
    type=click.Choice([str(played) for played in PlayedWarehouses]),
    default=PlayedWarehouses.FEED.value,
    show_default=True,
    help="feed: two warehouses that take orders. every: five locations, one of each kind.",
)
@click.option(
    "--control",
    is_flag=True,
    help="After the run, make three errors on purpose to check that the comparison finds them.",
)
@click.option("--json", "as_json", is_flag=True, help="The last line of stdout is one JSON object.")
@click.pass_context
def demo(
    ctx: click.Context,
    *,
    orders: int | None,
    csv: Path | None,
    seed: int,
    rate: float,
    processes: int,
    threads: int,
    shops: int,
    split_share: float,
    change_share: float,
    warehouses: str,
    control: bool,
    as_json: bool,
) -> None:
    """Run the whole chain on private stores against the sandbox, and compare the ledgers.

    With `--warehouses every`, orders go to a warehouse that takes them by the feed protocol, one that books waybills,
    one that also splits, one that refuses and picks short, and a location without a system, where played people use
    `orderlane picks` and `orderlane package`. Exits with 0 if platform, orderlane, warehouses and courier agree.
    """
    cast = cast_of(PlayedWarehouses(warehouses))
    if csv and cast.locations:
        raise click.UsageError("--warehouses every is for a generated stream, not for --from")
    configure("auto", "warning")
    script = Script(
        orders=orders if orders is not None else 0 if csv else DEFAULT_ORDERS,
        csv=csv,
        seed=seed,
        per_second=rate,
        processes=processes,
        threads=threads,
        shops=shops,
        control=control,
        scenes=scenes_of(split_share, change_share),
        follows=True,
        locations=cast.locations,
        floors=cast.floors,
    )
    base = read_settings()
    progress_console, console = consoles()
    if as_json or not progress_console.is_terminal:
        outcome = run_demo(base, script, silent)
    else:
        with LiveFace(progress_console).shown() as face:
            outcome = run_demo(base, script, face)
    remember_demo(outcome.settings_file)
    if as_json:
        say_json(outcome.summary())
    else:
        print_summary(outcome, console)
    ctx.exit(Exit.DONE if outcome.comparison.agrees else Exit.FAILED)
