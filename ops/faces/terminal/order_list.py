"""Lists of orders on a terminal. Times are China's (UTC+8)."""

from datetime import datetime

from rich.console import Console
from rich.text import Text

from ops.faces.terminal.layout import china_minute, plain_table
from ops.views.order_list import OrderLine, OrderPage, Waiting, WaitsFor

# From here on an order's whole name stands on one line.
_WIDE = 110
_SHIP_BY = "ship by (UTC+8)"
_OUTSIDE = {
    WaitsFor.PAYMENT: "the buyer's payment",
    WaitsFor.WAREHOUSE: "the warehouse's scans",
    WaitsFor.COURIER: "the courier",
    WaitsFor.NOTHING: "–",
    WaitsFor.UNKNOWN: "nothing: `orderlane doctor` tells more",
}


def print_orders(page: OrderPage, console: Console) -> None:
    """One line an order, and how to go on."""
    if page.orders:
        is_wide = console.width >= _WIDE
        names = ("id", "order", "state", "age", "money", "lane", _SHIP_BY, "waits for")
        whole = ("id", "age", "money", "lane", *(("order", "state") if is_wide else ()))
        table = plain_table(*names, right=("id", "age", "money"), whole=whole)
        for one in page.orders:
            table.add_row(
                str(one.id),
                one.name,
                one.state if one.parts == 1 else f"{one.state} (of {one.parts} parts)",
                span(one.age_s),
                str(one.worth),
                one.lane,
                _ship_by(one),
                waits_in_words(one.waits, one.seen_at),
            )
        console.print(table)
    elif page.more_after is None:
        console.print("no order passes")
    if page.is_cut:
        console.print(f"no more among the orders looked at; go on with --after {page.more_after}", soft_wrap=True)
    elif page.more_after is not None:
        console.print(f"more with --after {page.more_after}", soft_wrap=True)


def waits_in_words(waits: Waiting, now: datetime) -> str:
    """What would move an order."""
    match waits.kind:
        case WaitsFor.PERSON:
            letter = f" (dead letter {waits.letter_id})" if waits.letter_id is not None else ""
            return f"{waits.owner}: {', '.join(waits.codes)}{letter}"
        case WaitsFor.STEP:
            return f"{waits.step}, {_since(waits, now)}"
        case WaitsFor.GATE:
            return f"the gate of {waits.gate}: {waits.step}"
        case _:
            return _OUTSIDE[waits.kind]


def span(seconds: int) -> str:
    """The largest unit that says enough: ``75 s``, ``90 min``, ``30 h``, ``5 d``."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def _since(waits: Waiting, now: datetime) -> str:
    if waits.due_at is None:
        return "due"
    seconds = int((now - waits.due_at).total_seconds())
    return f"due since {span(seconds)}" if seconds >= 0 else f"in {span(-seconds)}"


def _ship_by(one: OrderLine) -> Text:
    if one.ship_by is None:
        return Text("–", "dim")
    is_late = one.ship_by <= one.seen_at and one.waits.kind not in {WaitsFor.COURIER, WaitsFor.NOTHING}
    return Text(china_minute(one.ship_by), "bold red" if is_late else "")
