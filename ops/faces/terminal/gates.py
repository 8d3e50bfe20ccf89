"""Gates on a terminal. Times are China's (UTC+8)."""

from collections.abc import Sequence
from datetime import datetime

from rich.console import Console

from ops.faces.terminal.layout import china_minute, plain_table
from ops.views.gates import Gate


def print_gates(gates: Sequence[Gate], console: Console) -> None:
    """A line for each gate that is not free."""
    if not gates:
        console.print("all gates are open")
        return
    whole = ("is", "since", "until (UTC+8)", "resting")
    table = plain_table("gate", "is", "because", "by", *whole[1:], right=("resting",), whole=whole)
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
    return china_minute(moment) if moment else "–"
