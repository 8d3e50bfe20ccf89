"""Nothing that others have written reaches a terminal as a command to it."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from workers.cli import output

HOSTILE = "a\x1b[31mb\x9b2Jc\u202ed\re\nforged line"
OBEYED = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def table():
    made = Table("title")
    made.add_row(HOSTILE)
    return made


@pytest.mark.parametrize("thing", [HOSTILE, table()])
def test_a_console_shows_what_a_terminal_would_obey(capsys, thing):
    output.console().print(thing)
    shown = capsys.readouterr().out
    assert "\\x1b" in shown
    assert not OBEYED.search(shown)


def test_control_a_plain_console_lets_it_through():
    out = io.StringIO()
    Console(file=out, highlight=False, markup=False, emoji=False).print(table())
    assert OBEYED.search(out.getvalue())


def test_our_own_styles_stay():
    out = io.StringIO()
    coloured = output.console()
    coloured.file, coloured._force_terminal, coloured._color_system = out, True, 1
    coloured.print("x", style="red")
    assert "\x1b[" in out.getvalue()


def test_lines_stay_lines(capsys):
    output.say(HOSTILE)
    output.say_json({"title": HOSTILE})
    said = capsys.readouterr().out
    assert not OBEYED.search(said)
    assert len(said.splitlines()) == 2


def test_commands_talk_through_here_alone():
    """Who echoes by itself makes the text harmless in the same call."""
    folder = Path(output.__file__).parent
    loose = [
        f"{file.name}: {line.strip()}"
        for file in sorted(folder.glob("*.py"))
        for line in file.read_text(encoding="utf-8").splitlines()
        if re.search(r"click\.(echo|secho)\(|(?<![\w.])(Console|print)\(", line)
        and not re.search(r"in_(json|lines?)\(", line)
    ]
    assert [line for line in loose if not line.startswith("output.py: made = Console(")] == []
