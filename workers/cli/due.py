"""``orderlane order due``: open orders, the most money first; and every clock that runs, the first due first."""

import click

from domain.clocks import ClockName
from infra.config.settings import read_settings
from infra.telemetry.log import configure
from ops.faces.terminal.due import due_tree, print_clocks, print_due
from ops.views.clocks import running_clocks
from ops.views.due import DueOrder, due_orders, sums
from workers.cli.exits import Exit
from workers.cli.output import console, say_json
from workers.cli.stores import open_database
from workers.cli.values import WHOLE_MAX, Number

SHOWN = 50
# Ten years.
_HOURS_MAX = 87_660.0


@click.command(
    epilog="\b\nExample:  orderlane order due --within 4\n          orderlane order due --shop taobao/main --json\n"
    "          orderlane order due --clock all"
)
@click.option(
    "--clock",
    type=click.Choice([*map(str, ClockName), "all"]),
    help="Clocks of this kind, or of all kinds, the first due first.",
)
@click.option("--shop", metavar="S", help="Only orders of this shop: its name, or PLATFORM/NAME.")
@click.option("--within", "within_h", type=Number(0, _HOURS_MAX), metavar="H", help="Late, or due within H hours.")
@click.option("--limit", type=click.IntRange(1, WHOLE_MAX), default=SHOWN, show_default=True, help="How many to list.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; times in UTC.")
@click.pass_context
def due(
    ctx: click.Context, clock: str | None, shop: str | None, within_h: float | None, limit: int, *, as_json: bool
) -> None:
    """List open orders with a ship-by clock, the most money at risk first, with what each waits for.

    With --clock the clocks of one kind, or of all kinds, the first due first: the reference, page *Clocks*, says what
    each is. Orders that have left the house, are closed, or are not paid have no running ship-by clock. Exits with 0,
    whatever is late.
    """
    configure(level="error")
    if clock is not None:
        clocks = tuple(ClockName) if clock == "all" else (ClockName(clock),)
        with open_database(read_settings()) as db:
            running = running_clocks(db, clocks, shop=shop, within_h=within_h, limit=limit)
        if as_json:
            say_json({"clocks": running})
        else:
            print_clocks(running, console())
        ctx.exit(Exit.DONE)
    with open_database(read_settings()) as db:
        found = due_orders(db, shop, within_h)
    if as_json:
        say_json(_summary(found, limit))
    else:
        print_due(found, limit, console())
    ctx.exit(Exit.DONE)


def _summary(found: list[DueOrder], limit: int) -> dict[str, object]:
    return {
        "open": len(found),
        "late": sum(one.is_late for one in found),
        "at_risk": sums(found),
        "orders": [due_tree(one) for one in found[:limit]],
    }
