"""Why an order is where it is on a terminal: its holds, its stop, what comes next, and what a person can do."""

from collections.abc import Iterator
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ops.faces.terminal.layout import china_time, plain_grid
from ops.faces.terminal.words import WORDS
from ops.views.order import OrderView
from ops.views.ways_out import StopView, WayOut, ways_out

# The name of the part with commands.
CHOICES = "You can"


def stop_parts(view: OrderView) -> Iterator[tuple[str, RenderableType]]:
    """Where the stops of the order stand, where there are any; and the commands that a person may choose from."""
    if view.stops:
        yield "Stop", Group(*(_stop(one, len(view.fulfillment)) for one in view.stops))
    choices = ways_out(view)
    if choices:
        lines = [line for one in choices for line in _choice(one)]
        yield CHOICES, Group(*lines)


def _choice(one: WayOut) -> tuple[Text, Text]:
    """What it means, and the command."""
    facts = {"subject": one.subject, "code": one.code}
    command = WORDS.say(f"command.{one.does}", facts)
    return Text(f"{WORDS.say(f'advice.{one.does}')}:", "dim"), Text(f"    orderlane {command}")


def _stop(one: StopView, parts: int) -> Table:
    stop, grid = one.stop, plain_grid()
    if parts > 1:
        grid.add_row("part", str(one.number))
    asked = WORDS.say(
        "phrase.stop_asked_by", {"why": _why(stop.code), "by": stop.author, "at": china_time(stop.asked_at)}
    )
    grid.add_row("asked", asked)
    if stop.lines:
        grid.add_row("lines", ", ".join(stop.lines))
    if not one.is_open:
        ended = WORDS.say(
            "phrase.stop_ended", {"end": WORDS.say(f"stop_end.{stop.status}"), "at": _time(stop.ended_at)}
        )
        grid.add_row("ended", ended)
        return grid
    grid.add_row("stands", WORDS.say(_known("stop_rung", stop.rung)))
    grid.add_row("moved on by", WORDS.say(_known("stop_actor", stop.rung)))
    grid.add_row("then", WORDS.say(f"phrase.stop_then_{stop.goal}"))
    if one.no_return is not None:
        grid.add_row("no return", WORDS.say(f"no_return.{one.no_return}"))
    if stop.until_at is not None:
        grid.add_row("answer by", china_time(stop.until_at))
    return grid


def _known(kind: str, code: str) -> str:
    """A newer version may know other codes."""
    key = f"{kind}.{code}"
    return key if WORDS.has(key) else f"{kind}."


def _why(code: str) -> str:
    key = f"stop_why.{code}"
    return WORDS.say(key) if WORDS.has(key) else code


def _time(moment: datetime | None) -> str:
    return china_time(moment) if moment is not None else ""
