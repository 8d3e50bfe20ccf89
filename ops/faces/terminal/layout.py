"""What faces on a terminal share: plain tables, and times of China (UTC+8)."""

from collections.abc import Collection
from datetime import datetime, timedelta, timezone
from typing import Literal

from rich.table import Table

CHINA = timezone(timedelta(hours=8), "UTC+8")


def plain_table(*names: str, right: Collection[str] = (), whole: Collection[str] = ()) -> Table:
    """`right` columns are set flush right; `whole` ones are never folded, so that the others make room."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in names:
        justify: Literal["left", "right"] = "right" if name in right else "left"
        table.add_column(name, overflow="fold", justify=justify, no_wrap=name in whole)
    return table


def plain_grid() -> Table:
    """Names on the left, what they mean on the right."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


def china_time(moment: datetime) -> str:
    return f"{moment.astimezone(CHINA):%m-%d %H:%M:%S}"


def china_minute(moment: datetime) -> str:
    return f"{moment.astimezone(CHINA):%m-%d %H:%M}"


def china_span(first: datetime, last: datetime) -> str:
    """From one minute to another; a day that is the same is named once."""
    start, end = china_minute(first), china_minute(last)
    if start == end:
        return start
    day, _, time = end.partition(" ")
    return f"{start}–{time if start.startswith(day) else end}"


def span(seconds: float) -> str:
    """The two leading units of a time span."""
    whole = round(max(0.0, seconds))
    for name, size, smaller, part in (("d", 86_400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            return f"{whole // size} {name} {whole % size // part} {smaller}"
    return f"{whole} s"
