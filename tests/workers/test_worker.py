import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest

from infra.engine.worker_lock import POOL_NAME, PRESENCE_CLASS
from infra.tables.sql import load

DEADLINE_S = 60.0
SETTINGS = """
[[workers.pools]]
name = "main"

[[workers.pools]]
name = "labels"
groups = ["label"]
nice = 7
"""


@pytest.fixture
def environ(tmp_path, database_url, redis_url):
    (tmp_path / "orderlane.toml").write_text(SETTINGS)
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("ORDERLANE_")},
        "ORDERLANE_SETTINGS": str(tmp_path / "orderlane.toml"),
        "ORDERLANE_DATABASE_URL": database_url.reveal(),
        "ORDERLANE_REDIS_URL": redis_url.reveal(),
    }


@pytest.fixture
def worker(environ):
    """Start a worker of a pool; those that still run are ended with the test."""
    started = []

    def worker(*arguments):
        command = [sys.executable, "-m", "workers.worker", *arguments]
        started.append(subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield worker
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def living(database):
    """Wait until so many workers of each pool are known to live."""

    def living(**expected):
        pause, ends_at = threading.Event(), time.monotonic() + DEADLINE_S
        while True:
            with database.connection() as connection:
                rows = connection.execute(load("signals")["workers"], {"class": PRESENCE_CLASS}).fetchall()
            found = Counter({name.removeprefix(POOL_NAME): count for name, count in rows})
            if found == Counter(expected):
                return
            assert time.monotonic() < ends_at, found
            pause.wait(0.05)

    return living


def test_it_is_one_of_its_pool_as_nice_as_that_and_leaves_when_asked(worker, living) -> None:
    process = worker("--pool", "labels")
    living(labels=1)
    assert os.getpriority(os.PRIO_PROCESS, process.pid) == os.getpriority(os.PRIO_PROCESS, 0) + 7
    process.send_signal(signal.SIGTERM)
    assert process.wait(DEADLINE_S) == 0
    living()


def test_a_pool_that_is_not_there_is_a_usage_error(worker) -> None:
    process = worker("--pool", "parcels")
    _, told = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 2
    assert "no pool parcels; known are: main, labels, p0" in told


def test_a_redis_that_cannot_carry_the_queue_is_a_sentence(environ, worker) -> None:
    environ["ORDERLANE_REDIS_URL"] += "&max_connections=2"
    process = worker("--pool", "labels")
    _, told = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 1
    assert "Error: the client's pool has 2 connections and this worker needs" in told
    assert "Traceback" not in told


@pytest.mark.parametrize("module", ["workers.worker", "workers.sweeper", "workers.wiring"])
def test_dramatiqs_own_command_is_refused_with_a_sentence(environ, module) -> None:
    """It would find no actor, and serve nothing without a word."""
    command = [sys.executable, "-m", "dramatiq", module, "-p", "1", "-t", "1"]
    process = subprocess.run(command, env=environ, stderr=subprocess.PIPE, text=True, timeout=DEADLINE_S, check=False)
    assert process.returncode == 1
    assert "Dramatiq's command serves `dramatiq workers.app`" in process.stderr
    assert "start workers by `orderlane run` or `python -m workers.worker --pool NAME`" in process.stderr
    assert "Traceback" not in process.stderr
