"""The Procfile starts what `orderlane run` starts, and runs as it stands on stores of one's own."""

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from infra.config.settings import Settings
from infra.config.worker_settings import Workers
from sandbox.spec import Dirt
from workers.demo.stage import Script, sandbox_stage
from workers.supervisor import roles

ROOT = Path(__file__).parents[2]
PROCFILE = ROOT / "Procfile"
DEADLINE_S = 90.0
CLEAN = Dirt(presale_open=0, refund_asked=0, vague_address=0, short_stock=0, unpaid=0, closed=0)
OTHERS = ["worker", "p0worker", "sweeper"]


@pytest.fixture
def lines() -> dict[str, tuple[str, ...]]:
    """Command by name, without the interpreter."""
    parsed = {}
    for line in PROCFILE.read_text().splitlines():
        name, _, command = line.partition(":")
        interpreter, *rest = shlex.split(command)
        assert interpreter == "python"
        parsed[name] = tuple(rest)
    return parsed


def test_it_starts_the_same_processes_as_run(lines) -> None:
    started = {tuple(role.command) for role in roles(Settings(workers=Workers(processes=2, p0_processes=1)))}
    assert {command for name, command in lines.items() if name != "release"} == started


def test_the_release_is_the_one_that_run_makes(lines) -> None:
    assert lines["release"] == ("-m", "workers.release")


@pytest.fixture
def stage(tmp_path):
    """One paid order on a platform, and a house that knows nothing of it yet."""
    script = Script(1, None, seed=3, per_second=0.0, processes=1, threads=2, shops=1, dirt=CLEAN)
    with sandbox_stage(tmp_path, script) as stage:
        yield stage


@pytest.fixture
def environ(stage, empty_url, redis_url):
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("ORDERLANE_")},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ORDERLANE_SETTINGS": str(stage.settings_file),
        "ORDERLANE_DATABASE_URL": empty_url.reveal(),
        "ORDERLANE_REDIS_URL": redis_url.reveal(),
        "PYTHONUNBUFFERED": "1",
    }


class Honcho:
    """``honcho start`` with some or all lines of a Procfile, and what it prints."""

    def __init__(self, environ, folder: Path, procfile: Path, *names: str) -> None:
        self.printed = folder / f"honcho-{'-'.join(names) or 'all'}.log"
        command = [sys.executable, "-m", "honcho", "-f", str(procfile), "-d", str(ROOT), "start", *names]
        with self.printed.open("wb") as log:
            self.process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)

    def says(self, text: str) -> bool:
        return text in self.printed.read_text()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(DEADLINE_S)


@pytest.fixture
def honcho(environ, tmp_path):
    started = []

    def start(*names: str, procfile: Path = PROCFILE) -> Honcho:
        started.append(Honcho(environ, tmp_path, procfile, *names))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def until(condition, *running: Honcho) -> None:
    pause, ends_at = threading.Event(), time.monotonic() + DEADLINE_S
    while not condition():
        for one in running:
            assert one.process.poll() is None, one.printed.read_text()
        assert time.monotonic() < ends_at, [one.printed.read_text() for one in running]
        pause.wait(0.1)


def is_told(stage) -> bool:
    """Whether the platform shows the tracking number of its only order."""
    [order] = stage.read("_ledger")["ordered"]
    return all(line["told"] for line in order["lines"])


@pytest.mark.slow
@pytest.mark.parametrize("is_release_last", [False, True])
def test_an_order_goes_its_way_on_an_empty_database(honcho, stage, tmp_path, is_release_last) -> None:
    lines = PROCFILE.read_text().splitlines(keepends=True)
    order = [*lines[1:], lines[0]] if is_release_last else lines
    (tmp_path / "Procfile").write_text("".join(order))
    house = honcho(procfile=tmp_path / "Procfile")
    until(lambda: is_told(stage), house)
    assert house.says("release_stays")
    house.stop()
    assert not house.says("uncaught")


@pytest.mark.slow
def test_what_starts_before_the_release_waits_for_it(honcho, stage) -> None:
    house = honcho(*OTHERS)
    until(lambda: house.printed.read_text().count("release_awaited") >= len(OTHERS), house)
    release = honcho("release")
    until(lambda: is_told(stage), house, release)


@pytest.mark.slow
def test_control_a_release_that_ends_takes_the_others_with_it(honcho, tmp_path) -> None:
    procfile = tmp_path / "Procfile"
    procfile.write_text(PROCFILE.read_text().replace("workers.release", "workers.release --end"))
    house = honcho(procfile=procfile)
    assert house.process.wait(DEADLINE_S) == 0
