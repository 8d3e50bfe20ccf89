import json
import os
import signal
import subprocess
import sys

import pytest

from domain.groups import groups_of
from infra.monitoring.signals import measure_signals
from infra.process.steps import STEPS

GROUPS = groups_of(STEPS.map())


@pytest.fixture(autouse=True)
def _configured(monkeypatch, database_url, redis_url) -> None:
    monkeypatch.setenv("ORDERLANE_DATABASE_URL", database_url.reveal())
    monkeypatch.setenv("ORDERLANE_REDIS_URL", redis_url.reveal())


def test_it_shows_what_was_measured_last(orderlane, database) -> None:
    measure_signals(database, GROUPS)
    result = orderlane("status")
    assert result.exit_code == 0
    assert result.stdout.startswith("measured ")
    assert "workers: worker 0, p0 0" in result.stdout


def test_where_nobody_measures_it_exits_with_1(orderlane) -> None:
    result = orderlane("status", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["is_measured"] is False


def test_a_breached_invariant_exits_with_1(orderlane, database) -> None:
    measure_signals(database, GROUPS)
    with database.connection() as connection:
        connection.execute("INSERT INTO breach (name, examples) VALUES ('never_oversold', 1)")
    assert orderlane("status").exit_code == 1


def test_a_database_that_is_away_exits_with_7(orderlane, monkeypatch) -> None:
    monkeypatch.setenv("ORDERLANE_DATABASE_URL", "host=127.0.0.1 port=1 dbname=none")
    assert orderlane("status").exit_code == 7


# As a terminal starts it: what runs in the background of a script inherits an ignored SIGINT.
ATTENTIVE = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("workers.main", run_name="__main__", alter_sys=True)
"""


def test_watching_looks_again_until_it_is_interrupted(database) -> None:
    measure_signals(database, GROUPS)
    command = [sys.executable, "-c", ATTENTIVE, "status", "--watch", "--json", "--every", "0.1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=dict(os.environ), text=True) as watching:
        looks = [json.loads(watching.stdout.readline()) for _ in range(3)]
        watching.send_signal(signal.SIGINT)
        assert watching.wait(60) in {0, 1}
    assert all(look["signals"]["lanes"] for look in looks)
