"""Output of commands for people and for scripts. Texts of orders and couriers may contain control sequences; the
terminal never gets them.
"""

from collections.abc import Iterator

import click
import msgspec
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook
from rich.measure import Measurement
from rich.segment import Segment

from infra.telemetry.terminal_text import in_json, in_line, in_lines

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object; times in UTC.")


def console(*, stderr: bool = False) -> Console:
    """Prints text unchanged: no markup, no emoji codes."""
    made = Console(highlight=False, markup=False, emoji=False, stderr=stderr)
    made.push_render_hook(_Harmless())
    return made


def say(text: str, *, err: bool = False) -> None:
    """Print one line."""
    click.echo(in_line(text), err=err)


def say_json(value: object) -> None:
    """Print one JSON object, in one line."""
    click.echo(in_json(msgspec.json.encode(value).decode()))


class _Harmless(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Printed(renderable) for renderable in renderables]


class _Printed:
    """Something to print, once it is laid out: our own styles stand beside the text by then."""

    def __init__(self, renderable: ConsoleRenderable) -> None:
        self._renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for segment in console.render(self._renderable, options):
            yield segment if segment.control else Segment(in_lines(segment.text), segment.style)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement.get(console, options, self._renderable)
