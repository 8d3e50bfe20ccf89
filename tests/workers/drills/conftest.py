"""A round of drills on stores of its own."""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.settings import Settings, Stores
from workers.drills.drill import Plan


@pytest.fixture
def plan(stores_base: Path) -> Iterator[Plan]:
    home = stores_base / f"orderlane-drill-{uuid.uuid4().hex[:12]}"
    home.mkdir()
    yield Plan(Settings(stores=Stores(data_dir=str(home))), seed=7, is_quick=True)
    shutil.rmtree(home, ignore_errors=True)
