"""Acting on dead letters: ``orderlane dlq replay``, ``discard`` and ``reopen``."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import click

from infra.config.settings import Settings
from infra.engine.author import Author
from infra.engine.replay import ReplayAnswer, Replayed
from infra.tables.letters import LetterFilter
from infra.tables.pool import Database
from ops.faces.terminal.bulk import bulk_tree, print_bulk
from ops.faces.terminal.letters import preview_tree, print_previews, print_replayed, replayed_tree
from ops.verbs import bulk, letters
from ops.verbs.choose import letters_of, numbered
from ops.views import letters as letter_views
from ops.views.lookup import courier_lookup
from workers.cli.exits import Exit
from workers.cli.letter_filter import letter_filter
from workers.cli.many import FILE, Many, act_on_many, letters_in, many_options, one_way
from workers.cli.options import Rate, author_option
from workers.cli.output import console, json_option, say, say_json
from workers.cli.stores import open_database, open_for_calls, quiet_settings
from workers.cli.values import WHOLE

PREVIEWED = 10
RATE = 10.0


@click.command(
    epilog='\b\nExample:  orderlane dlq replay 1042 --reason "settings fixed"\n'
    '          orderlane dlq replay --cause 7f3a01b2c3d4e5f6 --rate 5/s --reason "courier is back"\n'
    '          orderlane dlq replay --from letters.txt --expect 37 --reason "courier is back"'
)
@click.argument("ids", metavar="[ID]...", type=WHOLE, nargs=-1)
@letter_filter
@click.option(
    "--rate", type=Rate(), default=RATE, show_default=True, metavar="N/s", help="Letters a second in a bulk replay."
)
@click.option("--from", "file", type=FILE, metavar="FILE", help="Letters from a file, one a line; - is standard input.")
@click.option("--expect", type=WHOLE, metavar="N", help="Replay only if exactly N letters would be replayed.")
@click.option("--again", is_flag=True, help="Also letters that were replayed three times without success.")
@click.option("--dry-run", is_flag=True, is_eager=True, help="Show what would happen, and change nothing.")
@author_option
@json_option
@click.pass_context
def replay(
    ctx: click.Context,
    ids: Sequence[int],
    *,
    wanted: LetterFilter,
    rate: float,
    file: Path | None,
    expect: int | None,
    again: bool,
    dry_run: bool,
    author: Author,
    as_json: bool,
) -> None:
    """Put dead letters back to work: numbered letters at once, letters of a filter or file by the sweeper.

    Letters of a filter or file become a bulk replay: one letter goes first, as a canary; the others follow at the rate.
    The bulk pauses itself when the canary fails, five letters in a row fail, or half of the last twenty do. Letters
    that killed their worker are replayed by their numbers only. Exits with 5 if nothing could be replayed, or --cause
    begins several causes, and 6 if only some.
    """
    if sum((bool(ids), file is not None, not wanted.is_empty)) != 1:
        raise click.UsageError("name letters, --from FILE, or a filter: --cause, --step, --account, --code, --since")
    if ids and expect is not None:
        raise click.UsageError("--expect is of a filter or a file")
    named = () if file is None else letters_in(file)
    settings = quiet_settings()
    with open_for_calls(settings) as (full, db):
        if dry_run:
            _preview(db, full, ids or named, wanted, again=again, as_json=as_json)
        elif ids:
            answers = letters.replay_letters(db, list(dict.fromkeys(ids)), author, again=again)
            if as_json:
                say_json({"letters": [replayed_tree(one) for one in answers]})
            else:
                print_replayed(answers, console())
            ctx.exit(_exit(answers))
        else:
            if file is not None:
                started = bulk.start_named(db, named, rate, author, again=again, expect=expect)
            else:
                started = bulk.start(db, wanted, rate, author, again=again, expect=expect)
            if as_json:
                say_json(bulk_tree(started))
            else:
                print_bulk(started, (), console())
                say(f"follow it with: orderlane bulk show {started.id}", err=True)
    ctx.exit(Exit.DONE)


def _preview(
    db: Database, settings: Settings, ids: Sequence[int], wanted: LetterFilter, *, again: bool, as_json: bool
) -> None:
    wanted = letter_views.actable(db, wanted)
    members = letter_views.count(db, wanted) if not ids else len(ids)
    sample = list(ids) or [one.id for one in letter_views.page(db, wanted, after=0, limit=PREVIEWED)]
    with courier_lookup(settings, db) if settings.couriers else nullcontext() as ask:
        previews = letter_views.preview(db, sample, ask, again=again, in_bulk=not ids)
    if as_json:
        say_json({"members": members, "letters": [preview_tree(one) for one in previews]})
        return
    print_previews(previews, console())
    if members > len(previews):
        say(f"the oldest {len(previews)} of {members}")


def _exit(answers: Sequence[Replayed]) -> Exit:
    replayed = sum(one.answer is ReplayAnswer.REPLAYED for one in answers)
    if replayed == len(answers):
        return Exit.DONE
    return Exit.PARTLY if replayed else Exit.REFUSED


@click.command(
    epilog='\b\nExample:  orderlane dlq discard 1042 --reason "test order"\n'
    '          orderlane dlq discard --cause 7f3a01b2c3d4e5f6 --reason "test shop"'
)
@click.argument("ids", metavar="[ID]...", type=WHOLE, nargs=-1)
@letter_filter
@many_options
@author_option
@json_option
@click.pass_context
def discard(
    ctx: click.Context, ids: Sequence[int], *, wanted: LetterFilter, many: Many, author: Author, as_json: bool
) -> None:
    """Close dead letters without a replay. A held order stays held until a person releases it.

    Numbered letters are closed at once. A file or a filter become a bulk act: a draft with a preview, done by
    `bulk confirm`.
    """
    names = [str(letter_id) for letter_id in ids]
    one_way(names, many, is_filtered=not wanted.is_empty, what="which letters")
    with open_database(quiet_settings()) as db:
        if many.is_asked or not wanted.is_empty:
            items = letters_of(db, wanted) if not wanted.is_empty else numbered(many.names(names))
            chosen = many.chosen(names, wanted.named())
            act_on_many(ctx, db, "letter.discard", {}, items, chosen=chosen, author=author, many=many, as_json=as_json)
        for letter_id in ids:
            stays_held = letters.discard(db, letter_id, author)
            held = "; its order stays held: release it with `orderlane order release`" if stays_held else ""
            say(f"letter {letter_id} discarded{held}")


@click.command(epilog='\b\nExample:  orderlane dlq reopen 1042 --reason "it was real"')
@click.argument("letter_id", metavar="ID", type=WHOLE)
@author_option
def reopen(letter_id: int, author: Author) -> None:
    """Open a discarded dead letter again."""
    with open_database(quiet_settings()) as db:
        letters.reopen(db, letter_id, author)
    say(f"letter {letter_id} is open again")
