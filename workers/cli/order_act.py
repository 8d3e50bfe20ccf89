"""Acting on orders: ``orderlane order hold``, ``release`` and ``expedite``, for one or many."""

import copy
from collections.abc import Sequence
from datetime import datetime

import click

from domain.errors import Conflict
from domain.holds import MANUAL_CODES, HoldCode
from domain.order import Lane
from infra.engine.author import Author
from infra.tables.order_list import OrderFilter
from infra.tables.pool import Database
from ops.faces.terminal.acts import expedite_in_words, hold_in_words, release_in_words
from ops.verbs.expedite import ExpediteResult, expedite_unread
from ops.verbs.expedite import expedite as change_lane
from ops.verbs.hold_orders import hold as hold_order
from ops.verbs.holds import release as release_hold
from workers.cli.exits import Exit
from workers.cli.many import Many, many_options
from workers.cli.options import Coming, author_option
from workers.cli.order import one_match
from workers.cli.order_filter import order_filter_beside_lane
from workers.cli.order_targets import OrderTargets, act_on_orders
from workers.cli.output import say, say_json
from workers.cli.stores import open_database, quiet_settings


@click.command(
    epilog="\b\nExample:  orderlane order hold main/2206140048812637 --reason 'the buyer has called'\n"
    "          orderlane order hold --shop main --sku TEE-1 --code manual --owner li --reason 'wrong print'"
)
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option(
    "--code",
    type=click.Choice(sorted(str(code) for code in MANUAL_CODES)),
    default=str(HoldCode.MANUAL),
    show_default=True,
    help="The code of the hold.",
)
@click.option(
    "--to", "whose", metavar="WHO", help="The owner of the hold: a person or team; without it the owner of the code."
)
@click.option(
    "--due",
    "due_at",
    type=Coming(),
    metavar="T",
    help="The due time: 4h from now, or a time; without it the hours of the code.",
)
@order_filter_beside_lane
@many_options
@author_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; times in UTC.")
@click.pass_context
def hold(
    ctx: click.Context,
    ids: Sequence[str],
    code: str,
    whose: str | None,
    due_at: datetime | None,
    *,
    wanted: OrderFilter,
    many: Many,
    author: Author,
    as_json: bool,
) -> None:
    """Stop orders in their present state; each continues when a person releases the hold.

    Every part that has not been handed over stops, also in the warehouse: scans are applied after the release. A label
    that is just being booked is recorded, without a write-back or notice. One ID acts at once. Several, a file or a
    filter become a bulk act: a draft with a preview, done by `bulk confirm`. Exits with 5 for an order that already has
    this hold, has left, or has ended.
    """
    asked = OrderTargets(ids, wanted, many)
    asked.check()
    if whose is not None and not whose.strip():
        raise click.BadParameter("say who", param_hint="--to")
    with open_database(quiet_settings()) as db:
        if not asked.is_one:
            params = {"code": code, "owner": whose, "due_at": due_at.isoformat() if due_at else None}
            act_on_orders(ctx, db, "order.hold", params, asked=asked, author=author, as_json=as_json)
        match = one_match(db, ids[0])
        if match is None:
            ctx.exit(Exit.USAGE)
        held = hold_order(db, match.id, HoldCode(code), author, owner=whose, due_at=due_at)
    if as_json:
        say_json(held)
    else:
        say(hold_in_words(held))


