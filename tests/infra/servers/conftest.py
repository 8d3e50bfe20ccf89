import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.config.settings import Settings, Stores


@pytest.fixture
def homes(stores_base: Path) -> Iterator[Callable[[str], Path]]:
    """Makes data folders that a service user can reach too."""
    base = Path(tempfile.mkdtemp(prefix="orderlane-homes-", dir=stores_base))
    base.chmod(0o755)
    yield lambda name: base / name
    shutil.rmtree(base)


@pytest.fixture
def settings(homes: Callable[[str], Path]) -> Settings:
    return Settings(stores=Stores(data_dir=str(homes("one")), fsync=False))


@pytest.fixture
def home(settings: Settings) -> Path:
    return Path(settings.stores.data_dir)


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], None]:
    """Waits until a condition holds; fails after thirty seconds."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, "it never happened"
            time.sleep(0.01)

    return wait


@pytest.fixture
def as_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
