"""``orderlane normalize``: try a platform's payload without any store."""

from pathlib import Path

import click
import msgspec

from infra.config.rules import load_rules
from infra.telemetry.terminal_text import in_json
from ops.faces.terminal.dry_run import dry_run_tree
from ops.views.dry_run import normalize as normalize_payload
from ops.views.dry_run import read_bounded
from workers.cli.exits import Exit


def _whole_text(_ctx: click.Context, _param: click.Parameter, text: str) -> str:
    """Bytes of a command line that are no text of the terminal's encoding arrive as halves of characters."""
    if any(0xD800 <= ord(character) <= 0xDFFF for character in text):  # noqa: PLR2004 - the surrogates of Unicode
        raise click.BadParameter("not a text in this terminal's encoding")
    return text


@click.command(epilog="\b\nExample:  orderlane normalize --platform taobao trade.json")
@click.option("--platform", required=True, metavar="P", help="The platform the payload comes from.")
@click.option(
    "--shop", default="dry-run", show_default=True, callback=_whole_text, help="The shop's name in the result."
)
@click.option("--rules", "rules_file", default="", metavar="FILE", help="A rules file; the packaged one if not given.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.pass_context
def normalize(ctx: click.Context, platform: str, shop: str, rules_file: str, file: Path) -> None:
    """Print the canonical order of a platform's payload, or the typed error. FILE - is standard input.

    Nothing is stored, and at most 8 MiB are read. The JSON object on stdout holds the order with its receiver, who
    fulfils it and each of its lines (`fulfilled_by`), `intake` (the state it would enter in) and `holds`, as if all its
    stock were there; an amount is {"minor": 32358, "currency": "CNY"}. Exits with 0 if the order would be fulfilled,
    waits for payment, is closed or is not ours to ship, 3 if it would be held, and 4 if it would be quarantined.
    """
    rules = load_rules(rules_file)
    try:
        with click.open_file(str(file), "rb") as stream:
            body = read_bounded(stream)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise click.BadParameter(f"the file cannot be read: {why}", param_hint="FILE") from None
    result = normalize_payload(body, platform, shop, rules)
    click.echo(in_json(msgspec.json.format(msgspec.json.encode(dry_run_tree(result)), indent=2).decode()))
    ctx.exit(Exit.HELD if result.findings else Exit.DONE)
