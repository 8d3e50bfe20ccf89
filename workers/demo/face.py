"""The output of a demo for people: live progress, then a summary."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from domain.holds import HOLDS, HoldCode
from domain.ledger_check import Verdict
from infra.config.instance import find_instance
from workers.demo.run import DemoResult, Progress
from workers.demo.stage import STORES_FOLDER

_STATES = ("paid", "on_hold", "approved", "allocated", "in_warehouse", "packed", "in_transit", "closed")


class LiveFace:
    """A bar and the counts by state, redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._bars = Bars(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            expand=True,
        )
        self._ordered = self._bars.add_task("ordered", total=None)
        self._stored = self._bars.add_task("stored", total=None)
        self._told = self._bars.add_task("written back", total=None)
        self._live = Live(self._frame({}), console=console, refresh_per_second=8)

    def __call__(self, progress: Progress) -> None:
        self._bars.update(self._ordered, total=progress.total, completed=progress.visible)
        self._bars.update(self._stored, total=progress.total, completed=progress.stored + progress.unread)
        self._bars.update(self._told, total=progress.total, completed=progress.written_back)
        self._live.update(self._frame({**progress.states, "due work": progress.due}))

    def _frame(self, counts: dict[str, int]) -> Table:
        frame = Table.grid(expand=True)
        frame.add_row(self._bars)
        shown = [*_STATES, "due work"]
        line = Text("   ").join(Text.assemble((name, "dim"), " ", (str(counts.get(name, 0)), "bold")) for name in shown)
        frame.add_row(line)
        return frame

    @contextmanager
    def shown(self) -> Iterator["LiveFace"]:
        with self._live:
            yield self


def silent(_progress: Progress) -> None:
    """The face of a run that a machine reads."""


def print_summary(outcome: DemoResult, console: Console) -> None:
    """Print the comparison of the ledgers in words."""
    numbers = outcome.summary()
    table = Table(title="What became of the orders", title_justify="left", show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column(style="dim")
    rows = [
        ("orders", numbers["orders"], "seen on the platform"),
        ("done", numbers["done"], "waybill alive at the courier, platform shows it, buyer told"),
        ("split", numbers["split"], "in more than one package, as no location had all of it"),
        ("held", numbers["held"], "waiting for a person, each with a reason and an owner"),
        ("dead letters", numbers["dead"], "the machine gave up; a person can see why and replay"),
        ("closed", numbers["closed"], "cancelled on the platform, never shipped"),
        ("not ours", numbers["not_ours"], "the platform's warehouse ships it, or there is nothing to ship"),
        ("not taken over", numbers["not_taken_over"], "another system ships it, until a person adopts it"),
        ("unpaid", numbers["unpaid"], "waiting for the buyer's payment"),
        ("unfinished", numbers["open"], "still on their way when the demo ended"),
    ]
    for name, count, meaning in rows:
        if count or name in {"orders", "done", "held"}:
            table.add_row(name, f"{count:,}", meaning)
    console.print(table)
    _print_warehouses(outcome, console)
    _print_holds(outcome, console)
    console.print(
        f"\n{numbers['seconds']:,} s, {numbers['orders_per_minute']:,} orders a minute done; "
        f"99 % within {_ms(numbers['p0_p99_ms'])} in lane p0, {_ms(numbers['bulk_p99_ms'])} in lane bulk"
        + (f"; {outcome.restarts} processes died and were started again" if outcome.restarts else "")
    )
    _print_ledgers(outcome, console)
    if outcome.an_order:
        console.print(f"\nLook at one order:  {look_command(outcome.settings_file)} {outcome.an_order}", soft_wrap=True)


def look_command(settings_file: Path) -> str:
    """What to type before an order's id to look at it; names the settings where commands do not find them."""
    shown = f"{program()} order show"
    is_found = find_instance().settings_file == settings_file.resolve()
    if is_found:
        return shown
    stores = settings_file.parent / STORES_FOLDER
    return f"ORDERLANE_SETTINGS={settings_file} ORDERLANE_DATA_DIR={stores} {shown}"


def program() -> str:
    """How this program was called: by its name where the search path finds it, otherwise by its path."""
    name = Path(sys.argv[0]).name
    return name if shutil.which(name) == sys.argv[0] else sys.argv[0]


def _print_warehouses(outcome: DemoResult, console: Console) -> None:
    table = Table(title="\nWarehouses", title_justify="left", box=None, pad_edge=False, header_style="dim")
    table.add_column("location", style="bold")
    table.add_column("kind")
    for name in ("documents", "refused", "parcels left"):
        table.add_column(name, justify="right")
    for one in outcome.warehouses:
        table.add_row(one.location, one.kind, *(f"{count:,}" for count in (one.documents, one.refused, one.parcels)))
    console.print(table)


def _print_holds(outcome: DemoResult, console: Console) -> None:
    if not outcome.comparison.held_by_code:
        return
    table = Table(title="\nHolds", title_justify="left", box=None, pad_edge=False, header_style="dim")
    for name in ("reason", "orders", "owner", "what it means"):
        table.add_column(name, justify="right" if name == "orders" else "left")
    for code, count in sorted(outcome.comparison.held_by_code.items(), key=lambda item: -item[1]):
        rule = HOLDS[HoldCode(code)]
        table.add_row(code, f"{count:,}", rule.owner, rule.meaning)
    console.print(table)


def _print_ledgers(outcome: DemoResult, console: Console) -> None:
    comparison = outcome.comparison
    verdict = Text("agree", "bold green") if comparison.agrees else Text("DISAGREE", "bold red")
    console.print(
        Text.assemble(
            "Ledgers of platform, orderlane, warehouses and courier ",
            verdict,
            f": lost {comparison.lost}, oversold pieces {comparison.oversold}, "
            f"duplicate waybills {comparison.duplicate_waybills}",
        )
    )
    for line in comparison.contradictions[:10]:
        console.print(f"  {line}", style="red")
    if comparison.verdicts.get(Verdict.OPEN):
        console.print(f"  {comparison.verdicts[Verdict.OPEN]} orders were not finished", style="red")


def consoles() -> tuple[Console, Console]:
    """Progress goes to stderr, results to stdout."""
    return Console(file=sys.stderr), Console(file=sys.stdout, highlight=False)


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f} ms"
