"""``orderlane order``: look at one order."""

import click
import msgspec
from rich.console import Console

from infra.db.pool import Database
from infra.log import configure
from infra.settings import read_settings
from ops.find import find, why_missing
from ops.order_face import print_matches, print_order
from ops.order_view import view_order
from workers.cli.exits import Exit
from workers.cli.stores import database_at_hand


@click.group(epilog="\b\nExample:  orderlane order show 2206140048812637")
def order() -> None:
    """Look at one order."""


@order.command(
    epilog="\b\nExample:  orderlane order show 2206140048812637\n"
    "          orderlane order show main/2206140048812637 --json\n"
    "          orderlane order show SF1390010300412"
)
@click.argument("order_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; times in UTC.")
@click.pass_context
def show(ctx: click.Context, order_id: str, *, as_json: bool) -> None:
    """Show where an order is, why it is there, and what happens next.

    ID is orderlane's own order id, the platform's order id, SHOP/ID, PLATFORM/SHOP/ID, or a waybill.
    Personal data is masked. Exits with 1 for an unknown id, 2 if it may mean several orders, and 4 if its
    payload could not be read.
    """
    configure(level="error")
    settings = read_settings()
    with database_at_hand(settings) as db:
        ctx.exit(_show(db, order_id, as_json=as_json))


def _show(db: Database, order_id: str, *, as_json: bool) -> Exit:
    with db.transaction() as tx:
        matches = find(tx, order_id)
        if not matches:
            raise why_missing(tx, order_id)
    if len(matches) > 1:
        print_matches(order_id, matches, Console(stderr=True))
        return Exit.USAGE
    view = view_order(db, matches[0].id)
    if as_json:
        click.echo(msgspec.json.encode(view))
    else:
        print_order(view, Console(highlight=False, markup=False, emoji=False))
    return Exit.DONE
