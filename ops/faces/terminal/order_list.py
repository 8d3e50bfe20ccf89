"""Lists of orders on a terminal. Times are China's (UTC+8); `+1` behind a state is one part more."""

from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops.faces.terminal.layout import china_minute, plain_table
from ops.faces.terminal.words import WORDS
from ops.views.order_list import OrderPage, OrderSummary, WaitingFor, WaitsFor

# From this width on an order takes one line; below it, two.
WIDE = 110
_SHIP_BY = "ship by (UTC+8)"
# What waits for one of these is late no more: it has left, or it is over.
_HAS_LEFT = frozenset({WaitsFor.COURIER, WaitsFor.CASE, WaitsFor.COMPLETION, WaitsFor.AFTER_SALE, WaitsFor.NOTHING})


def print_orders(page: OrderPage, console: Console) -> None:
    """One line an order, and how to go on."""
    if page.orders:
        console.print(_wide(page.orders) if console.width >= WIDE else _narrow(page.orders))
    elif page.more_after is None:
        console.print("no order passes")
    if page.is_cut:
        console.print(f"no more among the orders looked at; go on with --after {page.more_after}", soft_wrap=True)
    elif page.more_after is not None:
        console.print(f"more with --after {page.more_after}", soft_wrap=True)


def _wide(orders: Sequence[OrderSummary]) -> Table:
    names = ("id", "order", "state", "age", "money", "lane", _SHIP_BY, "waits for")
    table = plain_table(*names, right=("id", "age", "money"), whole=names[:-1])
    for one in orders:
        waits = waits_in_words(one.waits, one.seen_at)
        facts = (str(one.id), one.name, _state(one), span(one.age_s), str(one.worth), one.lane)
        table.add_row(*facts, _ship_by(one), waits)
    return table


def _narrow(orders: Sequence[OrderSummary]) -> Table:
    names = ("id", "order", "state\nage", "money\nlane", "ship by\n(UTC+8)", "waits for")
    table = plain_table(*names, right=("id", "money\nlane"), whole=names[:-1])
    for one in orders:
        table.add_row(
            str(one.id),
            on_two_lines(one.name),
            f"{_state(one)}\n{span(one.age_s)}",
            f"{one.worth}\n{one.lane}",
            _ship_by(one),
            waits_in_words(one.waits, one.seen_at),
        )
    return table


def on_two_lines(name: str) -> str:
    """The whole name of an order: its shop, and below its id on the platform."""
    shop, _, platform_order_id = name.rpartition("/")
    return f"{shop}/\n{platform_order_id}"


def _state(one: OrderSummary) -> str:
    return one.state if one.parts == 1 else f"{one.state} +{one.parts - 1}"


def waits_in_words(waits: WaitingFor, now: datetime) -> str:
    """What would move an order."""
    facts = {
        "owner": waits.owner,
        "codes": waits.codes,
        "letter": waits.letter_id,
        "step": waits.step,
        "gate": waits.gate,
    }
    match waits.kind:
        case WaitsFor.PERSON if waits.letter_id is not None:
            return WORDS.say("waiting.person_of_letter", facts)
        case WaitsFor.STEP if waits.due_at is not None:
            seconds = int((now - waits.due_at).total_seconds())
            key = "waiting.step_since" if seconds >= 0 else "waiting.step_in"
            return WORDS.say(key, {**facts, "span": span(abs(seconds))})
        case WaitsFor.COMPLETION if waits.due_at is not None:
            seconds = int((waits.due_at - now).total_seconds())
            if seconds <= 0:
                return WORDS.say("waiting.completion_due", facts)
            return WORDS.say("waiting.completion", {**facts, "span": span(seconds)})
        case _:
            return WORDS.say(f"waiting.{waits.kind}", facts)


def span(seconds: int) -> str:
    """A time span in its largest useful unit: ``75 s``, ``90 min``, ``30 h``, ``5 d``."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def _ship_by(one: OrderSummary) -> Text:
    if one.ship_by is None:
        return Text("–", "dim")
    is_late = one.ship_by <= one.seen_at and one.waits.kind not in _HAS_LEFT
    return Text(china_minute(one.ship_by), "bold red" if is_late else "")
