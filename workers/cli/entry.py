"""``orderlane entry``: entries of platforms and warehouses that could not be read."""

import click

from infra.config.settings import read_settings
from infra.engine.author import Author
from infra.telemetry.log import configure
from ops.faces.terminal.layout import china_time
from ops.faces.terminal.unreadable import entry_in_words
from ops.verbs.unreadable import close as close_entry
from ops.views.unreadable import count_unreadable, unreadable
from workers.cli.options import author_option
from workers.cli.output import json_option, say, say_json
from workers.cli.stores import open_database

_NUMBER_MAX = 2**63 - 1


@click.group(epilog="\b\nExample:  orderlane entry list")
def entry() -> None:
    """List scans and stock rows that could not be read, and close the records that are settled."""


@entry.command("list", epilog="\b\nExample:  orderlane entry list --json")
@json_option
def list_entries(*, as_json: bool) -> None:
    """List the open records, the oldest first: number, time, owner, and the subject of each."""
    configure(level="error")
    with open_database(read_settings()) as db:
        found, total = unreadable(db), count_unreadable(db)
    if as_json:
        say_json({"unreadable": found, "open": total})
        return
    for one in found:
        say(f"{one.id}  {china_time(one.noticed_at)}  {one.source}  {entry_in_words(one)}  (owner {one.owner})")
    if total > len(found) > 0:
        say(f"{total} are open; the others are listed once these are closed")
    if not found:
        say("every scan and stock row could be read")


@entry.command(epilog="\b\nExample:  orderlane entry close 17 --reason 'scanned again by the warehouse'")
@click.argument("number", type=click.IntRange(1, _NUMBER_MAX))
@author_option
def close(number: int, author: Author) -> None:
    """Close a record that is settled; the raw page stays. Exits with 5 if no open record has the number."""
    configure(level="error")
    with open_database(read_settings()) as db:
        close_entry(db, number, author)
    say(f"record {number} closed")
