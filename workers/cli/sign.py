"""``orderlane sign``: prove our signers on published vectors."""

from pathlib import Path

import click

from adapters.signing import check_vectors
from workers.cli.exits import Exit
from workers.cli.output import say


@click.command(epilog="\b\nExample:  orderlane sign --vectors vectors.json --platform taobao")
@click.option(
    "--vectors",
    type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path),
    required=True,
    metavar="FILE",
    help="JSON file of signature vectors.",
)
@click.option("--platform", metavar="P", help="Only rows of this platform.")
@click.option("--courier", metavar="C", help="Only rows of this courier.")
@click.option("--channel", metavar="C", help="Only rows of this channel.")
@click.pass_context
def sign(ctx: click.Context, vectors: Path, platform: str | None, courier: str | None, channel: str | None) -> None:
    """Check our signers against a file of signature vectors; all rows without a filter.

    The last line is `N passed, M failed`. Exits with 0 only if some row was checked and none failed.
    """
    checked = check_vectors(vectors, platform, courier, channel)
    for failure in checked.failures:
        say(f"failed: {failure.owner} {failure.algorithm}, {failure.case or 'unnamed case'}: {failure.reason}")
    if not checked.passed and not checked.failures:
        say("orderlane: vectors_not_selected: no row of the file matches the filter", err=True)
    say(f"{checked.passed} passed, {len(checked.failures)} failed")
    ctx.exit(Exit.DONE if checked.passed and not checked.failures else Exit.FAILED)
