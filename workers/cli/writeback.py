"""``orderlane writeback``: write tracking numbers back to the platforms again."""

from collections.abc import Sequence
from datetime import datetime

import click

from infra.config.settings import read_settings
from infra.engine.author import Author
from infra.engine.remote import RemoteRunner
from infra.process.clock import SystemClock
from infra.tables.pool import Database
from infra.tables.writebacks import Selection
from infra.telemetry.log import configure
from ops.faces.terminal.answers import answer_counts, retry_result_in_words, retry_result_tree
from ops.verbs.choose import orders_named, write_backs_of
from ops.verbs.writeback_retry import SUCCEEDED, PlatformAnswer, RetryRate, RetryResult, preview, retry
from ops.views.find import find, why_missing
from ops.views.writebacks import open_writebacks
from workers.cli.exits import Exit
from workers.cli.many import Many, act_on_many, many_options
from workers.cli.options import Moment, Rate, author_option
from workers.cli.output import say, say_json
from workers.cli.own_worker import worker_in_command
from workers.cli.stores import open_database, quiet_settings
from workers.wiring import Runtime

PER_SECOND = 20.0

_REFUSALS = frozenset({PlatformAnswer.REFUSED, PlatformAnswer.ELSEWHERE})


@click.group(epilog="\b\nExample:  orderlane writeback retry --all-failed --dry-run")
def writeback() -> None:
    """Write the tracking numbers of shipped packages back to the platforms."""


@writeback.command(
    name="retry",
    epilog="\b\nExample:  orderlane writeback retry --order 2206140048812637 --reason 'buyer asked'\n"
    "          orderlane writeback retry --shop taobao/main --since 2026-11-11 --dry-run\n"
    "          orderlane writeback retry --all-failed --rate 5 --reason 'platform is back'\n"
    "          orderlane writeback retry --from orders.txt --expect 37 --reason 'platform is back'",
)
@click.option("--order", "order", metavar="ID", help="Any open write-back of this order; ID as for `order show`.")
@click.option("--shop", metavar="S", help="A shop's name, or PLATFORM/NAME.")
@click.option("--platform", metavar="P", help="All shops of a platform.")
@click.option(
    "--since",
    type=Moment(),
    metavar="T",
    help="Packages that left at T or later: 24h, 3d, or a time (UTC without a zone).",
)
@click.option("--cause", metavar="C", help="A hold's or an error's code, or a dead letter's fingerprint.")
@click.option(
    "--all-failed",
    is_flag=True,
    help="All write-backs that were refused, ended as dead letters, failed, or have waited for an hour.",
)
@many_options
@click.option("--dry-run", is_flag=True, help="Only read what the platforms show; write and change nothing.")
@click.option("--rate", type=Rate(), default=PER_SECOND, show_default=True, metavar="N", help="Packages a second.")
@author_option
@click.option("--json", "as_json", is_flag=True, help="The last line of stdout is one JSON object.")
@click.pass_context
def retry_command(
    ctx: click.Context,
    *,
    order: str | None,
    shop: str | None,
    platform: str | None,
    since: datetime | None,
    cause: str | None,
    all_failed: bool,
    many: Many,
    dry_run: bool,
    rate: float,
    author: Author,
    as_json: bool,
) -> None:
    """Retry write-backs that were refused, failed, became dead letters or wait too long.

    Options narrow each other. Each platform is read first and written to only if it does not show the waybill, with the
    time when the package really left; then it is read again. Safe to run twice, by two people at once, and beside
    workers. The orders of a file become a bulk act: a draft with a preview, done by `bulk confirm`; workers then tell
    the platforms. Exits with 5 if all were refused, 6 if only some were settled, and 7 if no platform could be reached.
    """
    if many.is_asked:
        if many.file is None:
            raise click.UsageError("--expect and --here are of a file: name it with --from")
        if order or shop or platform or since or cause or all_failed or dry_run:
            raise click.UsageError("--from FILE says which, and shows a preview first: leave the other options out")
        _retry_many(ctx, many, author, as_json=as_json)
    if not (order or shop or platform or since or cause or all_failed):
        raise click.UsageError("say which: --order, --shop, --platform, --since, --cause or --all-failed")
    configure(level="error")
    with worker_in_command(read_settings()) as runtime:
        wanted = Selection(
            order_id=_order_id(runtime.db, order) if order else None,
            shop=shop,
            platform=platform,
            since=since,
            cause=cause,
            any_open=order is not None,
        )
        answered = _retry(runtime, wanted, None if dry_run else author, rate, as_json=as_json)
    if as_json:
        say_json(_summary(answered, dry_run=dry_run))
    ctx.exit(exit_of_answers([one.said for one in answered]))


def _retry_many(ctx: click.Context, many: Many, author: Author, *, as_json: bool) -> None:
    with open_database(quiet_settings()) as db:
        items = write_backs_of(db, orders_named(db, many.names(())))
        chosen = many.chosen((), {})
        act_on_many(ctx, db, "writeback.retry", {}, items, chosen=chosen, author=author, many=many, as_json=as_json)


def _retry(
    runtime: Runtime, wanted: Selection, author: Author | None, rate: float, *, as_json: bool
) -> list[RetryResult]:
    """Without an author it is a dry run."""
    runner = runtime.runners["writeback"]
    assert isinstance(runner, RemoteRunner)
    chosen = open_writebacks(runtime.db, wanted)
    if not chosen:
        say("no write-back matches", err=True)
    count = 0

    def show(one: RetryResult) -> None:
        nonlocal count
        count += 1
        say(f"[{count}/{len(chosen)}] {retry_result_in_words(one)}", err=as_json)

    if author is None:
        return preview(runner, chosen, show)
    return retry(runner, chosen, author, RetryRate(rate, SystemClock()), show)


def _order_id(db: Database, text: str) -> int:
    with db.transaction() as tx:
        matches = find(tx, text)
        if not matches:
            raise why_missing(tx, text)
    if len(matches) > 1:
        raise click.UsageError(f"{text} may mean {', '.join(match.full_id for match in matches)}")
    return matches[0].id


def _summary(answered: Sequence[RetryResult], *, dry_run: bool) -> dict[str, object]:
    results = [retry_result_tree(one) for one in answered]
    return {"dry_run": dry_run, "selected": len(answered), "counts": answer_counts(answered), "results": results}


def exit_of_answers(said: Sequence[PlatformAnswer]) -> Exit:
    """0 when all is settled, or nothing was to be done."""
    found = set(said)
    if found <= SUCCEEDED | {PlatformAnswer.WOULD_TELL}:
        return Exit.DONE
    if found == {PlatformAnswer.HELD}:
        return Exit.HELD
    if found <= _REFUSALS:
        return Exit.REFUSED
    return Exit.UNREACHABLE if found == {PlatformAnswer.NOT_REACHED} else Exit.PARTLY
