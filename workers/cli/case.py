"""``orderlane case``: trouble with parcels and what buyers ask for afterwards, each with an owner and a due time."""

import functools
from collections.abc import Callable, Sequence
from datetime import datetime

import click

from domain.cases import CaseKind
from infra.engine.author import Author
from infra.tables.cases import CaseFilter
from ops.faces.terminal.cases import case_assigned_in_words, case_closed_in_words, print_case, print_cases
from ops.verbs.cases import assign_cases_to, close_cases
from ops.verbs.choose import cases_of
from ops.views.cases import page_of_cases, view_case
from workers.cli.exits import Exit
from workers.cli.group import LazyGroup
from workers.cli.many import Many, Numbered, act_on_many, many_options
from workers.cli.options import Coming, GivenOnce, Moment, author_option
from workers.cli.output import console, json_option, say, say_json
from workers.cli.stores import open_database, quiet_settings
from workers.cli.values import WHOLE

PAGE = 50


@click.group(cls=LazyGroup, epilog="\b\nExample:  orderlane case list --owner logistics")
def case() -> None:
    """List cases, show one with its order and package, give them to somebody, close them."""


def case_filter(command: Callable[..., object]) -> Callable[..., object]:
    """Options that together are the command's `wanted`."""

    @functools.wraps(command)
    def filtered(
        *given: object,
        kind: str | None,
        owner: str | None,
        shop: str | None,
        older_than: datetime | None,
        due_before: datetime | None,
        **named: object,
    ) -> object:
        wanted = CaseFilter(kind=kind, owner=owner, shop=shop, opened_before=older_than, due_before=due_before)
        return command(*given, wanted=wanted, **named)

    options = (
        click.option(
            "--due-before", cls=GivenOnce, type=Coming(), metavar="T", help="Due before: 4h from now, or a time."
        ),
        click.option(
            "--older-than", cls=GivenOnce, type=Moment(), metavar="T", help="Opened before: 24h, 3d, or a time."
        ),
        click.option("--shop", cls=GivenOnce, metavar="S", help="Of this shop: its name, or PLATFORM/NAME."),
        click.option("--owner", cls=GivenOnce, metavar="O", help="Of this person or team."),
        click.option(
            "--kind", cls=GivenOnce, type=click.Choice([str(kind) for kind in CaseKind]), help="Of this kind."
        ),
    )
    for option in options:
        filtered = option(filtered)
    return filtered


@case.command(
    "list",
    epilog="\b\nExample:  orderlane case list --owner logistics --older-than 2d\n"
    "          orderlane case list --kind lost --state closed --json",
)
@click.option(
    "--state", type=click.Choice(["open", "closed"]), default="open", show_default=True, help="Open or closed ones."
)
@case_filter
@click.option("--after", type=WHOLE, default=0, metavar="ID", help="Go on after this case.")
@click.option("--limit", type=click.IntRange(1, 1000), default=PAGE, show_default=True, help="How many to list.")
@json_option
@click.pass_context
def list_command(ctx: click.Context, *, state: str, wanted: CaseFilter, after: int, limit: int, as_json: bool) -> None:
    """List cases: open ones with the first due first, closed ones with the last closed first."""
    with open_database(quiet_settings()) as db:
        found = page_of_cases(db, wanted, is_open=state == "open", after=after, limit=limit)
    if as_json:
        say_json(found)
    else:
        print_cases(found.cases, found.more_after, console())
    ctx.exit(Exit.DONE)


@case.command(epilog="\b\nExample:  orderlane case show 17")
@click.argument("number", metavar="CASE", type=WHOLE)
@json_option
def show(number: int, *, as_json: bool) -> None:
    """Show one case with its order and package. CASE is a number of `case list`."""
    with open_database(quiet_settings()) as db:
        found = view_case(db, number)
    if as_json:
        say_json(found)
    else:
        print_case(found, console())


@case.command(
    epilog="\b\nExample:  orderlane case assign 17 --to li --reason 'asks the courier'\n"
    "          orderlane case assign --kind lost --shop main --to li --due 4h --reason 'on duty'"
)
@click.argument("ids", metavar="[CASE]...", nargs=-1)
@click.option("--to", "whose", metavar="WHO", required=True, help="The new owner: a person or team.")
@click.option("--due", "due_at", type=Coming(), metavar="T", help="By when: 4h from now, or a time; else as before.")
@case_filter
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
    wanted: CaseFilter,
    many: Many,
    author: Author,
    as_json: bool,
) -> None:
    """Give open cases to a person or team. CASE is a number of `case list`.

    One CASE is given at once. Several, a file or a filter become a bulk act: a draft with a preview, done by
    `bulk confirm`. Exits with 5 for a case that is closed.
    """
    if not whose.strip():
        raise click.BadParameter("say who", param_hint="--to")
    named = Numbered(ids, wanted, cases_of)
    number = named.one_number(many, what="CASE")
    with open_database(quiet_settings()) as db:
        if number is None:
            params = {"owner": whose, "due_at": due_at.isoformat() if due_at else None}
            items, how = named.items(db, many)
            act_on_many(ctx, db, "case.assign", params, items, chosen=how, author=author, many=many, as_json=as_json)
            return
        [done] = assign_cases_to(db, [number], whose, author, due_at=due_at)
    if as_json:
        say_json(done)
    else:
        say(case_assigned_in_words(done))


@case.command(
    epilog="\b\nExample:  orderlane case close 17 --reason 'the parcel is back on the shelf'\n"
    "          orderlane case close --from cases.txt --reason 'paid by the courier' --expect 12"
)
@click.argument("ids", metavar="[CASE]...", nargs=-1)
@case_filter
@many_options
@author_option
@json_option
@click.pass_context
def close(
    ctx: click.Context, ids: Sequence[str], *, wanted: CaseFilter, many: Many, author: Author, as_json: bool
) -> None:
    """Close open cases; the reason says how each was settled. CASE is a number of `case list`.

    One CASE is closed at once. Several, a file or a filter become a bulk act: a draft with a preview, done by
    `bulk confirm`. A closed case is not opened again by what opened it. Exits with 5 for a case that is closed.
    """
    named = Numbered(ids, wanted, cases_of)
    number = named.one_number(many, what="CASE")
    with open_database(quiet_settings()) as db:
        if number is None:
            items, how = named.items(db, many)
            act_on_many(ctx, db, "case.close", {}, items, chosen=how, author=author, many=many, as_json=as_json)
            return
        [done] = close_cases(db, [number], author)
    if as_json:
        say_json(done)
    else:
        say(case_closed_in_words(done))
