"""Due orders on a terminal. Times are China's (UTC+8)."""

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from rich.console import Console
from rich.table import Table
from rich.text import Text

from domain.clock import MARKS
from domain.money import Money
from ops.due import DueOrder, sums

CHINA = timezone(timedelta(hours=8), "UTC+8")
_NEAR, _LATE = MARKS[1], MARKS[2]


def print_due(orders: Sequence[DueOrder], limit: int, console: Console) -> None:
    """A line of sums, then the first `limit` orders."""
    if not orders:
        console.print("no open order has a running clock")
        return
    late = [one for one in orders if one.is_late]
    console.print(
        f"{len(orders)} open, {_amounts(sums(orders))} at risk; late {len(late)}, {_amounts(sums(late))}",
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("at risk", "order", "state", "ship by (UTC+8)", "clock", "waits for"):
        table.add_column(name, overflow="fold")
    table.columns[0].justify = table.columns[4].justify = "right"
    for one in orders[:limit]:
        table.add_row(
            str(one.at_risk),
            f"{one.platform}/{one.shop}/{one.platform_order_id}",
            one.state,
            _time(one.ship_by),
            _clock(one.used_percent),
            one.waits_for,
        )
    console.print(table)
    if len(orders) > limit:
        console.print(f"and {len(orders) - limit} more")


def _amounts(amounts: Sequence[Money]) -> str:
    return ", ".join(map(str, amounts)) or "nothing"


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(CHINA):%m-%d %H:%M}"


def _clock(percent: int) -> Text:
    style = "bold red" if percent >= _LATE else "yellow" if percent >= _NEAR else ""
    return Text(f"{percent} %", style)
