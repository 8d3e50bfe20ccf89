from pathlib import Path

import pytest

from domain.holds import HoldCode
from domain.states import State
from domain.steps import Milestone
from domain.stock import Reservation
from domain.warehouse import Scan
from infra.process.steps import STEPS

GLOSSARY = (Path(__file__).parents[2] / "docs" / "glossary.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("words", [State, HoldCode, Reservation, Scan, Milestone])
def test_every_word_of_the_code_stands_in_the_glossary(words):
    assert [word.value for word in words if f"`{word.value}`" not in GLOSSARY] == []


def test_every_step_stands_in_the_glossary():
    assert [name for name in STEPS if f"`{name}`" not in GLOSSARY] == []
