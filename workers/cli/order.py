"""``orderlane order``: list, find and show orders, hold and release them, stop and change them."""

import click

from infra.config.settings import read_settings
from infra.tables.inspect import Match
from infra.tables.pool import Database
from infra.telemetry.log import configure
from ops.faces.terminal.order import order_tree, print_explanation, print_matches, print_order, print_raw
from ops.views.find import find, why_missing
from ops.views.order import raw_answers, view_order
from workers.cli.exits import Exit
from workers.cli.group import LazyGroup
from workers.cli.output import console, say_json
from workers.cli.stores import open_database


@click.group(
    cls=LazyGroup,
    epilog="\b\nExample:  orderlane order show 2206140048812637",
    lazy={
        "adopt": "workers.cli.adopt:adopt",
        "close": "workers.cli.order_change:close_command",
        "correct-address": "workers.cli.order_divide:correct_address_command",
        "due": "workers.cli.due:due",
        "expedite": "workers.cli.order_act:expedite",
        "find": "workers.cli.order_list:find_command",
        "hold": "workers.cli.order_act:hold",
        "kept-out": "workers.cli.adopt:kept_out",
        "list": "workers.cli.order_list:list_command",
        "release": "workers.cli.order_act:release",
        "relabel": "workers.cli.order_change:relabel_command",
        "reroute": "workers.cli.order_change:reroute_command",
        "split": "workers.cli.order_divide:split_command",
        "stop": "workers.cli.order_change:stop_command",
        "unsplit": "workers.cli.order_divide:unsplit_command",
    },
)
def order() -> None:
    """List, find and show orders, hold and release them, stop and change them, and change their lane."""


@order.command(
    epilog="\b\nExample:  orderlane order explain 2206140048812637",
)
@click.argument("order_id", metavar="ID")
@click.pass_context
def explain(ctx: click.Context, order_id: str) -> None:
    """Say why an order is where it is, who must act, and what would move it on, with the commands for that.

    The short form of `order show`, which takes the same ids and exits the same.
    """
    configure(level="error")
    with open_database(read_settings()) as db:
        match = one_match(db, order_id)
        if match is None:
            ctx.exit(Exit.USAGE)
        print_explanation(view_order(db, match.id), console())


@order.command(
    epilog="\b\nExample:  orderlane order show 2206140048812637\n"
    "          orderlane order show main/2206140048812637 --json\n"
    "          orderlane order show SF1390010300412"
)
@click.argument("order_id", metavar="ID")
@click.option("--raw", is_flag=True, help="Also show the raw answers behind failures: personal data.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; times in UTC.")
@click.pass_context
def show(ctx: click.Context, order_id: str, *, raw: bool, as_json: bool) -> None:
    """Show where an order is, why it is there, and what happens next.

    ID is orderlane's own order id, the platform's order id, SHOP/ID, PLATFORM/SHOP/ID, or a waybill.
    Personal data is masked, except in the answers of --raw. Exits with 1 for an unknown id, 2 if it may mean several
    orders, and 4 if its payload could not be read.
    """
    configure(level="error")
    settings = read_settings()
    with open_database(settings) as db:
        ctx.exit(_show(db, order_id, raw=raw, as_json=as_json))


def one_match(db: Database, order_id: str) -> Match | None:
    """The one order that an id means. None, and a list on stderr, when it may mean several."""
    with db.transaction() as tx:
        matches = find(tx, order_id)
        if not matches:
            raise why_missing(tx, order_id)
    if len(matches) > 1:
        print_matches(order_id, matches, console(stderr=True))
        return None
    return matches[0]


def _show(db: Database, order_id: str, *, raw: bool, as_json: bool) -> Exit:
    match = one_match(db, order_id)
    if match is None:
        return Exit.USAGE
    view = view_order(db, match.id)
    answers = raw_answers(db, match.id) if raw else ()
    if as_json:
        tree = order_tree(view)
        say_json({**tree, "answers": answers} if raw else tree)
    else:
        print_order(view, console())
        if answers:
            print_raw(answers, console())
    return Exit.DONE
