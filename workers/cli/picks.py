"""``orderlane picks``: what is to be picked at the locations of our own."""

import click

from infra.config.directory import directory_of
from infra.config.settings import Settings
from ops.faces.terminal.picks import picks_tree, print_by_order, print_waves
from ops.views.picks import picks as look
from ops.views.picks import waves
from workers.cli.output import console, json_option, say, say_json
from workers.cli.stores import open_database, quiet_settings
from workers.cli.values import WHOLE

LIMIT = 500


@click.command(
    epilog="\b\nExample:  orderlane picks\n"
    "          orderlane picks main-warehouse --by order --limit 20\n"
    "          orderlane picks | lp"
)
@click.argument("location", metavar="[LOCATION]", required=False)
@click.option(
    "--by",
    type=click.Choice(["wave", "order"]),
    default="wave",
    show_default=True,
    help="A list for each courier and lane, or one for each order.",
)
@click.option("--limit", type=WHOLE, default=LIMIT, show_default=True, metavar="N", help="Packages at most.")
@json_option
def picks(location: str | None, by: str, limit: int, *, as_json: bool) -> None:
    """What is to be picked at locations of kind `own`, the most urgent first.

    Each package has the waybill to print in the courier's own tool. Nothing of the receiver is in the list, so it may
    lie about on paper. A package leaves the list with `package pack`.
    """
    settings = quiet_settings()
    own = _own_locations(settings, location)
    with open_database(settings) as db:
        found = look(db, own, limit)
    if as_json:
        say_json(picks_tree(found.packages, is_cut=found.is_cut))
        return
    if not found.packages:
        say("nothing is to be picked")
        return
    out = console()
    if by == "order":
        print_by_order(found.packages, out)
    else:
        print_waves(waves(found.packages), out)
    if found.is_cut:
        say(f"and more: these are the {limit} most urgent packages")


def _own_locations(settings: Settings, wanted: str | None) -> list[str]:
    """Raises click.BadParameter for a location that is not of kind `own`, and where there is none."""
    own = [name for name, location in directory_of(settings).locations.items() if location.is_own]
    chosen = own if wanted is None else [name for name in own if name == wanted]
    if not chosen:
        known = ", ".join(own) or "none is configured"
        raise click.BadParameter(f"locations of kind own are: {known}", param_hint="LOCATION")
    return chosen
