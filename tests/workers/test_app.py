"""`dramatiq workers.app`: the steps under Dramatiq's own command line."""

import os
import signal
import subprocess
import sys
import threading
import time

import psycopg
import pytest

from infra.queue.bells import BellKey, BrokerBells
from infra.queue.broker import connect_redis, make_broker
from infra.tables.migrate import migrate
from infra.tables.pool import Database
from infra.tables.sql import load
from workers.wiring import LANES

DEADLINE_S = 90.0
WORK = load("work")


@pytest.fixture
def environ(tmp_path, database_url, redis_url):
    (tmp_path / "orderlane.toml").write_text("")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("ORDERLANE_")},
        "ORDERLANE_SETTINGS": str(tmp_path / "orderlane.toml"),
        "ORDERLANE_DATABASE_URL": database_url.reveal(),
        "ORDERLANE_REDIS_URL": redis_url.reveal(),
    }


@pytest.fixture
def dramatiq_command(environ):
    """Start Dramatiq's command with one process of two threads; it ends with the test."""
    started = []

    def start(*options, **changed):
        command = [sys.executable, "-m", "dramatiq", "workers.app", "-p", "1", "-t", "2", *options]
        started.append(
            subprocess.Popen(
                command, env={**environ, **changed}, stderr=subprocess.PIPE, text=True, start_new_session=True
            )
        )
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def eventually(is_so):
    pause, ends_at = threading.Event(), time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < ends_at
        pause.wait(0.05)


def due(database):
    """Work of a fulfillment order that is not there: the step finishes such work quietly."""
    with database.transaction() as tx:
        tx.execute("INSERT INTO work (step, subject_id, lane) VALUES ('reserve', 4711, 'p1')")


def is_left(database):
    with database.connection() as connection:
        return connection.execute("SELECT 1 FROM work WHERE subject_id = 4711").fetchone() is not None


def test_it_serves_the_steps_and_drains_when_told_to_stop(dramatiq_command, database, redis_url) -> None:
    process = dramatiq_command()
    due(database)
    with connect_redis(redis_url.reveal()) as client:
        broker = make_broker(client, LANES)
        BrokerBells(broker).ring([BellKey("reserve", "p1", "")])
        eventually(lambda: not is_left(database))
        broker.close()
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, told
    assert "worker_started" in told
    assert "worker_stopped" in told
    assert "Traceback" not in told


def await_line(process, text):
    """Read what the process says until a line has the text."""
    for line in process.stderr:
        if text in line:
            return
    pytest.fail(f"ended with {process.wait()} before it said {text}")


def test_on_an_empty_database_it_waits_for_the_schema(dramatiq_command, empty_url, redis_url) -> None:
    process = dramatiq_command(ORDERLANE_DATABASE_URL=empty_url.reveal())
    await_line(process, "release_awaited")
    with psycopg.connect(empty_url.reveal(), autocommit=True) as connection:
        migrate(connection)
    await_line(process, "worker_started")
    with Database(empty_url.reveal(), 1) as database, connect_redis(redis_url.reveal()) as client:
        due(database)
        broker = make_broker(client, LANES)
        BrokerBells(broker).ring([BellKey("reserve", "p1", "")])
        eventually(lambda: not is_left(database))
        broker.close()
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, told


def test_it_can_be_stopped_while_it_waits_for_the_schema(dramatiq_command, empty_url) -> None:
    # Dramatiq's own process heeds no signal until its workers are there, or this many milliseconds are over.
    process = dramatiq_command("--worker-fork-timeout", "10", ORDERLANE_DATABASE_URL=empty_url.reveal())
    await_line(process, "release_awaited")
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, told
    assert "Traceback" not in told


def test_without_stores_it_ends_in_a_sentence(dramatiq_command) -> None:
    process = dramatiq_command(ORDERLANE_DATABASE_URL="")
    _, told = process.communicate(timeout=DEADLINE_S)
    assert process.returncode != 0
    assert "orderlane: database_url_missing" in told
    assert "Traceback" not in told


def test_it_is_for_dramatiqs_command_only(environ) -> None:
    command = [sys.executable, "-c", "import workers.app"]
    process = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert process.returncode == 1
    assert "workers.app is for `dramatiq workers.app`" in process.stderr
