"""Open alarms on a terminal."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from domain.alarms import ALARMS, AlarmKind
from infra.tables.alarms import Alarm
from ops.faces.terminal.layout import plain_grid, plain_table, span
from ops.views.alarms import OpenAlarms

_KNOWN = frozenset(AlarmKind)


def alarms_table(alarms: Iterable[Alarm]) -> Table:
    """A line for each alarm."""
    table = plain_table(
        "severity", "alarm", "key", "open for", "count", "owner", right=("count",), whole=("severity", "open for")
    )
    for one in alarms:
        table.add_row(one.severity, one.kind, one.key or "–", span(one.age_s), f"{one.count:,}", one.owner)
    return table


def alarm_in_words(alarm: Alarm) -> str:
    """One alarm in a few words: what, of what, for how long, how many, and whose it is."""
    of = f" {alarm.key}" if alarm.key else ""
    count = f", count {alarm.count:,}" if alarm.count > 1 else ""
    return f"{alarm.severity} {alarm.kind}{of} for {span(alarm.age_s)}{count} ({alarm.owner})"


def print_alarms(found: OpenAlarms, console: Console) -> None:
    """A line for each alarm, then what each kind means and what to do about it."""
    if not found.alarms:
        console.print("no alarm is open")
        return
    console.print(alarms_table(found.alarms))
    if found.total > len(found.alarms):
        console.print(f"and {found.total - len(found.alarms)} more")
    console.print()
    console.print(_meanings([one.kind for one in found.alarms]))


def _meanings(kinds: Sequence[str]) -> Table:
    """A kind that only a newer version knows has no text here."""
    grid = plain_grid()
    for kind in dict.fromkeys(kinds):
        if kind in _KNOWN:
            rule = ALARMS[AlarmKind(kind)]
            grid.add_row(kind, f"{rule.opens}. Do: {rule.act}.")
    return grid
