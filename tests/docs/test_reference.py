"""The reference says what the code says: every command, setting, hold and state, and nothing else."""

from pathlib import Path

import msgspec
import pytest

from domain.holds import HOLDS
from domain.states import State
from infra.config.settings import Settings, Shop
from workers.reference import commands, pages, write

FOLDER = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("name", sorted(pages()))
def test_the_page_is_the_one_that_the_code_makes(name) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == pages()[name], "run `make reference`"


def test_every_command_stands_in_the_reference() -> None:
    text = pages()["commands.md"]
    named = [" ".join(path) for path, _ in commands()]
    assert "order show" in named
    assert [name for name in named if f"\n## orderlane {name}\n" not in text] == []


def test_every_setting_stands_in_the_reference() -> None:
    text = pages()["settings.md"]
    keys = [field.encode_name for kind in (Settings, Shop) for field in msgspec.structs.fields(kind)]
    assert [key for key in keys if f"| `{key}` |" not in text] == []
    assert "\n## `[[shops]]`\n" in text
    assert "\n## `[workers]`\n" in text


def test_every_hold_and_state_stands_in_the_reference() -> None:
    assert [code for code in HOLDS if f"| `{code}` |" not in pages()["holds.md"]] == []
    assert [state for state in State if f"| `{state}`" not in pages()["states.md"]] == []


def test_the_pages_are_written_where_asked(tmp_path) -> None:
    write(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == pages().keys()
