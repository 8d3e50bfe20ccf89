"""``orderlane flow``: the map of the steps."""

import click

from actors import find_actors
from ops.faces.terminal.flow import mermaid_of, text_of
from workers.cli.output import say


@click.command(epilog="\b\nExample:  orderlane flow\n          orderlane flow --mermaid")
@click.option("--mermaid", "is_drawing", is_flag=True, help="Print a drawing in the Mermaid language.")
def flow(*, is_drawing: bool) -> None:
    """Show every step, its file, its states, and what may follow it."""
    for line in (mermaid_of if is_drawing else text_of)(find_actors()).splitlines():
        say(line)
