"""What a person sees of a round of drills."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from drills.drill import Trial
from drills.round import Played


def print_played(played: Played, console: Console) -> None:
    """One line for a drill that has ended, one for each figure, and one for each check that does not hold."""
    verdict = "[green]holds[/]" if played.trial.passed else "[bold red]FAILED[/]"
    console.print(f"{played.drill.name:<20} {verdict}  {played.seconds:.0f} s")
    for told in played.trial.told:
        console.print(f"  {told}", markup=False)
    for check in played.trial.checks:
        if not check.holds:
            console.print(f"  {check.name}: {check.seen}", style="red", markup=False)


def print_table(played: Sequence[Played], console: Console) -> None:
    table = Table(title="Drills", title_justify="left", box=None, pad_edge=False, header_style="dim")
    for name in ("drill", "injected", "checks", "control"):
        table.add_column(name, overflow="fold")
    for one in played:
        table.add_row(one.drill.name, _injected(one.trial), _checks(one.trial), _control(one.trial))
    console.print(table)


def _injected(trial: Trial) -> str:
    return ", ".join(f"{count:,} x {name}" for name, count in sorted(trial.injected.items()) if count)


def _checks(trial: Trial) -> str:
    failed = [check.name for check in trial.checks if not check.holds]
    return f"[red]{', '.join(failed)}[/]" if failed else f"{len(trial.checks)} hold"


def _control(trial: Trial) -> str:
    if trial.harm_shown is None:
        return "–"
    return trial.control if trial.harm_shown else f"[red]no harm seen: {trial.control}[/]"
