"""Acting on bulks: ``orderlane bulk confirm``, ``pause``, ``resume`` and ``cancel``."""

from collections.abc import Callable

import click

from infra.engine.author import Author
from infra.tables.bulk import Bulk
from infra.tables.bulk_acts import BulkAct
from infra.tables.pool import Database
from ops.faces.terminal.bulk import print_bulk
from ops.faces.terminal.bulk_acts import print_act
from ops.verbs import bulk as verbs
from ops.verbs import bulk_acts as act_verbs
from workers.cli.bulk import find_act
from workers.cli.many import end_act
from workers.cli.options import author_option, own_author
from workers.cli.output import console, json_option
from workers.cli.stores import open_database, quiet_settings
from workers.cli.values import WHOLE


@click.command(epilog="\b\nExample:  orderlane bulk confirm 17 --token 3fa9c1d2")
@click.argument("bulk_id", metavar="ID", type=WHOLE)
@click.option("--token", required=True, metavar="T", help="The token of the preview that you have seen.")
@click.option("--here", is_flag=True, help="Carry it out in this command instead of in the sweeper.")
@json_option
@click.pass_context
def confirm(ctx: click.Context, bulk_id: int, token: str, *, here: bool, as_json: bool) -> None:
    """Carry out a draft. Exits with 5 if the result would differ from its preview: look at the new preview first."""
    with open_database(quiet_settings()) as db:
        act = act_verbs.confirm(db, bulk_id, token, own_author())
        end_act(ctx, db, act, here=here, as_json=as_json)


@click.command(epilog="\b\nExample:  orderlane bulk pause 17 --reason 'too many at once'")
@click.argument("bulk_id", metavar="ID", type=WHOLE)
@author_option
def pause(bulk_id: int, author: Author) -> None:
    """Pause a bulk: no further item begins until it is resumed."""
    _turn(act_verbs.pause, verbs.pause, bulk_id, author)


@click.command(epilog="\b\nExample:  orderlane bulk resume 17 --reason 'the courier is back'")
@click.argument("bulk_id", metavar="ID", type=WHOLE)
@author_option
def resume(bulk_id: int, author: Author) -> None:
    """Continue a paused bulk; a replay continues without another canary."""
    _turn(act_verbs.resume, verbs.resume, bulk_id, author)


@click.command(epilog="\b\nExample:  orderlane bulk cancel 17 --reason 'the wrong shop'")
@click.argument("bulk_id", metavar="ID", type=WHOLE)
@author_option
def cancel(bulk_id: int, author: Author) -> None:
    """End a bulk: items that wait stay unchanged, items that were done stay done."""
    _turn(act_verbs.cancel, verbs.cancel, bulk_id, author)


def _turn(
    act_verb: Callable[[Database, int, Author], BulkAct],
    verb: Callable[[Database, int, Author], Bulk],
    bulk_id: int,
    author: Author,
) -> None:
    with open_database(quiet_settings()) as db:
        if find_act(db, bulk_id) is not None:
            print_act(act_verb(db, bulk_id, author), (), console())
        else:
            print_bulk(verb(db, bulk_id, author), (), console())
