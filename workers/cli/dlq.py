"""``orderlane dlq``: dead letters by cause, one by one, and back to work."""

import functools
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime

import click
import msgspec
from rich.console import Console

from domain.states import Step
from infra.db.letters import LetterFilter
from infra.db.pool import Database
from infra.engine.replay import Answer, Author, Replayed
from infra.log import configure
from infra.settings import Settings, read_settings
from ops import bulk, letters
from ops.bulk_face import print_bulk
from ops.letters_face import print_causes, print_letter, print_letters, print_previews, print_replayed
from ops.lookup import courier_lookup
from workers.cli.acting import Moment, Rate, author_option
from workers.cli.exits import Exit
from workers.cli.stores import database_at_hand

PAGE = 50
PREVIEWED = 10
RATE = 10.0

_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object; times in UTC.")


@click.group(epilog="\b\nExample:  orderlane dlq causes")
def dlq() -> None:
    """Look at dead letters, and replay or discard them."""


def _filters(command: Callable[..., object]) -> Callable[..., object]:
    """Options that together are the command's `wanted`."""

    @functools.wraps(command)
    def filtered(
        *given: object,
        step: str | None,
        account: str | None,
        code: str | None,
        cause: str | None,
        since: datetime | None,
        **named: object,
    ) -> object:
        wanted = LetterFilter(step=step, account=account, code=code, cause=cause, since=since)
        return command(*given, wanted=wanted, **named)

    options = (
        click.option("--since", type=Moment(), metavar="T", help="Died since: 24h, 3d, or a time."),
        click.option("--cause", metavar="F", help="Of this cause, as `dlq causes` names it."),
        click.option("--code", metavar="C", help="With this error code."),
        click.option("--account", metavar="A", help="Of this account, such as sf/main."),
        click.option("--step", type=click.Choice([str(step) for step in Step]), help="Of this step."),
    )
    for option in options:
        filtered = option(filtered)
    return filtered


@dlq.command(epilog="\b\nExample:  orderlane dlq causes --json")
@_json
@click.pass_context
def causes(ctx: click.Context, *, as_json: bool) -> None:
    """Show open dead letters by cause: how many, since when, orders that wait, money at risk.

    A letter counts for its order: an order with two letters of one cause counts twice.
    """
    with _database() as db:
        found = letters.causes(db)
    if as_json:
        click.echo(msgspec.json.encode({"causes": found}))
    else:
        print_causes(found, _console())
    ctx.exit(Exit.DONE)


@dlq.command("list", epilog="\b\nExample:  orderlane dlq list --step label --since 24h")
@_filters
@click.option("--after", type=click.IntRange(min=0), default=0, metavar="ID", help="Go on after this letter.")
@click.option("--limit", type=click.IntRange(1, 1000), default=PAGE, show_default=True, help="How many to list.")
@_json
@click.pass_context
def list_letters(ctx: click.Context, *, wanted: LetterFilter, after: int, limit: int, as_json: bool) -> None:
    """List open dead letters, oldest first."""
    with _database() as db:
        found = letters.page(db, wanted, after=after, limit=limit)
    more_after = found[-1].id if len(found) == limit else None
    if as_json:
        click.echo(msgspec.json.encode({"letters": found, "more_after": more_after}))
    else:
        print_letters(found, more_after, _console())
    ctx.exit(Exit.DONE)


@dlq.command(epilog="\b\nExample:  orderlane dlq show 1042")
@click.argument("letter_id", metavar="ID", type=int)
@_json
@click.pass_context
def show(ctx: click.Context, letter_id: int, *, as_json: bool) -> None:
    """Show one dead letter: every try and what stood behind it, its order, and what a replay would do."""
    with _database() as db:
        letter = letters.letter(db, letter_id)
        preview = letters.preview(db, [letter_id])[0] if letter.closed_at is None else None
    if as_json:
        click.echo(msgspec.json.encode({"letter": letter, "replay": preview}))
    else:
        print_letter(letter, preview, _console())
    ctx.exit(Exit.DONE)


