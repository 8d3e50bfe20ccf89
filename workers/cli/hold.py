"""``orderlane hold``: who must act on which hold, and by when."""

import functools
from collections.abc import Callable, Sequence
from datetime import datetime

import click

from domain.holds import HoldCode
from infra.engine.author import Author
from infra.tables.holds import HoldFilter
from ops.faces.terminal.holds import assigned_in_words, print_holds, snoozed_in_words
from ops.verbs.choose import holds_of
from ops.verbs.hold_orders import assign as assign_holds
from ops.verbs.hold_orders import snooze as snooze_holds
from ops.views.holds import list_open
from workers.cli.exits import Exit
from workers.cli.group import LazyGroup
from workers.cli.many import Many, Numbered, act_on_many, many_options
from workers.cli.options import Coming, GivenOnce, Moment, author_option
from workers.cli.output import console, json_option, say, say_json
from workers.cli.stores import open_database, quiet_settings
from workers.cli.values import WHOLE

PAGE = 50


@click.group(
    cls=LazyGroup,
    epilog="\b\nExample:  orderlane hold list --owner service",
    lazy={"add": "workers.cli.order_act:hold_add", "release": "workers.cli.order_act:hold_release"},
)
def hold() -> None:
    """List holds, assign them, snooze them; hold orders, and release them."""


def hold_filter(command: Callable[..., object]) -> Callable[..., object]:
    """Options that together are the command's `wanted`."""

    @functools.wraps(command)
    def filtered(
        *given: object,
        code: str | None,
        owner: str | None,
        shop: str | None,
        older_than: datetime | None,
        due_before: datetime | None,
        is_snoozed: bool | None,
        **named: object,
    ) -> object:
        wanted = HoldFilter(
            code=code,
            owner=owner,
            shop=shop,
            opened_before=older_than,
            due_before=due_before,
            is_snoozed=is_snoozed,
        )
        return command(*given, wanted=wanted, **named)

    options = (
        click.option(
            "--snoozed/--awake", "is_snoozed", default=None, help="Only those that are snoozed now, or that are not."
        ),
        click.option(
            "--due-before", cls=GivenOnce, type=Coming(), metavar="T", help="Due before: 4h from now, or a time."
        ),
        click.option(
            "--older-than", cls=GivenOnce, type=Moment(), metavar="T", help="Opened before: 24h, 3d, or a time."
        ),
        click.option("--shop", cls=GivenOnce, metavar="S", help="Of this shop: its name, or PLATFORM/NAME."),
        click.option("--owner", cls=GivenOnce, metavar="O", help="Of this person or team."),
        click.option(
            "--code", cls=GivenOnce, type=click.Choice([str(code) for code in HoldCode]), help="With this code."
        ),
    )
    for option in options:
        filtered = option(filtered)
    return filtered


@hold.command(
    "list",
    epilog="\b\nExample:  orderlane hold list --owner service --awake\n"
    "          orderlane hold list --code seller_flag --older-than 2d --json",
)
@hold_filter
@click.option("--after", type=WHOLE, default=0, metavar="ID", help="List holds after this one.")
@click.option("--limit", type=click.IntRange(1, 1000), default=PAGE, show_default=True, help="How many to list.")
@json_option
@click.pass_context
def list_command(ctx: click.Context, *, wanted: HoldFilter, after: int, limit: int, as_json: bool) -> None:
    """List open holds, the first due first, with the owner of each."""
    with open_database(quiet_settings()) as db:
        found = list_open(db, wanted, after=after, limit=limit)
    if as_json:
        say_json(found)
    else:
        print_holds(found.holds, found.more_after, console())
    ctx.exit(Exit.DONE)


@hold.command(
    epilog="\b\nExample:  orderlane hold assign 17 --to li --reason 'knows the buyer'\n"
    "          orderlane hold assign --code address_vague --shop main --to li --due 4h --reason 'on duty'"
)
@click.argument("ids", metavar="[HOLD]...", nargs=-1)
@click.option("--to", "whose", metavar="WHO", required=True, help="The new owner: a person or team.")
@click.option(
    "--due", "due_at", type=Coming(), metavar="T", help="The due time: 4h from now, or a time; without it as before."
)
@hold_filter
@many_options
@author_option
@json_option
@click.pass_context
def assign(
    ctx: click.Context,
    ids: Sequence[str],
    whose: str,
    due_at: datetime | None,
    *,
    wanted: HoldFilter,
    many: Many,
    author: Author,
    as_json: bool,
) -> None:
    """Give open holds to a person or team. HOLD is a number of `hold list`; this ends a snooze.

    One HOLD is given at once. Several, a file or a filter become a bulk act: a draft with a preview, done by
    `bulk confirm`. Exits with 5 for a hold that is released.
    """
    if not whose.strip():
        raise click.BadParameter("say who", param_hint="--to")
    named = Numbered(ids, wanted, holds_of)
    number = named.one_number(many, what="HOLD")
    with open_database(quiet_settings()) as db:
        if number is None:
            params = {"owner": whose, "due_at": due_at.isoformat() if due_at else None}
            items, how = named.items(db, many)
            act_on_many(ctx, db, "hold.assign", params, items, chosen=how, author=author, many=many, as_json=as_json)
            return
        [done] = assign_holds(db, [number], whose, author, due_at=due_at)
    if as_json:
        say_json(done)
    else:
        say(assigned_in_words(done))


@hold.command(
    epilog="\b\nExample:  orderlane hold snooze 17 --until 3d --reason 'the buyer is away'\n"
    "          orderlane hold snooze 17 --wake --reason 'the buyer is back'"
)
@click.argument("ids", metavar="[HOLD]...", nargs=-1)
@click.option("--until", type=Coming(), metavar="T", help="Remind nobody before: 3d from now, or a time.")
@click.option("--wake", is_flag=True, help="End a snooze.")
@hold_filter
@many_options
@author_option
@json_option
@click.pass_context
def snooze(
    ctx: click.Context,
    ids: Sequence[str],
    until: datetime | None,
    *,
    wake: bool,
    wanted: HoldFilter,
    many: Many,
    author: Author,
    as_json: bool,
) -> None:
    """Stop reminders of open holds for a while. The orders stay held, and their ship-by clocks run.

    One HOLD is snoozed at once. Several, a file or a filter become a bulk act: a draft with a preview, done by
    `bulk confirm`. Exits with 5 for a hold that is released.
    """
    if (until is None) != wake:
        raise click.UsageError("say --until T, or --wake")
    named = Numbered(ids, wanted, holds_of)
    number = named.one_number(many, what="HOLD")
    with open_database(quiet_settings()) as db:
        if number is None:
            params = {"until": until.isoformat() if until else None}
            items, how = named.items(db, many)
            act_on_many(ctx, db, "hold.snooze", params, items, chosen=how, author=author, many=many, as_json=as_json)
            return
        [done] = snooze_holds(db, [number], until, author)
    if as_json:
        say_json(done)
    else:
        say(snoozed_in_words(done))
