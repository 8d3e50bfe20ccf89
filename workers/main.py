"""``orderlane``: the command line. Exit codes: 0 done, 1 failed, 2 usage, 3 held, 4 quarantined, 5 refused,
6 partly done, 7 unreachable.
"""

import sys
from pathlib import Path

import click

from domain.errors import FulfilmentError
from infra.log import configure
from infra.settings import read_settings
from workers.demo.face import LiveFace, consoles, print_summary, silent
from workers.demo.run import run as run_demo
from workers.demo.stage import Script

import msgspec


class Orderlane(click.Group):
    """Shows our own errors as one line, and exits with 1."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except FulfilmentError as error:
            click.echo(f"orderlane: {error}", err=True)
            ctx.exit(1)


@click.group(cls=Orderlane, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Order fulfilment from paid order to tracked parcel."""


@main.command()
@click.option("--orders", default=500, show_default=True, help="How many orders to generate.")
@click.option("--from", "csv", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Replay a CSV.")
@click.option("--seed", default=7, show_default=True, help="The same seed gives the same stream.")
@click.option("--rate", default=0.0, show_default=True, help="Orders a second; 0: all at once.")
@click.option("--processes", default=2, show_default=True, help="Worker processes.")
@click.option("--threads", default=4, show_default=True, help="Threads of each worker process.")
@click.option("--shops", default=5, show_default=True, help="Shops of the generated stream.")
@click.option("--control", is_flag=True, help="After the run plant three harms, to see that they are found.")
@click.option("--json", "as_json", is_flag=True, help="The last line of stdout is one JSON object.")
def demo(**options: object) -> None:
    """Run the whole chain on private stores against the sandbox and compare three ledgers."""
    as_json = bool(options.pop("as_json"))
    csv = options.pop("csv")
    script = Script(
        orders=0 if csv and click.get_current_context().get_parameter_source("orders").name == "DEFAULT" else int(options["orders"]),  # type: ignore[union-attr,call-overload]
        csv=csv,  # type: ignore[arg-type]
        seed=int(options["seed"]),  # type: ignore[call-overload]
        per_second=float(options["rate"]),  # type: ignore[arg-type]
        processes=int(options["processes"]),  # type: ignore[call-overload]
        threads=int(options["threads"]),  # type: ignore[call-overload]
        shops=int(options["shops"]),  # type: ignore[call-overload]
        control=bool(options["control"]),
    )
    configure("auto", "warning")
    base = read_settings()
    progress_console, console = consoles()
    if as_json or not progress_console.is_terminal:
        outcome = run_demo(base, script, silent)
    else:
        with LiveFace(progress_console).shown() as face:
            outcome = run_demo(base, script, face)
    if as_json:
        click.echo(msgspec.json.encode(outcome.summary()).decode())
    else:
        print_summary(outcome, console)
    sys.exit(0 if outcome.reckoning.agrees else 1)


if __name__ == "__main__":
    main()