@dlq.command(
    epilog='\b\nExample:  orderlane dlq replay 1042 --reason "settings fixed"\n'
    '          orderlane dlq replay --cause 7f3a01b2c3d4e5f6 --rate 5/s --reason "courier is back"'
)
@click.argument("ids", metavar="[ID]...", type=int, nargs=-1)
@_filters
@click.option("--rate", type=Rate(), default=RATE, show_default=True, metavar="N/s", help="Of a filter's letters.")
@click.option("--dry-run", is_flag=True, is_eager=True, help="Show what would happen, and change nothing.")
@author_option
@_json
@click.pass_context
def replay(
    ctx: click.Context,
    ids: Sequence[int],
    *,
    wanted: LetterFilter,
    rate: float,
    dry_run: bool,
    author: Author,
    as_json: bool,
) -> None:
    """Put dead letters back to work: those named, at once, or all of a filter, by the sweeper.

    A filter's letters become a bulk replay. One goes first, as a canary; the rest follow at the rate,
    unless it died of the same cause. Exits with 5 if nothing could be replayed, and 6 if only some.
    """
    if bool(ids) is not wanted.is_empty:
        raise click.UsageError("name letters, or a filter: --cause, --step, --account, --code, --since")
    settings = _quiet_settings()
    with database_at_hand(settings) as db:
        if dry_run:
            _preview(db, settings, ids, wanted, as_json=as_json)
        elif ids:
            answers = letters.replay_letters(db, list(dict.fromkeys(ids)), author)
            if as_json:
                click.echo(msgspec.json.encode({"letters": answers}))
            else:
                print_replayed(answers, _console())
            ctx.exit(_exit(answers))
        else:
            started = bulk.start(db, wanted, rate, author)
            if as_json:
                click.echo(msgspec.json.encode(started))
            else:
                print_bulk(started, (), _console())
                click.echo(f"follow it with: orderlane bulk show {started.id}", err=True)
    ctx.exit(Exit.DONE)


def _preview(db: Database, settings: Settings, ids: Sequence[int], wanted: LetterFilter, *, as_json: bool) -> None:
    members = letters.count(db, wanted) if not ids else len(ids)
    sample = list(ids) or [one.id for one in letters.page(db, wanted, after=0, limit=PREVIEWED)]
    with courier_lookup(settings) if settings.couriers else nullcontext() as ask:
        previews = letters.preview(db, sample, ask)
    if as_json:
        click.echo(msgspec.json.encode({"members": members, "letters": previews}))
        return
    print_previews(previews, _console())
    if members > len(previews):
        click.echo(f"the oldest {len(previews)} of {members}")


def _exit(answers: Sequence[Replayed]) -> Exit:
    replayed = sum(one.answer is Answer.REPLAYED for one in answers)
    if replayed == len(answers):
        return Exit.DONE
    return Exit.PARTLY if replayed else Exit.REFUSED


@dlq.command(epilog='\b\nExample:  orderlane dlq discard 1042 --reason "test order"')
@click.argument("ids", metavar="ID...", type=int, nargs=-1, required=True)
@author_option
def discard(ids: Sequence[int], author: Author) -> None:
    """Close dead letters without a replay. An order that stands still stays held until somebody releases it."""
    with _database() as db:
        for letter_id in ids:
            stays_held = letters.discard(db, letter_id, author)
            held = "; its order stays held: release it with `orderlane order release`" if stays_held else ""
            click.echo(f"letter {letter_id} discarded{held}")


@dlq.command(epilog='\b\nExample:  orderlane dlq reopen 1042 --reason "it was real"')
@click.argument("letter_id", metavar="ID", type=int)
@author_option
def reopen(letter_id: int, author: Author) -> None:
    """Open a discarded dead letter again."""
    with _database() as db:
        letters.reopen(db, letter_id, author)
    click.echo(f"letter {letter_id} is open again")


def _database() -> AbstractContextManager[Database]:
    return database_at_hand(_quiet_settings())


def _quiet_settings() -> Settings:
    configure(level="error")
    return read_settings()


def _console() -> Console:
    return Console(highlight=False, markup=False, emoji=False)
