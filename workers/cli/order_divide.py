"""Changing what one order is: ``orderlane order split``, ``unsplit`` and ``correct-address``."""

from collections.abc import Sequence
from pathlib import Path

import click

from infra.engine.author import Author
from ops.faces.terminal.changes import corrected_in_words, divided_in_words
from ops.verbs.correct_address import correct_address, preview_correction
from ops.verbs.split_orders import preview_split, preview_unsplit, split, unsplit
from workers.cli.exits import Exit
from workers.cli.many import FILE, body_of
from workers.cli.options import author_option
from workers.cli.order import one_match
from workers.cli.order_change import DRY_RUN, change_options
from workers.cli.order_targets import OrderTargets, act_on_orders
from workers.cli.output import json_option, say, say_json
from workers.cli.stores import open_database, quiet_settings


@click.command(
    name="split",
    epilog="\b\nExample:  orderlane order split main/2206140048812637 --line TEE-1 --reason 'the mug comes on Friday'",
)
@click.argument("order_id", metavar="ID")
@click.option(
    "--line", "lines", multiple=True, required=True, metavar="LINE", help="This line: its SKU or id. May be repeated."
)
@DRY_RUN
@author_option
@json_option
@click.pass_context
def split_command(
    ctx: click.Context, order_id: str, *, lines: Sequence[str], dry_run: bool, author: Author, as_json: bool
) -> None:
    """Move lines of an order into a part of their own, which goes its own way from paid.

    Reserved pieces go along. Exits with 5 for an order that has ended or left, is routed already, or is being stopped:
    the message says what to do first.
    """
    with open_database(quiet_settings()) as db:
        match = one_match(db, order_id)
        if match is None:
            ctx.exit(Exit.USAGE)
        done = preview_split(db, match.id, lines) if dry_run else split(db, match.id, lines, author)
    if as_json:
        say_json(done)
    else:
        say(divided_in_words(done, "split", is_done=not dry_run))


@click.command(
    name="unsplit",
    epilog="\b\nExample:  orderlane order unsplit main/2206140048812637 --reason 'the mug is here already'",
)
@change_options
@click.pass_context
def unsplit_command(ctx: click.Context, *, asked: OrderTargets, author: Author, dry_run: bool, as_json: bool) -> None:
    """Join the parts of orders that are not routed yet; the review looks at the whole again.

    One ID acts at once; several, a file or a filter become a bulk act. Exits with 5 for an order with one such part
    only, that has ended or left, or is being stopped.
    """
    with open_database(quiet_settings()) as db:
        if not asked.is_one:
            act_on_orders(ctx, db, "order.unsplit", {}, asked=asked, author=author, as_json=as_json)
        match = one_match(db, asked.ids[0])
        if match is None:
            ctx.exit(Exit.USAGE)
        done = preview_unsplit(db, match.id) if dry_run else unsplit(db, match.id, author)
    if as_json:
        say_json(done)
    else:
        say(divided_in_words(done, "unsplit", is_done=not dry_run))


@click.command(
    name="correct-address",
    epilog="\b\nExample:  orderlane order correct-address 1041 --from address.txt --reason 'the buyer has called'",
)
@click.argument("order_id", metavar="ID")
@click.option(
    "--from",
    "file",
    type=FILE,
    default="-",
    metavar="FILE",
    help="Lines such as city=杭州市; -: from stdin.",
    show_default=True,
)
@DRY_RUN
@author_option
@json_option
@click.pass_context
def correct_address_command(
    ctx: click.Context, order_id: str, *, file: Path, dry_run: bool, author: Author, as_json: bool
) -> None:
    """Correct the receiver's address of an order, from lines of FIELD=VALUE.

    Fields are name, phone, province, city, district, town, detail and zip_code; what is not named stays. Of a receiver
    that the platform hides, name, phone and detail are needed. The review looks at the order again. What has a waybill
    is stopped and booked anew. The correction holds until the platform says another address than now. Exits with 5 for
    an order that has ended or left, or is being stopped, and for an address that lacks a field.
    """
    given = _fields(body_of(file))
    with open_database(quiet_settings()) as db:
        match = one_match(db, order_id)
        if match is None:
            ctx.exit(Exit.USAGE)
        id_ = match.id
        done = preview_correction(db, id_, given) if dry_run else correct_address(db, id_, given, author)
    if as_json:
        say_json(done)
    else:
        say(corrected_in_words(done, is_done=not dry_run))


def _fields(body: bytes) -> dict[str, str]:
    """Values by field. What a line says is in no message: it may be personal."""
    try:
        lines = body.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise click.BadParameter("the file is not UTF-8", param_hint="--from") from None
    given: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        name, sign, value = line.partition("=")
        if not line.strip():
            continue
        if not sign or name.strip() in given:
            raise click.BadParameter(f"line {number} is not FIELD=VALUE, or names a field again", param_hint="--from")
        given[name.strip()] = value
    if not given:
        raise click.BadParameter("no field is named", param_hint="--from")
    return given
