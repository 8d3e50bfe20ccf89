"""Due orders on a terminal. Times are China's (UTC+8)."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from domain.money import Money
from domain.ship_by import MARKS
from ops.faces.terminal.layout import china_minute, plain_table
from ops.views.due import DueOrder, sums

_SHIP_BY = "ship by (UTC+8)"
# From here on an order's whole name stands on one line.
_WIDE = 100
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
    table = plain_table(
        *("at risk", "order", "state", _SHIP_BY, "clock", "waits for"),
        right=("at risk", "clock"),
        whole=("at risk", "state", _SHIP_BY, "clock", *(("order",) if console.width >= _WIDE else ())),
    )
    for one in orders[:limit]:
        table.add_row(
            str(one.at_risk),
            f"{one.platform}/{one.shop}/{one.platform_order_id}",
            one.state,
            china_minute(one.ship_by),
            _clock(one.used_percent),
            one.waits_for,
        )
    console.print(table)
    if len(orders) > limit:
        console.print(f"and {len(orders) - limit} more")


def _amounts(amounts: Sequence[Money]) -> str:
    return ", ".join(map(str, amounts)) or "nothing"


def _clock(percent: int) -> Text:
    style = "bold red" if percent >= _LATE else "yellow" if percent >= _NEAR else ""
    return Text(f"{percent} %", style)
