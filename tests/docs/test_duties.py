"""The page about the sweeper's duties says what the list says."""

import re
from pathlib import Path

import pytest

from infra.config.settings import Settings
from workers.duties import DUTIES

PAGE = Path(__file__).parents[2] / "docs/reference/sweeper.md"
ROW = re.compile(r"^\| `(\w+)` \| ([^|]+) \| (\w+) \| ([^|]+) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def rows():
    return ROW.findall(PAGE.read_text(encoding="utf-8"))


def pace(entry):
    """As the page writes it, without the name of a setting."""
    if callable(entry.every):
        return None
    return f"{entry.every:.0f} s" if entry.every else "each round"


def test_each_duty_is_described_in_the_order_of_the_list(rows):
    described = [(name, thread, does.strip()) for name, _, thread, does in rows]
    assert described == [(entry.name, str(entry.beside), entry.does) for entry in DUTIES]


def test_each_pace_is_that_of_the_list(rows):
    said = {name: every for name, every, _, _ in rows}
    assert {entry.name: said[entry.name] for entry in DUTIES if pace(entry)} == {
        entry.name: pace(entry) for entry in DUTIES if pace(entry)
    }


def test_a_pace_that_is_a_setting_names_it(rows):
    said = {name: every.strip("`") for name, every, _, _ in rows}
    settings = Settings()
    for entry in DUTIES:
        if callable(entry.every):
            group, _, name = said[entry.name].partition(".")
            assert getattr(getattr(settings, group), name) == entry.every_s(settings)
