"""``orderlane bulk show``: the progress of bulk acts and bulk replays, which the sweeper carries out."""

import click

from domain.errors import Refused
from infra.tables.bulk_acts import BulkAct
from infra.tables.pool import Database
from ops.faces.terminal.bulk import bulk_tree, member_tree, print_bulk, print_bulks
from ops.faces.terminal.bulk_acts import print_act, print_acts
from ops.views import bulk as bulk_views
from ops.views import bulk_acts as act_views
from workers.cli.exits import Exit
from workers.cli.group import LazyGroup
from workers.cli.output import console, json_option, say_json
from workers.cli.stores import open_database, quiet_settings
from workers.cli.values import WHOLE

PAGE = 50
STATES = ("waiting", "replayed", "done", "died", "superseded", "refused", "failed", "cancelled")


@click.group(
    cls=LazyGroup,
    epilog="\b\nExample:  orderlane bulk show 17",
    lazy={
        "cancel": "workers.cli.bulk_turn:cancel",
        "confirm": "workers.cli.bulk_turn:confirm",
        "pause": "workers.cli.bulk_turn:pause",
        "resume": "workers.cli.bulk_turn:resume",
    },
)
def bulk() -> None:
    """Show bulks, confirm, pause, resume or cancel them.

    A verb on several subjects makes a bulk, and so does `orderlane dlq replay`.
    """


@bulk.command(epilog="\b\nExample:  orderlane bulk show 17 --members refused")
@click.argument("bulk_id", metavar="[ID]", type=WHOLE, required=False)
@click.option("--members", "state", type=click.Choice(STATES), help="List members with this result.")
@click.option("--after", type=WHOLE, default=0, metavar="N", help="List members after this one.")
@json_option
@click.pass_context
def show(ctx: click.Context, bulk_id: int | None, state: str | None, after: int, *, as_json: bool) -> None:
    """Show how far a bulk is, or the last fifty of each kind without an ID.

    Exits with 6 if it is over and not every member was done, and 5 if none was, unless it is a replay.
    """
    with open_database(quiet_settings()) as db:
        if bulk_id is None:
            _show_recent(db, as_json=as_json)
            ctx.exit(Exit.DONE)
        act = find_act(db, bulk_id)
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


def find_act(db: Database, bulk_id: int) -> BulkAct | None:
    """The bulk act with this id; None for a bulk replay, and for an unknown id."""
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


def exit_of_act(act: BulkAct) -> Exit:
    """0 while it is not over, or when all was done; 5 when nothing was done."""
    if not act.is_over or set(act.items) == {"done"}:
        return Exit.DONE
    return Exit.PARTLY if act.items.get("done") else Exit.REFUSED
