"""What the pages on reliability name exists: tests, drills, commands, invariants, log events."""

import re
from pathlib import Path

import click
import pytest

from domain.holds import HoldCode
from drills.catalogue import BY_NAME
from infra.tables.invariants import SENTENCES
from workers.main import main

ROOT = Path(__file__).parents[2]
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(test_\w+))?`")
FOOTNOTE = re.compile(r"^(\d+)\. `tests/", re.MULTILINE)


def page(name):
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def commands(command=main, path=()):
    yield " ".join(path)
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), (*path, name))


def options(path):
    command = main
    for name in path.split():
        command = command.get_command(click.Context(command), name)
    return {text for option in command.params if isinstance(option, click.Option) for text in option.opts}


def test_every_named_test_exists():
    named = set(TEST.findall(page("explanation/reliability.md")))
    assert len(named) > 40
    missing = [
        f"{file}::{test}"
        for file, test in sorted(named)
        if not (ROOT / file).is_file() or not re.search(rf"\bdef {test}\b", (ROOT / file).read_text(encoding="utf-8"))
    ]
    assert missing == []


def test_every_named_drill_is_played():
    text = page("explanation/reliability.md")
    named = {*re.findall(r"drill\s+`([a-z-]+)`", text), *re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE)}
    assert len(named) > 20
    assert named <= set(BY_NAME)


def test_every_promise_says_what_is_not_proven():
    sections = re.split(r"^## (\d+)\. ", page("explanation/reliability.md"), flags=re.MULTILINE)
    assert sections[1::2] == [str(number) for number in range(1, 11)]
    for section in sections[2::2]:
        assert "**Kept by**" in section
        assert TEST.search(section)
        assert "**Not yet proven:**" in section


def matrix_of(page):
    return page.partition("## Resiliency matrix")[2].partition("\n## ")[0]


def untested(matrix):
    """Cells without the number of a test, by row and column."""
    head, _, *rows = [line.strip("| ").split(" | ") for line in matrix.splitlines() if line.startswith("|")]
    assert all(len(row) == len(head) for row in rows)
    return [
        (row[0], column)
        for row in rows
        for column, cell in zip(head[1:], row[1:], strict=True)
        if not re.search(r"\[\d+\]", cell)
    ]


def test_every_cell_of_the_matrix_is_tested():
    matrix = matrix_of(page("explanation/reliability.md"))
    assert untested(matrix) == []
    assert untested(matrix.replace("exit 7 [4]", "exit 7")) == [("Postgres", "commands")]


def test_every_footnote_of_the_matrix_is_there_and_used():
    matrix = matrix_of(page("explanation/reliability.md"))
    assert set(FOOTNOTE.findall(matrix)) == set(re.findall(r"\[(\d+)\]", matrix))


SAMPLES = {
    "ID": "1",
    "N": "1",
    "C": "4666037492dfb251",
    "R": "reason",
    "T": "1d",
    "NAME": "sf/main",
    "CODE": "waybill_error",
    "P": "taobao",
    "FILE": __file__,
}


def parse(words):
    """Parse a command line as it would be, without carrying it out. Raises click.UsageError."""
    command, context = main, click.Context(main)
    while isinstance(command, click.Group):
        name = words.pop(0)
        command = command.get_command(context, name) or pytest.fail(f"no command {name}")
    command.make_context(name, words)


@pytest.mark.parametrize("name", ["how-to/runbook.md", "reference/log-events.md", "explanation/reliability.md"])
def test_every_command_can_be_typed_as_it_stands(name):
    lines = re.findall(r"`orderlane ([^`]+)`|^orderlane (.+)$", page(name), re.MULTILINE)
    assert lines
    for line in lines:
        parse([SAMPLES.get(word, word) for word in next(filter(None, line)).split()])


def test_control_a_command_that_lacks_its_reason_is_found():
    with pytest.raises(click.UsageError):
        parse(["dlq", "discard", "1"])


@pytest.mark.parametrize("name", ["how-to/runbook.md", "reference/log-events.md", "explanation/reliability.md"])
def test_every_command_and_option_exists(name):
    known = sorted(commands(), key=len, reverse=True)
    wrong = []
    for line in re.findall(r"`orderlane ([^`]+)`|^orderlane (.+)$", page(name), re.MULTILINE):
        text = next(filter(None, line))
        path = next((path for path in known if path and f"{text} ".startswith(f"{path} ")), None)
        if path is None or not set(re.findall(r"--[a-z-]+", text)) <= options(path) | {"--help"}:
            wrong.append(text)
    assert wrong == []


def test_the_runbook_knows_every_invariant_and_nothing_else():
    table = page("how-to/runbook.md").partition("## A breached invariant")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(SENTENCES)


def test_the_runbook_names_holds_and_log_events_that_exist():
    text = page("how-to/runbook.md")
    assert set(re.findall(r"hold `(\w+)`", text)) <= set(HoldCode)
    said = "\n".join(
        file.read_text(encoding="utf-8")
        for room in ("infra", "actors", "ops", "workers")
        for file in (ROOT / room).rglob("*.py")
    )
    rows = re.findall(r"^\| (`.*?) \|", page("reference/log-events.md"), re.MULTILINE)
    events = {event for row in rows for event in re.findall(r"`(\w+)`", row)}
    assert len(events) > 10
    assert {event for event in events if f'"{event}"' not in said} == set()
