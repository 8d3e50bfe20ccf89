"""What the page on acceptance names exists."""

import re
from pathlib import Path

from drills.catalogue import BY_NAME

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "acceptance.md").read_text(encoding="utf-8")
TEST = re.compile(r"`(tests/[\w/]+(?:\.py)?)(?:::(test_\w+))?`")


def is_there(file, test):
    path = ROOT / file
    if not test:
        return path.exists()
    return path.is_file() and re.search(rf"\bdef {test}\b", path.read_text(encoding="utf-8")) is not None


def test_every_named_test_exists():
    named = set(TEST.findall(PAGE))
    assert len(named) > 15
    assert [one for one in sorted(named) if not is_there(*one)] == []


def test_every_named_drill_is_played():
    named = set(re.findall(r"drill `([a-z-]+)`", PAGE))
    assert named
    assert named <= set(BY_NAME)


def test_every_row_names_what_shows_it():
    rows = [
        line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| criterion", "| issue"))
    ]
    assert rows
    assert [row for row in rows if not re.search(r"`[^`]+`|\[[^]]+\]\(", row)] == []
