"""``orderlane init``: the first settings file."""

import os
from datetime import datetime
from pathlib import Path

import click

from domain.errors import Conflict, Misconfigured
from infra.config.absent_secrets import absent_secrets
from infra.config.settings import SETTINGS_FILE
from infra.process.clock import SystemClock
from workers.cli.output import say

_TEMPLATE = Path(__file__).with_name("first_settings.toml")
_TAKE_OVER = "# take over from another system\n"
_OUTSIDE = """endpoint = "https://warehouse.example.com/orderlane"
credentials = { secret = "env:WAREHOUSE_SECRET" }
"""
_OWN = 'kind = "own"                        # no system: people pick, pack and hand over\n'


@click.command(epilog="\b\nExample:  orderlane init\n          orderlane init --own")
@click.option("--own", is_flag=True, help="The location has no system of its own: people work from `orderlane picks`.")
def init(*, own: bool) -> None:
    """Write a commented orderlane.toml with a shop, a courier, a location and a channel, for you to fill in.

    ORDERLANE_SETTINGS names another file. Never overwrites: exits with 5 if the file is there.
    """
    file = Path(os.environ.get("ORDERLANE_SETTINGS") or SETTINGS_FILE)
    write_settings(file, SystemClock().utcnow().astimezone(), own=own)
    say(f"Wrote {file}: a shop, a courier, a location and a channel.")
    say("Next:")
    say("  1. Put in your names, endpoints and the sender's address.")
    say("  2. Put each secret where the file says that it is kept:")
    for absent in absent_secrets(file, {}):
        place = f"file {absent.place}" if absent.is_file else f"variable {absent.place}"
        say(f"       {absent.account:<24} {absent.key:<14} {place}")
    say("  3. orderlane doctor   says line by line what is missing")
    say("  4. orderlane run      starts")
    if own:
        say("  5. orderlane stock import main-warehouse FILE   says what you have counted there")


def write_settings(file: Path, now: datetime, *, own: bool = False) -> None:
    """Write the first settings file; `own`: with a location that has no system.

    Raises Conflict ``settings_exist``, and Misconfigured ``settings_unwritable``.
    """
    text = _TEMPLATE.read_text(encoding="utf-8").replace(_TAKE_OVER, take_over_lines(now))
    text = text.replace(_OUTSIDE, _OWN) if own else text
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        raise Conflict("settings_exist", f"{file} is there already; nothing was written") from None
    except OSError as error:
        raise Misconfigured("settings_unwritable", f"{file}: {error.strerror}") from None


def take_over_lines(now: datetime) -> str:
    """The lines of a shop that was another system's until `now`."""
    return (
        f"take_over_from = {now.isoformat(timespec='seconds')}   # orders paid earlier are left to the system before\n"
        'mode = "watch"                      # reads and decides only; without this line orders are shipped\n'
    )
