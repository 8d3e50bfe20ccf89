"""``orderlane dlq``: dead letters by cause, one by one, and back to work."""

import click

from workers.cli.group import LazyGroup


@click.group(
    cls=LazyGroup,
    epilog="\b\nExample:  orderlane dlq causes",
    lazy={
        "causes": "workers.cli.dlq_look:causes",
        "list": "workers.cli.dlq_look:list_letters",
        "show": "workers.cli.dlq_look:show",
        "replay": "workers.cli.dlq_act:replay",
        "discard": "workers.cli.dlq_act:discard",
        "reopen": "workers.cli.dlq_act:reopen",
    },
)
def dlq() -> None:
    """Look at dead letters, and replay or discard them."""
