"""``orderlane bulk``: verbs on many, and replays of many letters, which the sweeper works off."""

from collections.abc import Callable

import click

from domain.errors import Refused
from infra.engine.author import Author
from infra.tables.bulk import Bulk
from infra.tables.bulk_acts import BulkAct
from infra.tables.pool import Database
from ops.faces.terminal.bulk import bulk_tree, member_tree, print_bulk, print_bulks
from ops.faces.terminal.bulk_acts import print_act, print_acts
from ops.verbs import bulk as verbs
from ops.verbs import bulk_acts as act_verbs
from ops.views import bulk as bulk_views
from ops.views import bulk_acts as act_views
from workers.cli.exits import Exit
from workers.cli.many import end_act, exit_of_act
from workers.cli.options import author_option, own_author
from workers.cli.output import console, json_option, say_json
from workers.cli.stores import database_at_hand, quiet_settings
from workers.cli.values import WHOLE

PAGE = 50
STATES = ("waiting", "replayed", "done", "died", "superseded", "refused", "failed", "cancelled")


@click.group(epilog="\b\nExample:  orderlane bulk show 17")
def bulk() -> None:
    """Look at bulks, confirm, pause, resume or cancel them.

    Verbs that are told to act on many make one, and so does `orderlane dlq replay`.
    """


@bulk.command(epilog="\b\nExample:  orderlane bulk show 17 --members refused")
@click.argument("bulk_id", metavar="[ID]", type=WHOLE, required=False)
@click.option("--members", "state", type=click.Choice(STATES), help="List members with this result.")
@click.option("--after", type=WHOLE, default=0, metavar="N", help="Go on after this member.")
@json_option
@click.pass_context
def show(ctx: click.Context, bulk_id: int | None, state: str | None, after: int, *, as_json: bool) -> None:
    """Show how far a bulk is, or the last fifty of each kind without an ID.

    Exits with 6 if it is over and not every member was done, and 5 if none was, unless it is a replay.
    """
    with database_at_hand(quiet_settings()) as db:
        if bulk_id is None:
            _show_recent(db, as_json=as_json)
            ctx.exit(Exit.DONE)
        act = _act(db, bulk_id)
        if act is not None:
            ctx.exit(_show_act(db, act, state, after, as_json=as_json))
        one = bulk_views.look(db, bulk_id)
        members = bulk_views.members(db, bulk_id, state=state, after=after, limit=PAGE) if state else []
    if as_json:
        say_json({"bulk": bulk_tree(one), "members": [member_tree(each) for each in members]})
    else:
        print_bulk(one, members, console())
    is_partly = one.is_over and set(one.members) != {"done"}
    ctx.exit(Exit.PARTLY if is_partly else Exit.DONE)


@bulk.command(epilog="\b\nExample:  orderlane bulk confirm 17 --token 3fa9c1d2")
@click.argument("bulk_id", metavar="ID", type=WHOLE)
@click.option("--token", required=True, metavar="T", help="Of the preview that you have seen.")
@click.option("--here", is_flag=True, help="Do it in this command, not in the sweeper.")
@json_option
@click.pass_context
def confirm(ctx: click.Context, bulk_id: int, token: str, *, here: bool, as_json: bool) -> None:
    """Do what a draft has shown. Exits with 5 if it would not be done so any more: look at the new preview first."""
    with database_at_hand(quiet_settings()) as db:
        act = act_verbs.confirm(db, bulk_id, token, own_author())
        end_act(ctx, db, act, here=here, as_json=as_json)


@bulk.command(epilog="\b\nExample:  orderlane bulk pause 17 --reason 'too many at once'")
@click.argument("bulk_id", metavar="ID", type=WHOLE)
@author_option
def pause(bulk_id: int, author: Author) -> None:
    """Begin no further member until it is resumed."""
    _turn(act_verbs.pause, verbs.pause, bulk_id, author)


@bulk.command(epilog="\b\nExample:  orderlane bulk resume 17 --reason 'the courier is back'")
@click.argument("bulk_id", metavar="ID", type=WHOLE)
@author_option
def resume(bulk_id: int, author: Author) -> None:
    """Go on with a paused bulk; a replay goes on without another canary."""
    _turn(act_verbs.resume, verbs.resume, bulk_id, author)


@bulk.command(epilog="\b\nExample:  orderlane bulk cancel 17 --reason 'the wrong shop'")
@click.argument("bulk_id", metavar="ID", type=WHOLE)
@author_option
def cancel(bulk_id: int, author: Author) -> None:
    """End a bulk: what waits stays as it is, what was done stays done."""
    _turn(act_verbs.cancel, verbs.cancel, bulk_id, author)


def _act(db: Database, bulk_id: int) -> BulkAct | None:
    """A verb on many; None for a replay of letters, and for what is neither."""
    try:
        return act_views.look(db, bulk_id)
    except Refused:
        return None


def _show_recent(db: Database, *, as_json: bool) -> None:
    replays, acts = bulk_views.recent(db), act_views.recent(db)
    if as_json:
        say_json({"bulks": [bulk_tree(each) for each in replays], "acts": acts})
        return
    if acts:
        print_acts(acts, console())
    if replays or not acts:
        print_bulks(replays, console())


def _show_act(db: Database, act: BulkAct, state: str | None, after: int, *, as_json: bool) -> Exit:
    items = act_views.items(db, act.id, state=state, after=after, limit=PAGE) if state else []
    if as_json:
        say_json({"act": act, "items": items})
    else:
        print_act(act, items, console())
    return exit_of_act(act)


def _turn(
    act_verb: Callable[[Database, int, Author], BulkAct],
    verb: Callable[[Database, int, Author], Bulk],
    bulk_id: int,
    author: Author,
) -> None:
    with database_at_hand(quiet_settings()) as db:
        if _act(db, bulk_id) is not None:
            print_act(act_verb(db, bulk_id, author), (), console())
        else:
            print_bulk(verb(db, bulk_id, author), (), console())
