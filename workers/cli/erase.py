"""``orderlane erase``: everything personal of some orders, with a record that proves it."""

import click

from infra.engine.author import Author
from infra.tables.pool import Database
from infra.tables.retention import OrderName
from ops.faces.terminal.erasures import in_flight_in_words, plan_tree
from ops.verbs import erase as ops
from ops.views import erasures as erasure_views
from workers.cli.exits import Exit
from workers.cli.options import author_option
from workers.cli.output import json_option, say, say_json
from workers.cli.stores import open_database, quiet_settings

_ORDERS = "orders"
_FILE = click.Path(exists=True, dir_okay=False, allow_dash=True)


class _OrdersFirst(click.Group):
    """``erase ID`` is ``erase orders ID``."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            args = [_ORDERS, *args]
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = {*self.commands, *ctx.help_option_names}
        return super().parse_args(ctx, [_ORDERS, *args] if args and args[0] not in own else args)


@click.group(
    cls=_OrdersFirst,
    epilog="\b\nExample:  orderlane erase main/2206140048812637 --reason 'asked by mail on 3 May'\n"
    "          orderlane erase --search - --reason 'asked by mail on 3 May' < words.txt\n"
    "          orderlane erase show 7",
)
def erase() -> None:
    """Erase a person, by order or by name, phone or buyer id; and show the records that prove it."""


@erase.command(_ORDERS, epilog="\b\nExample:  orderlane erase orders main/2206140048812637 --reason 'asked by mail'")
@click.argument("order_ids", metavar="[ID]...", nargs=-1)
@click.option(
    "--search",
    type=_FILE,
    metavar="FILE",
    help="All orders that name a word of this file, one a line: name, phone or buyer id. '-' is standard input, "
    "so that no word stands in the history of the shell.",
)
@click.option("--when-ended", is_flag=True, help="Erase orders that have not ended after their end; all others now.")
@click.option("--dry-run", is_flag=True, help="Show what would be erased; change nothing.")
@author_option
@json_option
@click.pass_context
def orders(
    ctx: click.Context,
    order_ids: tuple[str, ...],
    search: str | None,
    author: Author,
    *,
    when_ended: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Erase the person of some orders: receiver, memos, buyer id, payloads, pages, scans, and the words of others.

    The order's numbers, goods, amounts, times and states stay. Exits with 5 for an order that has not ended, and 3 if
    some orders wait for their end.
    """
    if not order_ids and search is None:
        raise click.UsageError("name an order, or give words with --search")
    words = _words(search) if search else []
    with open_database(quiet_settings()) as db:
        if dry_run:
            _say_plan(erasure_views.plan(db, _wanted(db, order_ids, words)), as_json=as_json)
            ctx.exit(Exit.DONE)
        record = ops.erase(db, _wanted(db, order_ids, words), author, words=words, when_ended=when_ended)
    _say_record(record, as_json=as_json)
    ctx.exit(Exit.DONE if record.done_at else Exit.HELD)


def _words(file: str) -> list[str]:
    try:
        with click.open_file(file, encoding="utf-8") as lines:
            return [line.strip() for line in lines if line.strip()]
    except UnicodeDecodeError:
        raise click.BadParameter("the file is no text in UTF-8") from None
    except OSError as error:
        raise click.BadParameter(f"the file cannot be read: {error.strerror or type(error).__name__}") from None


def _wanted(db: Database, order_ids: tuple[str, ...], words: list[str]) -> list[OrderName]:
    named = erasure_views.orders_named(db, order_ids)
    return sorted({*named, *(erasure_views.orders_of(db, words) if words else ())}, key=str)


def _say_plan(plan: erasure_views.ErasurePlan, *, as_json: bool) -> None:
    if as_json:
        say_json(plan_tree(plan))
        return
    for name in plan.orders:
        say(f"would erase the person of {name}")
    for one in plan.in_flight:
        say(f"in the way: {in_flight_in_words(one)}")


@erase.command(epilog="\b\nExample:  orderlane erase show 7 --json")
@click.argument("erasure_id", metavar="ID", type=click.IntRange(1, 2**63 - 1))
@json_option
@click.pass_context
def show(ctx: click.Context, erasure_id: int, *, as_json: bool) -> None:
    """Show the record of an erasure: when, by whom, which orders, and how many rows of which tables."""
    with open_database(quiet_settings()) as db:
        record = erasure_views.show(db, erasure_id)
    _say_record(record, as_json=as_json)
    ctx.exit(Exit.DONE)


@erase.command("list", epilog="\b\nExample:  orderlane erase list --open")
@click.option("--open", "only_open", is_flag=True, help="Only erasures that wait for the end of an order.")
@json_option
@click.pass_context
def list_(ctx: click.Context, *, only_open: bool, as_json: bool) -> None:
    """List all erasures, oldest first."""
    with open_database(quiet_settings()) as db:
        found = erasure_views.erasures(db, only_open=only_open)
    if as_json:
        say_json({"erasures": found})
    else:
        for one in found:
            end = (
                f"done {one.done_at:%Y-%m-%d}" if one.done_at else f"{one.orders_open} wait, due {one.due_at:%Y-%m-%d}"
            )
            say(f"{one.id}  {one.asked_at:%Y-%m-%d %H:%M}  by {one.who}  {one.orders} orders  {end}")
    ctx.exit(Exit.DONE)


@erase.command(epilog="\b\nExample:  orderlane erase export > erased.txt")
@click.pass_context
def export(ctx: click.Context) -> None:
    """Print the names of all orders that were ever erased, one a line, to keep apart from the backups."""
    with open_database(quiet_settings()) as db:
        for name in erasure_views.erased_names(db):
            say(str(name))
    ctx.exit(Exit.DONE)


@erase.command(epilog="\b\nExample:  orderlane erase again erased.txt --reason 'restored the backup of 1 May'")
@click.argument("file", type=_FILE)
@author_option
@click.pass_context
def again(ctx: click.Context, file: str, author: Author) -> None:
    """After a restored backup: erase the orders of `erase export` again. Orders not in the backup are never stored.

    Exits with 3 if some orders wait for their end.
    """
    names = [ops.read_name(line) for line in _words(file)]
    with open_database(quiet_settings()) as db:
        record, others = ops.erase_again(db, names, author)
    say(f"{others} orders are not here and will not come in")
    if record:
        _say_record(record, as_json=False)
    ctx.exit(Exit.HELD if record and not record.done_at else Exit.DONE)


def _say_record(record: erasure_views.Erasure, *, as_json: bool) -> None:
    if as_json:
        say_json(record)
        return
    say(f"erasure {record.id}, asked {record.asked_at:%Y-%m-%d %H:%M:%S %Z} by {record.who}: {record.reason}")
    say(f"subject {record.subject}")
    for one in record.orders:
        rows = ", ".join(f"{table} {count}" for table, count in one.rows.items()) or "nothing was left to erase"
        say(
            f"{one.name}  "
            + (f"erased {one.done_at:%Y-%m-%d %H:%M:%S %Z}: {rows}" if one.done_at else "waits for its end")
        )
    if record.done_at is None:
        say(f"owner {record.owner}, due {record.due_at:%Y-%m-%d}")
