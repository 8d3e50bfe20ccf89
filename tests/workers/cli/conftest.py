"""What the commands are run with: payloads, settings, and a runner that knows the real entry point."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from workers.cli import demo, doctor, due, order, reconcile, run, stores, writeback
from workers.main import main


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty folder, and none of the settings of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("ORDERLANE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    # A logger keeps the threshold it was first used with, and other tests read its lines.
    for module in (demo, doctor, due, order, reconcile, run, stores, writeback):
        monkeypatch.setattr(module, "configure", lambda *_, **__: None)


@pytest.fixture
def orderlane() -> Callable[..., Result]:
    """Run a command in this process."""
    return lambda *arguments, stdin=None: CliRunner().invoke(main, [str(a) for a in arguments], input=stdin)


@pytest.fixture
def orderlane_process() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command as a process of its own."""

    def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "workers.main", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)

    return run


@pytest.fixture(scope="session")
def trade() -> Callable[..., bytes]:
    """A small TOP trade of two lines; fields may be replaced, or left out with None."""
    whole = msgspec.json.decode((Path(__file__).parents[2] / "ops/trade.json").read_bytes())

    def make(**fields: object) -> bytes:
        trade = {name: value for name, value in {**whole, **fields}.items() if value is not None}
        return msgspec.json.encode({"trade_fullinfo_get_response": {"trade": trade}})

    return make
