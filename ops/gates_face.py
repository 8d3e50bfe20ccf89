"""Gates on a terminal. Times are China's (UTC+8)."""

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from rich.console import Console
from rich.table import Table

from ops.gates import Gate

CHINA = timezone(timedelta(hours=8), "UTC+8")


def print_gates(gates: Sequence[Gate], console: Console) -> None:
    """A line for each gate that is not free."""
    if not gates:
        console.print("all gates are open")
        return
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("gate", "is", "because", "by", "since", "until (UTC+8)", "resting"):
        table.add_column(name, overflow="fold")
    table.columns[-1].justify = "right"
    for one in gates:
        table.add_row(
            f"{one.kind} {one.name}",
            one.why,
            one.reason,
            one.shut_by,
            _time(one.since),
            _time(one.until),
            str(one.resting or "–"),
        )
    console.print(table)


def _time(moment: datetime | None) -> str:
    return f"{moment.astimezone(CHINA):%m-%d %H:%M:%S}" if moment else "–"
