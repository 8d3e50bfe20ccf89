"""Benchmarks run as people run them, small, on stores of their own."""

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

Benchmark = Callable[..., dict[str, Any]]


@pytest.fixture
def benchmark_folder(stores_base: Path) -> Iterator[Path]:
    folder = stores_base / f"orderlane-benchmarks-{uuid.uuid4().hex}"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def benchmark(benchmark_folder: Path) -> Benchmark:
    """Runs ``python -m benchmarks.NAME ARGUMENTS --json`` and returns its last line."""

    def run(name: str, *arguments: str) -> dict[str, Any]:
        known = {key: value for key, value in os.environ.items() if not key.startswith("ORDERLANE_")}
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}", *arguments, "--json"],
            env={**known, "ORDERLANE_DATA_DIR": str(benchmark_folder)},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return msgspec.json.decode(done.stdout.splitlines()[-1])

    return run
