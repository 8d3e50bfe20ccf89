"""``orderlane package``: what people did to packages, what came back, and waybills that nobody wants."""

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
from ops.faces.terminal.changes import voided_in_words
from ops.faces.terminal.picks import scan_in_words, scan_tree
from ops.verbs.choose import Named, package_named, packages_named
from ops.verbs.packing import Became, PackageAct, PackingBench, ScanResult
from ops.verbs.receiving import PieceCount, ReceivingDesk
from ops.verbs.void_packages import preview_void
from ops.verbs.void_packages import void as void_package
from workers.cli.exits import Exit
from workers.cli.many import FILE, Many, act_on_many, many_options, one_way
from workers.cli.options import author_option, optional_author
from workers.cli.order_change import DRY_RUN
from workers.cli.output import json_option, say, say_json
from workers.cli.own_worker import worker_in_command
from workers.cli.stores import open_database, quiet_settings
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
    """What was done to packages at a location of kind `own`, what came back anywhere, and waybills that nobody wants.

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


@package.command(
    epilog="\b\nExample:  orderlane package void SF1400000000000 --reason 'the order is stopped'\n"
    "          orderlane package void SF1400000000000 --at-courier --reason 'cancelled by phone'"
)
@click.argument("names", metavar="[WAYBILL]...", nargs=-1)
@click.option("--at-courier", is_flag=True, help="It is cancelled there already, by hand: record that.")
@DRY_RUN
@many_options
@author_option
@json_option
@click.pass_context
def void(
    ctx: click.Context,
    *,
    names: Sequence[str],
    at_courier: bool,
    dry_run: bool,
    many: Many,
    author: Author,
    as_json: bool,
) -> None:
    """Cancel waybills that nobody wants at their courier, also where it has refused before.

    A package is named by its waybill or reference; no parcel that has left is cancelled. One acts at once; several or a
    file become a bulk act. Exits with 5 where the order still ships with the waybill (`order relabel`, `order stop`),
    where it is cancelled already, or has left.
    """
    one_way(names, many, is_filtered=False, what="which packages")
    is_one = len(names) == 1 and not many.is_asked
    if dry_run and not is_one:
        raise click.UsageError("several are always a draft first, which changes nothing: leave --dry-run out")
    with open_database(quiet_settings()) as db:
        if not is_one:
            items = packages_named(db, many.names(names))
            chosen, params = many.chosen(names, {}), {"is_settled": at_courier}
            act_on_many(
                ctx, db, "package.void", params, items, chosen=chosen, author=author, many=many, as_json=as_json
            )
        id_ = package_named(db, names[0].strip())
        done = (
            preview_void(db, id_, is_settled=at_courier)
            if dry_run
            else void_package(db, id_, author, is_settled=at_courier)
        )
    if as_json:
        say_json(done)
    else:
        say(voided_in_words(done, is_done=not dry_run))


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
