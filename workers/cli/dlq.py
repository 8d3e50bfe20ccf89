"""``orderlane dlq``: list dead letters by cause or one by one, and replay them."""

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
    """Show dead letters, replay or discard them."""
