"""``orderlane order kept-out`` and ``order adopt``: orders that another system ships, and how they become ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import click

from actors.take_over import Adopted, Adoption
from domain.errors import Misconfigured
from infra.config.settings import read_settings
from infra.engine.author import Author
from infra.tables.pool import Database
from infra.tables.take_over import KeptOutFilter
from infra.telemetry.log import configure
from ops.faces.terminal.kept_out import print_adopted, print_kept_out
from ops.faces.terminal.order import print_matches
from ops.verbs.adopt import adopt_orders
from ops.views.find import find, why_missing
from ops.views.kept_out import kept_out_orders
from workers.cli.exits import Exit
from workers.cli.options import Moment, author_option
from workers.cli.output import console, say_json
from workers.cli.stores import database_at_hand
from workers.cli.values import WHOLE_MAX

SHOWN = 50


@dataclass(frozen=True, slots=True)
class _Named:
    """An order as the person named it, and its id here."""

    name: str
    id: int


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
    with database_at_hand(read_settings()) as db:
        rows = kept_out_orders(db, chosen)
    if as_json:
        say_json({"kept_out": len(rows), "orders": rows[:limit]})
    else:
        print_kept_out(rows, limit, console())


@click.command(
    epilog="\b\nExample:  orderlane order adopt main/2206140048812637 --reason 'the old system has stopped'\n"
    "          orderlane order adopt --shop taobao/main --paid-since 2026-12-01 --dry-run\n"
    "          orderlane order adopt --file ids.txt --reason 'not shipped by the old system'",
)
@click.argument("order_ids", metavar="[ID]...", nargs=-1)
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="F",
    help="A file of orders, one a line; empty lines and text after a # are ignored.",
)
@click.option("--shop", metavar="S", help="Every kept-out order of this shop: its name, or PLATFORM/NAME.")
@click.option("--paid-since", type=Moment(), metavar="T", help="With --shop: paid at T or later: 24h, 3d, or a time.")
@click.option("--paid-before", type=Moment(), metavar="T", help="With --shop: paid before T.")
@click.option("--dry-run", is_flag=True, help="Show what would happen to each order; change nothing.")
@author_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def adopt(
    ctx: click.Context,
    *,
    order_ids: tuple[str, ...],
    file: Path | None,
    shop: str | None,
    paid_since: datetime | None,
    paid_before: datetime | None,
    dry_run: bool,
    author: Author,
    as_json: bool,
) -> None:
    """Begin orders that were kept out for another system. Make sure that the other system does not ship them.

    ID is as for `order show`. What the platform shows as shipped is left alone; it is asked once more before each
    label. Safe to run twice. Exits with 6 if some were left alone, and 5 if all were, or none was chosen.
    """
    configure(level="error")
    if not (order_ids or file or shop):
        raise click.UsageError("name orders, a --file, or a --shop")
    if (paid_since or paid_before) and not shop:
        raise click.UsageError("--paid-since and --paid-before go with --shop")
    with database_at_hand(read_settings()) as db:
        named = _by_name(db, [*order_ids, *_lines(file)])
        if named is None:
            ctx.exit(Exit.USAGE)
        if shop:
            found = kept_out_orders(db, KeptOutFilter(account=shop, since=paid_since, before=paid_before))
            named += [_Named(f"{one.platform}/{one.shop}/{one.platform_order_id}", one.id) for one in found]
        done = adopt_orders(db, [one.id for one in named], author, is_trial=dry_run)
    names = {one.id: one.name for one in named}
    if as_json:
        said = [{"order": names[one.order_id], "result": one} for one in done]
        say_json({"dry_run": dry_run, "adopted": _adopted(done), "orders": said})
    else:
        print_adopted([(names[one.order_id], one) for one in done], console(), is_trial=dry_run)
    ctx.exit(_exit(_adopted(done), len(done)))


def _adopted(done: Sequence[Adopted]) -> int:
    return sum(one.outcome is Adoption.ADOPTED for one in done)


def _exit(adopted: int, orders: int) -> Exit:
    if not adopted:
        return Exit.REFUSED
    return Exit.DONE if adopted == orders else Exit.PARTLY


def _lines(file: Path | None) -> list[str]:
    if file is None:
        return []
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured("file_unreadable", f"{file}: {type(error).__name__}") from None
    return [name for line in text.splitlines() if (name := line.partition("#")[0].strip())]


def _by_name(db: Database, names: Sequence[str]) -> list[_Named] | None:
    """None, and a list on stderr, when a name may mean several orders."""
    found = []
    with db.transaction() as tx:
        for name in names:
            matches = find(tx, name)
            if not matches:
                raise why_missing(tx, name)
            if len(matches) > 1:
                print_matches(name, matches, console(stderr=True))
                return None
            found.append(_Named(matches[0].full_id, matches[0].id))
    return found
