"""The project as text and as syntax trees."""

import ast
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("domain", "infra", "adapters", "actors", "ops", "workers", "drills", "sandbox", "benchmarks")


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def modules() -> Sequence[Path]:
    """All Python files of the rooms."""
    found = sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.py"))
    assert found
    return found


@pytest.fixture(scope="session")
def test_files() -> Sequence[Path]:
    return sorted((ROOT / "tests").rglob("*.py"))


@pytest.fixture(scope="session")
def tree_of() -> Callable[[Path], ast.Module]:
    return lambda file: ast.parse(file.read_text(encoding="utf-8"), str(file))


@pytest.fixture(scope="session")
def place() -> Callable[..., str]:
    """How a finding is named: file and line from the root."""
    return lambda file, line=None: f"{file.relative_to(ROOT)}" + (f":{line}" if line else "")
