"""Changing orders under way: ``orderlane order stop``, ``close``, ``relabel`` and ``reroute``, for one or many."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from infra.engine.author import Author
from infra.tables.order_list import OrderFilter
from infra.tables.pool import Database
from ops.faces.terminal.changes import asked_in_words
from ops.verbs.stop_orders import (
    CLOSE,
    CONFIRM,
    RELABEL,
    REROUTE,
    STOP,
    WITHDRAW,
    AskedOrder,
    StopVerb,
    close,
    confirm_here,
    preview,
    relabel,
    reroute,
    stop,
    take_back,
)
from workers.cli.exits import Exit
from workers.cli.many import Many, many_options
from workers.cli.options import author_option
from workers.cli.order import one_match
from workers.cli.order_filter import order_filter_beside_lane
from workers.cli.order_targets import OrderTargets, act_on_orders
from workers.cli.output import json_option, say, say_json
from workers.cli.stores import open_database, quiet_settings

DRY_RUN = click.option("--dry-run", is_flag=True, is_eager=True, help="Say what would be done, and change nothing.")
# Does it to one order.
Doer = Callable[[Database, int, Author], AskedOrder]


def change_options(command: Callable[..., object]) -> Callable[..., object]:
    """Orders in one way as the command's `asked`, ``--dry-run``, the author, and ``--json``."""

    @functools.wraps(command)
    def gathered(*given: object, ids: Sequence[str], wanted: OrderFilter, many: Many, **named: object) -> object:
        asked = OrderTargets(ids, wanted, many)
        asked.check()
        if named["dry_run"] and not asked.is_one:
            raise click.UsageError("several are always a draft first, which changes nothing: leave --dry-run out")
        return command(*given, asked=asked, **named)

    made: Callable[..., object] = gathered
    for option in (
        json_option,
        author_option,
        DRY_RUN,
        many_options,
        order_filter_beside_lane,
        click.argument("ids", metavar="[ID]...", nargs=-1),
    ):
        made = option(made)
    return made


@click.command(
    name="stop",
    epilog="\b\nExample:  orderlane order stop main/2206140048812637 --reason 'the buyer has cancelled'\n"
    "          orderlane order stop 1041 --line TEE-1 --dry-run\n"
    "          orderlane order stop 1041 --withdraw --reason 'the buyer wants it after all'",
)
@click.option("--line", "lines", multiple=True, metavar="LINE", help="Only this line: its SKU or id. May be repeated.")
@click.option("--withdraw", is_flag=True, help="Take back a stop that a person has asked for.")
@click.option(
    "--goods-here", is_flag=True, help="The goods were found, and stay in the house: the stop goes on with that."
)
@change_options
@click.pass_context
def stop_command(
    ctx: click.Context,
    *,
    lines: Sequence[str],
    withdraw: bool,
    goods_here: bool,
    asked: OrderTargets,
    author: Author,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Keep orders from leaving, wherever their goods are, and close them.

    The warehouse is asked to stop, waybills are cancelled, a parcel that has left is intercepted. The order is closed
    when that is confirmed, in after-sale when the parcel comes back, and goes on with a case when it is too late:
    `order show ID` says where the stop stands and who must act. One ID acts at once; several, a file or a filter become
    a bulk act. Exits with 5 for an order that has ended, or is being stopped already.
    """
    if (withdraw or goods_here) and (lines or not asked.is_one or (withdraw and goods_here)):
        raise click.UsageError("--withdraw and --goods-here are about the open stop of one order, and stand alone")
    if withdraw:
        verb, do = WITHDRAW, take_back
    elif goods_here:
        verb, do = CONFIRM, confirm_here
    else:
        verb, do = STOP, functools.partial(_stop, lines=lines)
    _run(ctx, verb, do, {"lines": list(lines)}, asked=asked, author=author, dry_run=dry_run, as_json=as_json)


@click.command(
    name="close",
    epilog="\b\nExample:  orderlane order close main/2206140048812637 --reason 'sold at the counter'\n"
    "          orderlane order close --hold stock_short_paid --older-than 3d --reason 'not made any more'",
)
@change_options
@click.pass_context
def close_command(ctx: click.Context, *, asked: OrderTargets, author: Author, dry_run: bool, as_json: bool) -> None:
    """End orders of which no courier and no warehouse has anything; their stock comes back.

    Also an order in after-sale of which nothing is open. The platform is told nothing: the refund is decided there. One
    ID acts at once; several, a file or a filter become a bulk act. Exits with 5 for an order that has ended, or of
    which something is outside: `order stop` stops and closes it.
    """
    _run(ctx, CLOSE, close, {}, asked=asked, author=author, dry_run=dry_run, as_json=as_json)


@click.command(
    name="relabel",
    epilog="\b\nExample:  orderlane order relabel main/2206140048812637 --reason 'the label came out torn'",
)
@change_options
@click.pass_context
def relabel_command(ctx: click.Context, *, asked: OrderTargets, author: Author, dry_run: bool, as_json: bool) -> None:
    """Cancel the waybills of orders, and book others to the present address.

    A warehouse that has the document is asked to stop it first. The order then goes on from paid. One ID acts at once;
    several, a file or a filter become a bulk act. Exits with 5 for an order that has ended or left, has no waybill, or
    is being stopped.
    """
    _run(ctx, RELABEL, relabel, {}, asked=asked, author=author, dry_run=dry_run, as_json=as_json)


@click.command(
    name="reroute",
    epilog="\b\nExample:  orderlane order reroute main/2206140048812637 --reason 'the belt at east is broken'\n"
    "          orderlane order reroute --location east --state allocated --to west --reason 'east is shut'",
)
@click.option("--to", metavar="LOCATION", help="Only from this location; without it any but the present one.")
@change_options
@click.pass_context
def reroute_command(
    ctx: click.Context, *, to: str | None, asked: OrderTargets, author: Author, dry_run: bool, as_json: bool
) -> None:
    """Ship orders from another location, with another document and waybill.

    What the present location has is stopped first; the order then goes on from paid. Where no other location has the
    goods, it is held. One ID acts at once; several, a file or a filter become a bulk act. Exits with 5 for an order
    that has ended or left, is not routed yet, or is being stopped.
    """
    known = [location.name for location in quiet_settings().locations]
    if to is not None and to not in known:
        raise click.BadParameter(f"locations are: {', '.join(known)}", param_hint="--to")
    others = [name for name in known if name != to] if to is not None else []
    do = functools.partial(_reroute, others=others)
    _run(ctx, REROUTE, do, {"others": others}, asked=asked, author=author, dry_run=dry_run, as_json=as_json)


def _stop(db: Database, order_id: int, author: Author, *, lines: Sequence[str]) -> AskedOrder:
    return stop(db, order_id, author, lines)


def _reroute(db: Database, order_id: int, author: Author, *, others: Sequence[str]) -> AskedOrder:
    return reroute(db, order_id, author, others)


def _run(
    ctx: click.Context,
    verb: StopVerb,
    do: Doer,
    params: Mapping[str, Any],
    *,
    asked: OrderTargets,
    author: Author,
    dry_run: bool,
    as_json: bool,
) -> None:
    with open_database(quiet_settings()) as db:
        if not asked.is_one:
            act_on_orders(ctx, db, f"order.{verb.does}", params, asked=asked, author=author, as_json=as_json)
        match = one_match(db, asked.ids[0])
        if match is None:
            ctx.exit(Exit.USAGE)
        done = preview(db, verb, match.id, params) if dry_run else do(db, match.id, author)
    if as_json:
        say_json(done)
    else:
        say(asked_in_words(done, is_done=not dry_run))
