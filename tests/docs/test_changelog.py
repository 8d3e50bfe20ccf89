"""The newest release of the CHANGELOG is the version of the project."""

import re
import tomllib
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[2]
RELEASE = re.compile(r"^## (?:(Unreleased)|(\d+\.\d+\.\d+) \((\d{4}-\d\d-\d\d)\))$", re.MULTILINE)


def releases():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    found = RELEASE.findall(text)
    assert len(found) == len(re.findall(r"^## ", text, re.MULTILINE))
    return [(version, date.fromisoformat(day)) for is_open, version, day in found if not is_open]


def test_the_newest_release_is_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert releases()[0][0] == project["version"]


def test_releases_are_dated_and_the_newest_comes_first() -> None:
    numbers = [tuple(map(int, version.split("."))) for version, _ in releases()]
    days = [day for _, day in releases()]
    assert numbers == sorted(numbers, reverse=True)
    assert days == sorted(days, reverse=True)
