"""What faces on a terminal share: plain tables, and times of China (UTC+8)."""

from datetime import datetime, timedelta, timezone

from rich.table import Table

CHINA = timezone(timedelta(hours=8), "UTC+8")


def plain_table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in names:
        table.add_column(name, overflow="fold")
    return table


def plain_grid() -> Table:
    """Names on the left, what they mean on the right."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


def china_time(moment: datetime) -> str:
    return f"{moment.astimezone(CHINA):%m-%d %H:%M:%S}"
