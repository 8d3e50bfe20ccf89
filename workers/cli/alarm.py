"""``orderlane alarm``: the open alarms."""

import click

from domain.alarms import AlarmKind
from ops.faces.terminal.alarms import print_alarms
from ops.views.alarms import list_alarms
from workers.cli.output import console, json_option, say_json
from workers.cli.stores import open_database, quiet_settings


@click.group(epilog="\b\nExample:  orderlane alarm list")
def alarm() -> None:
    """Alarms that are open now."""


@alarm.command(name="list", epilog="\b\nExample:  orderlane alarm list --kind feed_silent --json")
@click.option("--kind", type=click.Choice([str(kind) for kind in AlarmKind]), metavar="K", help="Only this kind.")
@json_option
def list_open(kind: str | None, *, as_json: bool) -> None:
    """List open alarms: severity, kind, age, count and owner. The gravest come first.

    The sweeper opens an alarm within a minute, and closes it when its reason is over.
    """
    with open_database(quiet_settings()) as db:
        found = list_alarms(db, AlarmKind(kind) if kind else None)
    if as_json:
        say_json({"alarms": found.alarms, "open": found.total})
    else:
        print_alarms(found, console())
