"""``orderlane stock``: what the warehouses have."""

import getpass
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from domain.errors import FulfilmentError
from infra.config.directory import directory_of
from infra.config.settings import Settings
from infra.engine.author import Author
from infra.process.clock import SystemClock
from ops.verbs.listings import check_name
from ops.verbs.stock import Counted, count_again
from ops.verbs.stock_by_hand import read_pieces, read_stock, set_stock
from workers.cli.exits import Exit
from workers.cli.many import FILE, body_of
from workers.cli.options import optional_author
from workers.cli.output import json_option, say, say_json
from workers.cli.stores import open_database, open_for_calls, quiet_settings

SHOWN = 20


@click.group(epilog="\b\nExample:  orderlane stock count hangzhou")
def stock() -> None:
    """Read the stock of the warehouses, or store what people have counted."""


@stock.command(epilog="\b\nExample:  orderlane stock count\n          orderlane stock count hangzhou --json")
@click.argument("location", metavar="[LOCATION]", required=False)
@json_option
@click.pass_context
def count(ctx: click.Context, location: str | None, *, as_json: bool) -> None:
    """Read the counted stock of one location, or of all, again and apply corrections.

    A lower count may only lack pieces that left and are not scanned yet; these pieces are taken into account. A count
    below the promised pieces is refused and our figure stays. Exits with 6 if a count was refused or a warehouse could
    not be read, and 7 if none could. Locations of kind `own` are counted by `stock set`.
    """
    settings = quiet_settings()
    locations = {name: one for name, one in directory_of(settings).locations.items() if not one.is_own}
    wanted = [one for name, one in locations.items() if location in {None, name}]
    if not wanted:
        known = ", ".join(locations) or "none is configured"
        raise click.BadParameter(f"locations are: {known}", param_hint="LOCATION")
    with open_for_calls(settings) as (full, db):
        found = count_again(full, db, SystemClock(), wanted, Author(getpass.getuser(), "the warehouse's count"))
    if as_json:
        say_json({"locations": {name: _tree(answer) for name, answer in found.items()}})
    else:
        for name, answer in found.items():
            _print(name, answer)
    ctx.exit(_exit(found))


@stock.command(
    "set",
    epilog="\b\nExample:  orderlane stock set workshop TEE-BLACK-L=40\n"
    "          orderlane stock set workshop TEE-BLACK-L=40 MUG=0 --reason 'counted on Monday'",
)
@click.argument("location")
@click.argument("counts", metavar="SKU=PIECES...", nargs=-1, required=True)
@optional_author
@json_option
@click.pass_context
def set_command(ctx: click.Context, location: str, counts: Sequence[str], *, author: Author, as_json: bool) -> None:
    """Say what people have counted at a location of kind `own`. SKUs that are not named keep their figure.

    Pieces of orders that wait to be picked or handed over may be counted or not: a count that only lacks those changes
    nothing. Exits with 6 if a count is refused because more is promised; our figure stays then.
    """
    settings = quiet_settings()
    _check_own(settings, location)
    _set(ctx, settings, location, _counts(counts), author, as_json=as_json)


@stock.command(
    "import",
    epilog="\b\nExample:  orderlane stock import workshop stock.csv --reason 'first count'",
)
@click.argument("location")
@click.argument("file", type=FILE)
@optional_author
@json_option
@click.pass_context
def import_command(ctx: click.Context, location: str, file: Path, *, author: Author, as_json: bool) -> None:
    """Take over a count from a CSV file in UTF-8 with the header `sku,pieces`, as `stock set` does.

    Nothing is taken over from a file with a line that cannot be read. Exits with 6 if a count is refused because more
    is promised; our figure stays then.
    """
    settings = quiet_settings()
    _check_own(settings, location)
    _set(ctx, settings, location, read_stock(body_of(file)), author, as_json=as_json)


def _check_own(settings: Settings, location: str) -> None:
    """Raises click.BadParameter for a location whose warehouse counts for itself, and for an unknown one."""
    own = [name for name, one in directory_of(settings).locations.items() if one.is_own]
    if location not in own:
        known = ", ".join(own) or "none is configured"
        raise click.BadParameter(f"locations of kind own are: {known}", param_hint="LOCATION")


def _counts(given: Sequence[str]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for text in given:
        sku, sign, pieces = text.rpartition("=")
        if not sign or sku in counted:
            raise click.BadParameter(f"{text!r} is not SKU=PIECES, each SKU once", param_hint="SKU=PIECES")
        counted[check_name(sku, "SKU")] = read_pieces(pieces)
    return counted


def _set(
    ctx: click.Context, settings: Settings, location: str, counted: Mapping[str, int], author: Author, *, as_json: bool
) -> None:
    with open_database(settings) as db:
        found = set_stock(db, location, counted, author)
    if as_json:
        say_json({"locations": {location: _tree(found)}})
    else:
        _print(location, found)
    ctx.exit(Exit.PARTLY if found.refused else Exit.DONE)


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
