"""Whole runs: a sandbox, private stores, worker processes and a sweeper, watched and hurt from outside."""

import random
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from infra.settings import Settings, Stores
from sandbox.spec import Dirt, Scenes
from workers.demo.face import silent
from workers.demo.run import Outcome, Running, conclude, prepared, running, watch
from workers.demo.stage import CLEAN, NO_SCENES, Script

DEADLINE_S = 60.0
LOOK_EVERY_S = 0.02


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Of the order stream; shown with a failure, and drawn again by the same ``-p randomly_seed``."""
    drawn = random.randrange(10**6)  # noqa: S311 - a seed, not a secret
    request.node.add_report_section("setup", "seed", f"{drawn}")
    return drawn


@pytest.fixture
def home(stores_base: Path) -> Iterator[Path]:
    """The data folder of one run's stores."""
    folder = stores_base / f"orderlane-run-{uuid.uuid4().hex[:12]}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def base(home: Path) -> Settings:
    # With fsync: a commit that was confirmed must survive the server's sudden end.
    return Settings(stores=Stores(data_dir=str(home)))


@pytest.fixture
def script(seed: int) -> Callable[..., Script]:
    def write(
        orders: int,
        csv: Path | None = None,
        dirt: Dirt = CLEAN,
        shops: int = 3,
        *,
        scenes: Scenes = NO_SCENES,
        texts_buyers: bool = False,
    ) -> Script:
        return Script(
            orders=orders,
            csv=csv,
            seed=seed,
            per_second=0.0,
            processes=2,
            threads=4,
            shops=shops,
            dirt=dirt,
            scenes=scenes,
            texts_buyers=texts_buyers,
        )

    return write


@pytest.fixture
def play(base: Settings, script: Callable[..., Script]) -> Callable[..., AbstractContextManager[Running]]:
    """A run with all its processes at work."""
    return lambda orders, **given: running(base, script(orders, **given))


@pytest.fixture
def prepare(base: Settings, script: Callable[..., Script]) -> Callable[..., AbstractContextManager[Running]]:
    """A run whose processes have not been started yet."""
    return lambda orders, **given: prepared(base, script(orders, **given))


@pytest.fixture
def until() -> Callable[..., object]:
    """Wait for a condition by asking it again and again; fail when the deadline comes first."""

    def wait(condition: Callable[[], object], deadline_s: float = DEADLINE_S) -> object:
        pause, ends_at = threading.Event(), time.monotonic() + deadline_s
        while not (found := condition()):
            if time.monotonic() > ends_at:
                pytest.fail(f"not within {deadline_s} s")
            pause.wait(LOOK_EVERY_S)
        return found

    return wait


@pytest.fixture
def finish() -> Callable[[Running], Outcome]:
    """Watch a run to its end, and reckon."""
    return lambda demo: conclude(demo, watch(demo, silent))


@pytest.fixture
def count() -> Callable[..., int]:
    """The one number that a query answers."""

    def ask(demo: Running, query: str, *values: object) -> int:
        with demo.db.connection() as connection:
            row = connection.execute(query.encode(), values or None).fetchone()
        assert row is not None
        return int(row[0])

    return ask
