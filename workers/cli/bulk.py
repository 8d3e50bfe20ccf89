"""``orderlane bulk``: replays of many letters that the sweeper works off."""

from collections.abc import Callable

import click

from infra.engine.author import Author
from infra.tables.pool import Database
from ops.faces.terminal.bulk import print_bulk, print_bulks
from ops.verbs import bulk as verbs
from ops.views import bulk as bulk_views
from workers.cli.exits import Exit
from workers.cli.options import author_option
from workers.cli.output import console, json_option, say_json
from workers.cli.stores import database_at_hand, quiet_settings
from workers.cli.values import WHOLE

PAGE = 50
STATES = ("waiting", "replayed", "done", "died", "superseded", "refused", "cancelled")


@click.group(epilog="\b\nExample:  orderlane bulk show 17")
def bulk() -> None:
    """Look at bulk replays, pause, resume or cancel them. `orderlane dlq replay` starts one."""


@bulk.command(epilog="\b\nExample:  orderlane bulk show 17 --members died")
@click.argument("bulk_id", metavar="[ID]", type=WHOLE, required=False)
@click.option("--members", "state", type=click.Choice(STATES), help="List members with this result.")
@click.option("--after", type=WHOLE, default=0, metavar="ID", help="Go on after this letter.")
@json_option
@click.pass_context
def show(ctx: click.Context, bulk_id: int | None, state: str | None, after: int, *, as_json: bool) -> None:
    """Show how far a bulk replay is, or the last fifty without an ID.

    Exits with 6 if it is over and not every member was done.
    """
    screen = console()
    with database_at_hand(quiet_settings()) as db:
        if bulk_id is None:
            found = bulk_views.recent(db)
            if as_json:
                say_json({"bulks": found})
            else:
                print_bulks(found, screen)
            ctx.exit(Exit.DONE)
        one = bulk_views.look(db, bulk_id)
        members = bulk_views.members(db, bulk_id, state=state, after=after, limit=PAGE) if state else []
    if as_json:
        say_json({"bulk": one, "members": members})
    else:
        print_bulk(one, members, screen)
    is_partly = one.is_over and set(one.members) != {"done"}
    ctx.exit(Exit.PARTLY if is_partly else Exit.DONE)


@bulk.command(epilog="\b\nExample:  orderlane bulk pause 17")
@click.argument("bulk_id", metavar="ID", type=WHOLE)
@author_option
def pause(bulk_id: int, author: Author) -> None:
    """Send no further member until it is resumed."""
    _turn(verbs.pause, bulk_id, author)


@bulk.command(epilog="\b\nExample:  orderlane bulk resume 17")
@click.argument("bulk_id", metavar="ID", type=WHOLE)
@author_option
def resume(bulk_id: int, author: Author) -> None:
    """Go on with a paused bulk, without another canary."""
    _turn(verbs.resume, bulk_id, author)


@bulk.command(epilog="\b\nExample:  orderlane bulk cancel 17")
@click.argument("bulk_id", metavar="ID", type=WHOLE)
@author_option
def cancel(bulk_id: int, author: Author) -> None:
    """End a bulk: members that wait stay dead letters, what was sent stays sent."""
    _turn(verbs.cancel, bulk_id, author)


def _turn(verb: Callable[[Database, int, Author], bulk_views.Bulk], bulk_id: int, author: Author) -> None:
    with database_at_hand(quiet_settings()) as db:
        print_bulk(verb(db, bulk_id, author), (), console())
