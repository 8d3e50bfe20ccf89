"""How commands talk to people and to scripts."""

import click
from rich.console import Console

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object; times in UTC.")


def console() -> Console:
    """Prints what it is given as it is: orders and couriers may say anything."""
    return Console(highlight=False, markup=False, emoji=False)
