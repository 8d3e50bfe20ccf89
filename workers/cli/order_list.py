"""``orderlane order list`` and ``find``."""

import sys

import click

from infra.engine.author import Author
from infra.tables.order_list import OrderFilter
from ops.faces.terminal.order_list import print_orders
from ops.verbs.search import find_by_phone
from ops.views.order_list import OrderPage, find_orders, list_orders
from workers.cli.exits import Exit
from workers.cli.options import optional_author
from workers.cli.order_filter import order_filter
from workers.cli.output import console, json_option, say_json
from workers.cli.stores import open_database, quiet_settings
from workers.cli.values import WHOLE

PAGE = 50
PAGE_MAX = 1000
_LINE_MAX = 200
# A person at a terminal waits a few seconds for a rare order.
_LOOKED_MAX = 500_000

limit_option = click.option(
    "--limit", type=click.IntRange(1, PAGE_MAX), default=PAGE, show_default=True, help="How many to list."
)
after_option = click.option("--after", type=WHOLE, metavar="ID", help="List orders after this one.")


@click.command(
    "list",
    epilog="\b\nExample:  orderlane order list --state on_hold --shop taobao/main\n"
    "          orderlane order list --older-than 2d --state allocated --sort oldest\n"
    "          orderlane order list --hold seller_flag --owner li --json",
)
@order_filter
@click.option(
    "--sort",
    type=click.Choice(["newest", "oldest"]),
    default="newest",
    show_default=True,
    help="Which orders come first.",
)
@after_option
@limit_option
@json_option
@click.pass_context
def list_command(
    ctx: click.Context, *, wanted: OrderFilter, sort: str, after: int | None, limit: int, as_json: bool
) -> None:
    """List orders: state, what each waits for, money, lane and ship-by time. Options narrow each other.

    A page reads at most 500,000 orders; if it ends early, it names the order after which the next page begins. `order
    due` lists orders by their ship-by time.
    """
    with open_database(quiet_settings()) as db:
        page = list_orders(db, wanted, after=after, limit=limit, oldest_first=sort == "oldest", looked_max=_LOOKED_MAX)
    _print(page, as_json=as_json)
    ctx.exit(Exit.DONE)


@click.command(
    "find",
    epilog="\b\nExample:  orderlane order find SF1390010300412\n"
    "          orderlane order find TEE-BLACK-L --limit 5\n"
    "          echo 0001 | orderlane order find --phone",
)
@click.argument("text", metavar="[TEXT]", required=False)
@click.option(
    "--phone", "by_phone", is_flag=True, help="Search by the last digits of a phone number, read from standard input."
)
@after_option
@limit_option
@optional_author
@json_option
@click.pass_context
def find_command(
    ctx: click.Context,
    *,
    text: str | None,
    by_phone: bool,
    after: int | None,
    limit: int,
    author: Author,
    as_json: bool,
) -> None:
    """Find orders by any identifier: an id of any kind, a waybill, a package's reference, or a SKU.

    With --phone: the last four digits or more of a buyer's phone number, on standard input, because other users and the
    history of the shell can see a command line. The digits are not stored; the search is recorded in the audit. Exits
    with 1 if nothing is found.
    """
    if (text is None) != by_phone:
        raise click.UsageError("say a TEXT, or --phone with the last digits on standard input")
    with open_database(quiet_settings()) as db:
        if text is None:
            digits = sys.stdin.buffer.readline(_LINE_MAX).decode(errors="replace")
            page = find_by_phone(db, digits, author, after=after, limit=limit, looked_max=_LOOKED_MAX)
        else:
            page = find_orders(db, text, after=after, limit=limit, looked_max=_LOOKED_MAX)
    _print(page, as_json=as_json)
    ctx.exit(Exit.DONE if page.orders else Exit.FAILED)


def _print(page: OrderPage, *, as_json: bool) -> None:
    if as_json:
        say_json(page)
    else:
        print_orders(page, console())
