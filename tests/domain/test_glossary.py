from pathlib import Path

import pytest

from domain.groups import Milestone
from domain.holds import HoldCode
from domain.states import State, Step
from domain.stock import Reservation
from domain.warehouse import Scan

GLOSSARY = (Path(__file__).parents[2] / "docs" / "glossary.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("words", [State, Step, HoldCode, Reservation, Scan, Milestone])
def test_every_word_of_the_code_stands_in_the_glossary(words):
    assert [word.value for word in words if f"`{word.value}`" not in GLOSSARY] == []
