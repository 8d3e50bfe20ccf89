"""``orderlane order``: list, find and show orders, hold and release them, and change their lane."""

import click
import msgspec

from domain.errors import Conflict
from domain.holds import HoldCode
from domain.order import Lane
from infra.config.settings import read_settings
from infra.engine.author import Author
from infra.tables.pool import Database
from infra.telemetry.log import configure
from ops.faces.terminal.order import print_matches, print_order, print_raw
from ops.verbs.expedite import Expedited, expedite_unread
from ops.verbs.expedite import expedite as change_lane
from ops.verbs.holds import Released
from ops.verbs.holds import release as release_hold
from ops.views.find import Match, find, why_missing
from ops.views.order import raw_answers, view_order
from workers.cli.exits import Exit
from workers.cli.group import LazyGroup
from workers.cli.options import author_option
from workers.cli.output import console, say, say_json
from workers.cli.stores import database_at_hand


@click.group(
    cls=LazyGroup,
    epilog="\b\nExample:  orderlane order show 2206140048812637",
    lazy={
        "due": "workers.cli.due:due",
        "list": "workers.cli.order_list:list_command",
        "find": "workers.cli.order_list:find_command",
    },
)
def order() -> None:
    """List, find and show orders, hold and release them, and change their lane."""


@order.command(
    epilog="\b\nExample:  orderlane order show 2206140048812637\n"
    "          orderlane order show main/2206140048812637 --json\n"
    "          orderlane order show SF1390010300412"
)
@click.argument("order_id", metavar="ID")
@click.option("--raw", is_flag=True, help="Also the answers behind failures, as they came: personal data.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; times in UTC.")
@click.pass_context
def show(ctx: click.Context, order_id: str, *, raw: bool, as_json: bool) -> None:
    """Show where an order is, why it is there, and what happens next.

    ID is orderlane's own order id, the platform's order id, SHOP/ID, PLATFORM/SHOP/ID, or a waybill.
    Personal data is masked, but with --raw. Exits with 1 for an unknown id, 2 if it may mean several orders,
    and 4 if its payload could not be read.
    """
    configure(level="error")
    settings = read_settings()
    with database_at_hand(settings) as db:
        ctx.exit(_show(db, order_id, raw=raw, as_json=as_json))


@order.command(
    epilog="\b\nExample:  orderlane order release main/2206140048812637 --code address_vague --reason 'asked the buyer'"
)
@click.argument("order_id", metavar="ID")
@click.option("--code", required=True, type=click.Choice([str(code) for code in HoldCode]), help="The hold's code.")
@author_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def release(ctx: click.Context, order_id: str, code: str, author: Author, *, as_json: bool) -> None:
    """Release a hold of an order; with the last one gone, the order goes on from where it stood.

    No step asks again what was released, until the fact is another, such as another refund; stock is promised
    anew. Lines without a SKU are left out for this order when sku_unmapped is released; `sku map` names one instead.
    Exits with 3 if other holds remain, and 5 if the hold is not there, has an open dead letter, or no line has a SKU.
    """
    configure(level="error")
    with database_at_hand(read_settings()) as db:
        match = _one_match(db, order_id)
        if match is None:
            ctx.exit(Exit.USAGE)
        released = release_hold(db, match.id, HoldCode(code), author)
    if as_json:
        say_json(released)
    else:
        say(_release_in_words(released))
    ctx.exit(Exit.HELD if released.still_held_by else Exit.DONE)


def _release_in_words(released: Released) -> str:
    without = f" without {', '.join(released.left_out)}, of which nothing is shipped" if released.left_out else ""
    if released.still_held_by:
        return f"{released.code} released{without}; still held by {', '.join(released.still_held_by)}"
    due = f", {' and '.join(released.due)} due now" if released.due else ""
    return f"{released.code} released{without}; the order is {released.state}{due}"


@order.command(epilog="\b\nExample:  orderlane order expedite main/2206140048812637 --reason 'buyer waits at the door'")
@click.argument("order_id", metavar="ID")
@click.option(
    "--lane",
    type=click.Choice([str(lane) for lane in Lane]),
    default=str(Lane.P0),
    show_default=True,
    help="Where it goes on.",
)
@author_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def expedite(ctx: click.Context, order_id: str, lane: str, author: Author, *, as_json: bool) -> None:
    """Move an order to another lane, with all that is due for it; also one that is stored and not read yet.

    The rules leave it there; what runs right now ends as it began. Safe to run twice. Exits with 5 for an
    order that has ended.
    """
    configure(level="error")
    with database_at_hand(read_settings()) as db:
        expedited = _expedite(db, order_id, Lane(lane), author)
        if expedited is None:
            ctx.exit(Exit.USAGE)
    if as_json:
        say_json(expedited)
    else:
        say(_expedite_in_words(expedited))


def _expedite(db: Database, order_id: str, lane: Lane, author: Author) -> Expedited | None:
    """Move the order, or what waits to become it. None when the id may mean several orders."""
    try:
        match = _one_match(db, order_id)
    except Conflict:
        unread = expedite_unread(db, order_id, lane, author)
        if unread is not None:
            return unread
        # It was read a moment ago.
        match = _one_match(db, order_id)
    return change_lane(db, match.id, lane, author) if match else None


def _expedite_in_words(expedited: Expedited) -> str:
    was = f"moved from {' and '.join(expedited.was)} to" if expedited.was else "is in"
    moved = f", with {' and '.join(expedited.moved)}" if expedited.moved else ""
    what = f"order {expedited.order_id}" if expedited.order_id else "what came in and waits to be read"
    return f"{what} {was} lane {expedited.lane}{moved}"


def _one_match(db: Database, order_id: str) -> Match | None:
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
    match = _one_match(db, order_id)
    if match is None:
        return Exit.USAGE
    view = view_order(db, match.id)
    answers = raw_answers(db, match.id) if raw else ()
    if as_json:
        say_json({**msgspec.to_builtins(view), "answers": answers} if raw else view)
    else:
        print_order(view, console())
        if answers:
            print_raw(answers, console())
    return Exit.DONE
