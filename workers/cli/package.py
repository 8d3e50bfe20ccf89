"""``orderlane package``: what people did to packages at a location of our own."""

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from actors.scan import STEP, ScanStep
from infra.engine.author import Author
from infra.engine.remote import RemoteRunner
from ops.faces.terminal.picks import scan_in_words, scan_tree
from ops.verbs.choose import Named
from ops.verbs.packing import Became, PackageAct, PackingBench, ScanResult
from workers.cli.exits import Exit
from workers.cli.many import FILE, Many
from workers.cli.options import optional_author
from workers.cli.output import json_option, say, say_json
from workers.cli.own_worker import worker_in_command
from workers.cli.stores import quiet_settings


def _scan_options(command: Callable[..., object]) -> Callable[..., object]:
    """Names on the command line or in a file as the command's `named`, the author, and ``--json``."""

    @functools.wraps(command)
    def gathered(*, names: Sequence[str], file: Path | None, column: str | None, **given: object) -> object:
        if column is not None and file is None:
            raise click.UsageError("--column is one of a file: name it with --from")
        if bool(names) == (file is not None):
            raise click.UsageError("say which packages in one way: their waybills, or --from FILE")
        return command(named=Many(file, column, None, here=False).names(names), **given)

    options = (
        json_option,
        optional_author,
        click.option("--column", metavar="C", help="The file is a CSV with a header: the column of the scans."),
        click.option("--from", "file", type=FILE, metavar="FILE", help="Scans from a file, one a line; -: from stdin."),
        click.argument("names", metavar="[WAYBILL]...", nargs=-1),
    )
    for option in options:
        gathered = option(gathered)
    return gathered


@click.group(epilog="\b\nExample:  orderlane package pack SF1400000000000")
def package() -> None:
    """Say what was done to packages at a location of kind `own`.

    A package is named by its waybill, by its reference, or by the reference of its document for all packages of that.
    Repeating is harmless, and nothing moves back.
    """


@package.command(
    epilog="\b\nExample:  orderlane package accept SF1400000000000\n"
    "          orderlane package accept --from started.txt"
)
@_scan_options
@click.pass_context
def accept(ctx: click.Context, *, named: Named, author: Author, as_json: bool) -> None:
    """The goods are being picked: their orders become in_warehouse.

    Exits with 5 if every scan was refused, and 6 if only some were taken.
    """
    _scan(ctx, PackageAct.ACCEPT, named, author, as_json=as_json)


@package.command(
    epilog="\b\nExample:  orderlane package pack SF1400000000000\n"
    "          orderlane package pack --from scans.txt --json"
)
@_scan_options
@click.pass_context
def pack(ctx: click.Context, *, named: Named, author: Author, as_json: bool) -> None:
    """The box is closed and its label is on it.

    The platform is asked first, unless it allowed to ship within the last 90 s (`last_check_max_age_s`). A refund, a
    changed order or no answer, and the box is not packed. Exits with 5 if every scan was refused, 6 if only some were
    taken, and 7 if none was and a platform could not be asked.
    """
    _scan(ctx, PackageAct.PACK, named, author, as_json=as_json)


@package.command(
    name="hand-over",
    epilog="\b\nExample:  orderlane package hand-over SF1400000000000\n"
    "          orderlane package hand-over --from truck.txt",
)
@_scan_options
@click.pass_context
def hand_over(ctx: click.Context, *, named: Named, author: Author, as_json: bool) -> None:
    """The courier has the package: it leaves the stock, and platform and buyer are told.

    The platform is asked first, as by `package pack`: keep a package that is refused in the house. Exits with 5 if
    every scan was refused, 6 if only some were taken, and 7 if none was and a platform could not be asked.
    """
    _scan(ctx, PackageAct.HAND_OVER, named, author, as_json=as_json)


@package.command(
    epilog="\b\nExample:  orderlane package stopped SF1400000000000\n"
    "          orderlane package stopped --from kept.txt --json"
)
@_scan_options
@click.pass_context
def stopped(ctx: click.Context, *, named: Named, author: Author, as_json: bool) -> None:
    """The package was taken out and stays in the house: a stop is confirmed.

    Only for an order that is held or closed. Once it is released, it is to be picked again. Exits with 5 if every scan
    was refused (a package that has left among them), and 6 if only some were taken.
    """
    _scan(ctx, PackageAct.STOP, named, author, as_json=as_json)


def _scan(ctx: click.Context, act: PackageAct, named: Named, author: Author, *, as_json: bool) -> None:
    with worker_in_command(quiet_settings()) as runtime:
        runner = runtime.runners[STEP.name]
        assert isinstance(runner, RemoteRunner)
        assert isinstance(runner.step, ScanStep)
        results = PackingBench(runner.step.tools, runner.event_loop, author, act).scan(named)
    if as_json:
        say_json(scan_tree(act, results))
    else:
        for one in results:
            say(scan_in_words(act, one))
    ctx.exit(exit_of_scans(results))


def exit_of_scans(results: Sequence[ScanResult]) -> Exit:
    """The exit code of a command that took these scans. A repeated scan is as good as a first one."""
    counts = Counter(one.became for one in results)
    taken = counts[Became.DONE] + counts[Became.UNCHANGED]
    if taken:
        return Exit.DONE if taken == len(results) else Exit.PARTLY
    return Exit.UNREACHABLE if counts[Became.UNANSWERED] else Exit.REFUSED
