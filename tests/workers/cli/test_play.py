"""A house with simulated shops lives until Ctrl-C; a second terminal finds it without a variable."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest

DEADLINE_S = 90.0
REPORT = re.compile(r"(\d+) orders, (\d+) written back, (\d+) held, (\d+) dead letters")


@pytest.fixture
def home(stores_base):
    folder = stores_base / f"orderlane-play-{uuid.uuid4().hex[:12]}"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def environ(tmp_path):
    known = {name: value for name, value in os.environ.items() if not name.startswith("ORDERLANE_")}
    return {**known, "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state"), "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def play(environ, home, tmp_path):
    """Start a house in a process group of its own, as a terminal does; its output file beside it."""
    started = []

    def start() -> tuple[subprocess.Popen, Path]:
        printed = tmp_path / f"play-{len(started)}.log"
        command = [sys.executable, "-m", "workers.main", "play", "--rate", "6", "--shops", "1"]
        with printed.open("wb") as log:
            process = subprocess.Popen(
                command,
                env={**environ, "ORDERLANE_DATA_DIR": str(home)},
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=tmp_path,
            )
        started.append(process)
        return process, printed

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def until(condition, process, printed) -> None:
    pause, ends_at = threading.Event(), time.monotonic() + DEADLINE_S
    while not condition():
        assert process.poll() is None, printed.read_text()
        assert time.monotonic() < ends_at, printed.read_text()
        pause.wait(0.2)


@pytest.mark.slow
def test_it_lives_goes_wrong_here_and_there_ends_cleanly_and_starts_again(play, environ, tmp_path) -> None:
    def orderlane(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "workers.main", *arguments]
        return subprocess.run(
            command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
        )

    process, printed = play()

    def has_everything() -> bool:
        reports = REPORT.findall(printed.read_text())
        return bool(reports) and all(int(number) for number in reports[-1])

    until(has_everything, process, printed)

    causes = orderlane("dlq", "causes", "--json")
    assert causes.returncode == 0, causes.stderr
    assert json.loads(causes.stdout)
    assert causes.stderr.startswith("orderlane: instance of the last demo, ")
    paused = orderlane("pause", "account", "sf/main", "--reason", "trying it")
    assert (paused.returncode, paused.stdout) == (0, "paused account sf/main\n")
    assert "trying it" in orderlane("gates").stdout

    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(DEADLINE_S) == 0, printed.read_text()
    assert "The house has stopped." in printed.read_text()
    assert "Traceback" not in printed.read_text()

    again, printed = play()
    until(lambda: REPORT.search(printed.read_text()) is not None, again, printed)
    os.killpg(again.pid, signal.SIGTERM)
    assert again.wait(DEADLINE_S) == 0
