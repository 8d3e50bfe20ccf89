"""Looking at dead letters: ``orderlane dlq causes``, ``list`` and ``show``."""

import click

from infra.tables.letters import LetterFilter
from ops.faces.terminal.letters import letter_tree, preview_tree, print_causes, print_letter, print_letters
from ops.views import letters as letter_views
from workers.cli.exits import Exit
from workers.cli.letter_filter import letter_filter
from workers.cli.output import console, json_option, say_json
from workers.cli.stores import open_database, quiet_settings
from workers.cli.values import WHOLE, WHOLE_MAX

CAUSES = 30
PAGE = 50


@click.command(epilog="\b\nExample:  orderlane dlq causes --json")
@click.option("--limit", type=click.IntRange(1, WHOLE_MAX), default=CAUSES, show_default=True, help="How many to list.")
@json_option
@click.pass_context
def causes(ctx: click.Context, *, limit: int, as_json: bool) -> None:
    """Show open dead letters by cause: how many, since when, orders that wait, money at risk.

    Each letter counts: an order with two letters of one cause counts twice.
    """
    with open_database(quiet_settings()) as db:
        found = letter_views.causes(db)
    if as_json:
        say_json({"causes": found[:limit], "more": len(found[limit:])})
    else:
        print_causes(found, limit, console())
    ctx.exit(Exit.DONE)


@click.command("list", epilog="\b\nExample:  orderlane dlq list --step label --since 24h")
@letter_filter
@click.option("--after", type=WHOLE, default=0, metavar="ID", help="List letters after this one.")
@click.option("--limit", type=click.IntRange(1, 1000), default=PAGE, show_default=True, help="How many to list.")
@json_option
@click.pass_context
def list_letters(ctx: click.Context, *, wanted: LetterFilter, after: int, limit: int, as_json: bool) -> None:
    """List open dead letters, oldest first."""
    with open_database(quiet_settings()) as db:
        found = letter_views.page(db, wanted, after=after, limit=limit)
    more_after = found[-1].id if len(found) == limit else None
    if as_json:
        say_json({"letters": found, "more_after": more_after})
    else:
        print_letters(found, more_after, console())
    ctx.exit(Exit.DONE)


@click.command(epilog="\b\nExample:  orderlane dlq show 1042")
@click.argument("letter_id", metavar="ID", type=WHOLE)
@json_option
@click.pass_context
def show(ctx: click.Context, letter_id: int, *, as_json: bool) -> None:
    """Show one dead letter: every attempt with its cause, its order, and what a replay would do."""
    with open_database(quiet_settings()) as db:
        letter = letter_views.letter(db, letter_id)
        preview = letter_views.preview(db, [letter_id])[0] if letter.closed_at is None else None
    if as_json:
        say_json({"letter": letter_tree(letter), "replay": preview_tree(preview) if preview else None})
    else:
        print_letter(letter, preview, console())
    ctx.exit(Exit.DONE)
