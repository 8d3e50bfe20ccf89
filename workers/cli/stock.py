"""``orderlane stock``: what the warehouses have."""

import getpass
from collections.abc import Mapping

import click

from domain.errors import FulfilmentError
from infra.config.directory import directory_of
from infra.engine.author import Author
from infra.process.clock import SystemClock
from ops.verbs.stock import Counted, count_again
from workers.cli.exits import Exit
from workers.cli.output import json_option, say, say_json
from workers.cli.stores import house_at_hand, quiet_settings

SHOWN = 20


@click.group(epilog="\b\nExample:  orderlane stock count hangzhou")
def stock() -> None:
    """Read the stock of the warehouses."""


@stock.command(epilog="\b\nExample:  orderlane stock count\n          orderlane stock count hangzhou --json")
@click.argument("location", metavar="[LOCATION]", required=False)
@json_option
@click.pass_context
def count(ctx: click.Context, location: str | None, *, as_json: bool) -> None:
    """Read the counted stock of one location, or of all, again and apply corrections.

    A lower count may only lack pieces that left and are not scanned yet; these pieces are taken into account. A count
    below the promised pieces is refused and our figure stays. Exits with 6 if a count was refused or a warehouse could
    not be read, and 7 if none could.
    """
    settings = quiet_settings()
    locations = directory_of(settings).locations
    wanted = [one for name, one in locations.items() if location in {None, name}]
    if not wanted:
        known = ", ".join(locations) or "none is configured"
        raise click.BadParameter(f"locations are: {known}", param_hint="LOCATION")
    with house_at_hand(settings) as (full, db):
        found = count_again(full, db, SystemClock(), wanted, Author(getpass.getuser(), "the warehouse's count"))
    if as_json:
        say_json({"locations": {name: _tree(answer) for name, answer in found.items()}})
    else:
        for name, answer in found.items():
            _print(name, answer)
    ctx.exit(_exit(found))


def _tree(answer: Counted | FulfilmentError) -> object:
    return {"error": str(answer)} if isinstance(answer, FulfilmentError) else answer


def _print(name: str, answer: Counted | FulfilmentError) -> None:
    if isinstance(answer, FulfilmentError):
        say(f"{name}: not read: {answer}")
        return
    counts = f"{len(answer.new)} new, {len(answer.raised)} more, {len(answer.lowered)} fewer"
    say(f"{name}: {answer.skus} SKUs, {counts}, {len(answer.refused)} refused")
    for sku, (ours, counted) in list(answer.refused.items())[:SHOWN]:
        say(f"  {sku}: counted {counted}, but more of our {ours} is promised; our figure stays")


def _exit(found: Mapping[str, Counted | FulfilmentError]) -> Exit:
    unread = sum(isinstance(answer, FulfilmentError) for answer in found.values())
    if unread == len(found):
        return Exit.UNREACHABLE
    is_refused = any(isinstance(answer, Counted) and answer.refused for answer in found.values())
    return Exit.PARTLY if unread or is_refused else Exit.DONE
