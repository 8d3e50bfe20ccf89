"""``orderlane order kept-out`` and ``order adopt``: orders that another system ships, and how they become ours."""

from collections.abc import Sequence
from datetime import datetime

import click

from infra.config.settings import read_settings
from infra.engine.author import Author
from infra.tables.take_over import KeptOutFilter
from infra.telemetry.log import configure
from ops.faces.terminal.acts import adopt_in_words
from ops.faces.terminal.kept_out import print_kept_out
from ops.verbs.adopt import adopt_order
from ops.verbs.choose import kept_out_of, orders_named
from ops.views.kept_out import kept_out_orders
from workers.cli.exits import Exit
from workers.cli.many import Many, act_on_many, many_options, one_way
from workers.cli.options import Moment, author_option
from workers.cli.order import one_match
from workers.cli.output import console, say, say_json
from workers.cli.stores import open_database, quiet_settings
from workers.cli.values import WHOLE_MAX

SHOWN = 50


@click.command(
    name="kept-out",
    epilog="\b\nExample:  orderlane order kept-out --shop taobao/main\n"
    "          orderlane order kept-out --paid-since 2026-12-01T00:00+08:00 --json",
)
@click.option("--shop", metavar="S", help="Only orders of this shop: its name, or PLATFORM/NAME.")
@click.option("--paid-since", type=Moment(), metavar="T", help="Paid at T or later: 24h, 3d, or a time.")
@click.option("--paid-before", type=Moment(), metavar="T", help="Paid before T.")
@click.option("--all", "is_all", is_flag=True, help="Also orders that have left or ended on their platform.")
@click.option("--limit", type=click.IntRange(1, WHOLE_MAX), default=SHOWN, show_default=True, help="How many to list.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; times in UTC.")
def kept_out(
    *,
    shop: str | None,
    paid_since: datetime | None,
    paid_before: datetime | None,
    is_all: bool,
    limit: int,
    as_json: bool,
) -> None:
    """List orders that another system ships, and what would be done with each order of a watched shop.

    They were paid before the shop's take_over_from, or came while the shop was watched. An order whose payment
    has no known time is found by the time of its placing.
    """
    configure(level="error")
    chosen = KeptOutFilter(account=shop, since=paid_since, before=paid_before, is_open=not is_all)
    with open_database(read_settings()) as db:
        rows = kept_out_orders(db, chosen)
    if as_json:
        say_json({"kept_out": len(rows), "orders": rows[:limit]})
    else:
        print_kept_out(rows, limit, console())


@click.command(
    epilog="\b\nExample:  orderlane order adopt main/2206140048812637 --reason 'the old system has stopped'\n"
    "          orderlane order adopt --shop taobao/main --paid-since 2026-12-01 --reason 'not shipped by it'",
)
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--shop", metavar="S", help="Kept-out orders of this shop: its name, or PLATFORM/NAME.")
@click.option("--paid-since", type=Moment(), metavar="T", help="Kept-out orders paid at T or later: 24h, or a time.")
@click.option("--paid-before", type=Moment(), metavar="T", help="Kept-out orders paid before T.")
@many_options
@author_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def adopt(
    ctx: click.Context,
    ids: Sequence[str],
    *,
    shop: str | None,
    paid_since: datetime | None,
    paid_before: datetime | None,
    many: Many,
    author: Author,
    as_json: bool,
) -> None:
    """Begin orders that were kept out for another system. Make sure that the other system does not ship them.

    What the platform shows as shipped is left alone; it is asked once more before each label. One ID acts at once.
    Several, a file or a filter become a bulk act: a draft with a preview, done by `bulk confirm`. Exits with 5 for an
    order that is not kept out, that the platform shows as shipped, or of which nothing is left to ship.
    """
    wanted = KeptOutFilter(account=shop, since=paid_since, before=paid_before)
    is_filtered = wanted != KeptOutFilter()
    one_way(ids, many, is_filtered=is_filtered, what="which orders")
    with open_database(quiet_settings()) as db:
        if is_filtered or many.is_asked or len(ids) > 1:
            items = kept_out_of(db, wanted) if is_filtered else orders_named(db, many.names(ids))
            chosen = many.chosen(ids, {"shop": shop, "paid_since": paid_since, "paid_before": paid_before})
            act_on_many(ctx, db, "order.adopt", {}, items, chosen=chosen, author=author, many=many, as_json=as_json)
        match = one_match(db, ids[0])
        if match is None:
            ctx.exit(Exit.USAGE)
        adopted = adopt_order(db, match.id, author)
    if as_json:
        say_json(adopted)
    else:
        say(adopt_in_words(adopted))