@click.command(
    epilog="\b\nExample:  orderlane order release main/2206140048812637 --code address_vague --reason 'buyer asked'\n"
    "          orderlane order release --code manual --hold manual --shop main --reason 'stock is counted'"
)
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--code", required=True, type=click.Choice([str(code) for code in HoldCode]), help="The hold's code.")
@click.option(
    "--despite-refund", is_flag=True, help="Ship it though the buyer wants the money back, or the trade is closed."
)
@order_filter_beside_lane
@many_options
@author_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def release(
    ctx: click.Context,
    ids: Sequence[str],
    code: str,
    *,
    despite_refund: bool,
    wanted: OrderFilter,
    many: Many,
    author: Author,
    as_json: bool,
) -> None:
    """Release a hold of an order; after its last hold the order continues from the interrupted state.

    A release never ships what the hold is about. A refund needs --despite-refund; `order stop ID --withdraw` ends
    `stopping`, `package void` ends `unwanted_waybill`, and `order relabel` replaces a label to a former address.
    No step holds the order again for the released fact; another fact, such as another refund, does. Stock is reserved
    again. Lines without a SKU are left out for this order when sku_unmapped is released; `sku map` names one instead.
    One ID acts at once. Several, a file or a filter become a bulk act: a draft with a preview, done by `bulk confirm`.
    Exits with 3 if other holds remain, and 5 if the hold is not there, has an open dead letter, no line has a SKU, or
    another act is needed.
    """
    asked = OrderTargets(ids, wanted, many)
    asked.check()
    with open_database(quiet_settings()) as db:
        if not asked.is_one:
            params = {"code": code, "despite_refund": despite_refund}
            act_on_orders(ctx, db, "order.release", params, asked=asked, author=author, as_json=as_json)
        match = one_match(db, ids[0])
        if match is None:
            ctx.exit(Exit.USAGE)
        released = release_hold(db, match.id, HoldCode(code), author, despite_refund=despite_refund)
    if as_json:
        say_json(released)
    else:
        say(release_in_words(released))
    ctx.exit(Exit.HELD if released.still_held_by else Exit.DONE)


@click.command(
    epilog="\b\nExample:  orderlane order expedite main/2206140048812637 --reason 'buyer waits at the door'\n"
    "          orderlane order expedite --from late.csv --column order_id --reason 'promised for today'"
)
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option(
    "--lane",
    "to_lane",
    type=click.Choice([str(lane) for lane in Lane]),
    default=str(Lane.P0),
    show_default=True,
    help="The new lane.",
)
@order_filter_beside_lane
@many_options
@author_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def expedite(
    ctx: click.Context,
    ids: Sequence[str],
    to_lane: str,
    *,
    wanted: OrderFilter,
    many: Many,
    author: Author,
    as_json: bool,
) -> None:
    """Move an order to another lane, with all its due work; also an order whose payload is not read yet.

    The rules do not move the order again; running work ends in its lane. Safe to run twice. One ID acts at once.
    Several, a file or a filter become a bulk act: a draft with a preview, done by `bulk confirm`. Exits with 5 for an
    order that has ended.
    """
    asked = OrderTargets(ids, wanted, many)
    asked.check()
    with open_database(quiet_settings()) as db:
        if not asked.is_one:
            act_on_orders(ctx, db, "order.expedite", {"lane": to_lane}, asked=asked, author=author, as_json=as_json)
        expedited = _expedite(db, ids[0], Lane(to_lane), author)
        if expedited is None:
            ctx.exit(Exit.USAGE)
    if as_json:
        say_json(expedited)
    else:
        say(expedite_in_words(expedited))


def _expedite(db: Database, order_id: str, lane: Lane, author: Author) -> ExpediteResult | None:
    """Move the order, or its payload that is not read yet. None when the id may mean several orders."""
    try:
        match = one_match(db, order_id)
    except Conflict:
        unread = expedite_unread(db, order_id, lane, author)
        if unread is not None:
            return unread
        # The payload was read a moment ago.
        match = one_match(db, order_id)
    return change_lane(db, match.id, lane, author) if match else None


def _beside(command: click.Command, example: str) -> click.Command:
    """The same command as one of `orderlane hold`, with an example of its own."""
    twin = copy.copy(command)
    twin.epilog = f"\b\nExample:  {example}"
    return twin


hold_add = _beside(hold, "orderlane hold add main/2206140048812637 --reason 'the buyer has called'")
hold_release = _beside(
    release, "orderlane hold release main/2206140048812637 --code address_vague --reason 'buyer asked'"
)
