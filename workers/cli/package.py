"""``orderlane package``: what people did to packages."""

import functools
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from actors.scan import STEP, ScanStep
from actors.tools import Tools
from domain.returns import Back, CountedLine
from infra.engine.author import Author
from infra.engine.remote import RemoteRunner
from ops.faces.terminal.picks import scan_in_words, scan_tree
from ops.verbs.choose import Named
from ops.verbs.packing import Became, PackageAct, PackingBench, ScanResult
from ops.verbs.receiving import PieceCount, ReceivingDesk
from workers.cli.exits import Exit
from workers.cli.many import FILE, Many
from workers.cli.options import optional_author
from workers.cli.output import json_option, say, say_json
from workers.cli.own_worker import worker_in_command
from workers.cli.stores import quiet_settings
from workers.wiring import Runtime

_COUNTED = re.compile(r"(?P<sku>[^=\s]{1,128})=(?P<sellable>[0-9]{1,7})(?::(?P<damaged>[0-9]{1,7}))?", re.ASCII)


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
    """Say what was done to packages at a location of kind `own`, and what came back to any location.

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


class PieceCounts(click.ParamType[CountedLine]):
    """Pieces of a SKU or of a line id: ``TEE-1=2``, or ``TEE-1=2:1`` for two that can be sold and one damaged."""

    name = "pieces"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> CountedLine:
        if isinstance(value, CountedLine):
            return value
        match = _COUNTED.fullmatch(str(value))
        if match is None:
            self.fail(f"{value!r} is no count such as TEE-1=2 or TEE-1=2:1", param, ctx)
        return CountedLine("", match["sku"], Back(int(match["sellable"]), int(match["damaged"] or 0)))


@package.command(
    epilog="\b\nExample:  orderlane package receive SF1400000000000 --all\n"
    "          orderlane package receive SF1400000000000 --count TEE-1=2:1\n"
    "          orderlane package receive --from back.txt --all --damaged"
)
@click.option("--all", "is_all", is_flag=True, help="All that was sent is back.")
@click.option("--damaged", "is_damaged", is_flag=True, help="With --all: nothing of it can be sold.")
@click.option(
    "--count",
    "counts",
    type=PieceCounts(),
    multiple=True,
    metavar="SKU=N[:D]",
    help="So many pieces can be sold, and so many are damaged. What is not counted is missing.",
)
@click.option("--at", "location", default="", metavar="LOCATION", help="Where it is now; else where it left from.")
@_scan_options
@click.pass_context
def receive(
    ctx: click.Context,
    *,
    named: Named,
    author: Author,
    as_json: bool,
    is_all: bool,
    is_damaged: bool,
    counts: Sequence[CountedLine],
    location: str,
) -> None:
    """The package came back and was counted: what can be sold is stock again.

    Each package counts once, at any location. The count ends its expected return and the cases about it, and proves the
    stop of its order. Exits with 5 if every package was refused, and 6 if only some were taken.
    """
    if is_all == bool(counts):
        raise click.UsageError("say what came back in one way: --all, or --count for each SKU")
    if is_damaged and not is_all:
        raise click.UsageError("--damaged goes with --all: with --count write damaged pieces behind a colon")
    if counts and len(named) > 1:
        raise click.UsageError("--count is of one package: name one")
    count = PieceCount(lines=tuple(counts), is_all=is_all, is_damaged=is_damaged)
    with worker_in_command(quiet_settings()) as runtime:
        tools = _tools(runtime)
        results = ReceivingDesk(tools=tools, author=author, count=count, location=location).receive(named)
    _show(ctx, PackageAct.RECEIVE, results, as_json=as_json)


def _tools(runtime: Runtime) -> Tools:
    runner = runtime.runners[STEP.name]
    assert isinstance(runner, RemoteRunner)
    assert isinstance(runner.step, ScanStep)
    return runner.step.tools


def _scan(ctx: click.Context, act: PackageAct, named: Named, author: Author, *, as_json: bool) -> None:
    with worker_in_command(quiet_settings()) as runtime:
        runner = runtime.runners[STEP.name]
        assert isinstance(runner, RemoteRunner)
        assert isinstance(runner.step, ScanStep)
        results = PackingBench(runner.step.tools, runner.event_loop, author, act).scan(named)
    _show(ctx, act, results, as_json=as_json)


def _show(ctx: click.Context, act: PackageAct, results: Sequence[ScanResult], *, as_json: bool) -> None:
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
