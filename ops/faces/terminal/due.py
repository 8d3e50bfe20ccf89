"""Due orders on a terminal. Times are China's (UTC+8)."""

from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from domain.money import Money
from domain.ship_by import MARKS
from ops.faces.terminal.layout import china_minute, plain_table
from ops.faces.terminal.words import WORDS
from ops.views.clocks import RunningClock
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
            waits_for_in_words(one),
        )
    console.print(table)
    if len(orders) > limit:
        console.print(f"and {len(orders) - limit} more")


def print_clocks(clocks: Sequence[RunningClock], console: Console) -> None:
    """One line a clock, the first due first."""
    if not clocks:
        console.print("no clock runs")
        return
    table = plain_table(
        *("until (UTC+8)", "clock", "order", "state", "waybill", "used", "owner"),
        right=("used",),
        whole=("until (UTC+8)", "clock", "state", "used", *(("order",) if console.width >= _WIDE else ())),
    )
    for one in clocks:
        until = Text(china_minute(one.until), "bold red" if one.is_late else "")
        used = _clock(one.used_percent)
        table.add_row(until, one.clock, one.order_name, one.state or "–", one.waybill or "–", used, one.owner)
    console.print(table)


def waits_for_in_words(order: DueOrder) -> str:
    """What would move the order."""
    day = china_minute(order.ship_from) if order.ship_from else ""
    facts = {"owner": order.owner, "holds": order.holds, "step": order.step, "day": day}
    return WORDS.say(f"waits_for.{order.waits_for}", facts)


def due_tree(order: DueOrder) -> dict[str, Any]:
    """For scripts: `waits_for` in English, and its code."""
    whole = msgspec.to_builtins(order)
    return {**whole, "waits_for": waits_for_in_words(order), "waits_for_code": order.waits_for}


def _amounts(amounts: Sequence[Money]) -> str:
    return ", ".join(map(str, amounts)) or "nothing"


def _clock(percent: int) -> Text:
    style = "bold red" if percent >= _LATE else "yellow" if percent >= _NEAR else ""
    return Text(f"{percent} %", style)
