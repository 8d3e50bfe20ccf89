"""A round of drills on stores of its own."""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from drills.drill import Plan
from infra.config.settings import Settings, Stores


@pytest.fixture
def plan(stores_base: Path) -> Iterator[Plan]:
    home = stores_base / f"orderlane-drill-{uuid.uuid4().hex[:12]}"
    home.mkdir()
    yield Plan(Settings(stores=Stores(data_dir=str(home))), seed=7, is_quick=True)
    shutil.rmtree(home, ignore_errors=True)
