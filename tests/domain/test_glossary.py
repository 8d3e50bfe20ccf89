"""The glossary and the code have the same words: none of either is missing in the other."""

import re
from pathlib import Path

import pytest

from domain.holds import HoldCode
from domain.order import Lane, MemberLevel, OrderSource
from domain.states import State
from domain.steps import Milestone
from domain.stock import Reservation
from domain.warehouse import Scan
from infra.process.steps import STEPS

GLOSSARY = (Path(__file__).parents[2] / "docs" / "glossary.md").read_text(encoding="utf-8")
# By heading: a table with one word of the code in each row.
TABLES = {"States of a fulfillment order": State, "Hold codes": HoldCode}
# By the beginning of a line that lists the words.
LINES = {
    "| scan, warehouse event |": Scan,
    "| milestone |": Milestone,
    "| lane |": Lane,
    "| source |": OrderSource,
    "| member level |": MemberLevel,
}


def section(text, heading):
    return text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def rows(text):
    return re.findall(r"^\| `([a-z_0-9]+)` \|", text, flags=re.MULTILINE)


def codes(line):
    return re.findall(r"`([a-z_0-9]+)`", line)


@pytest.mark.parametrize(("heading", "words"), TABLES.items(), ids=TABLES)
def test_a_table_has_each_word_of_the_code_once_and_no_other(heading, words):
    assert sorted(rows(section(GLOSSARY, heading))) == sorted(word.value for word in words)


@pytest.mark.parametrize(("beginning", "words"), LINES.items(), ids=LINES)
def test_a_line_lists_each_word_of_the_code_once_and_no_other(beginning, words):
    (line,) = [line for line in GLOSSARY.splitlines() if line.startswith(beginning)]
    assert sorted(codes(line)) == sorted(word.value for word in words)


def test_the_steps_are_those_of_the_map():
    assert sorted(rows(section(GLOSSARY, "Steps"))) == sorted(STEPS)


def test_the_reservations_are_listed_under_the_states():
    listed = section(GLOSSARY, "States of a fulfillment order").split("Reservation:", 1)[1]
    assert sorted(codes(listed)) == sorted(word.value for word in Reservation)


def test_a_word_too_many_and_a_word_too_few_are_seen():
    text = "\n## Steps\n\n| `pull` | x |\n| `gone` | x |\n\n## Next\n| `other` |\n"
    assert rows(section(text, "Steps")) == ["pull", "gone"]
