"""Processes that cannot begin say so in one line."""

import subprocess
import sys

import psycopg
import pytest
import redis

from domain.errors import Misconfigured
from workers.cli.exits import Exit
from workers.ending import run_process


@pytest.mark.parametrize("module", ["workers.worker", "workers.sweeper", "workers.release"])
def test_a_process_without_settings_ends_with_a_sentence(module, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", module],
        env={"ORDERLANE_SETTINGS": str(tmp_path / "missing")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == Exit.USAGE
    assert done.stderr == f"orderlane: settings_missing: no settings file at {tmp_path / 'missing'}\n"


NOWHERE = {
    "ORDERLANE_DATABASE_URL": "host=127.0.0.1 port=1 dbname=none",
    "ORDERLANE_REDIS_URL": "redis://127.0.0.1:1/0",
}


@pytest.mark.parametrize(
    ("module", "named", "code", "said"),
    [
        ("workers.release", [], Exit.FAILED, "database_url_missing"),
        ("workers.worker", [], Exit.FAILED, "database_url_missing"),
        ("workers.sweeper", [], Exit.FAILED, "database_url_missing"),
        ("workers.worker", ["ORDERLANE_DATABASE_URL"], Exit.FAILED, "redis_url_missing"),
        ("workers.sweeper", ["ORDERLANE_DATABASE_URL"], Exit.FAILED, "redis_url_missing"),
        ("workers.release", list(NOWHERE), Exit.UNREACHABLE, "database_unreachable"),
        ("workers.worker", list(NOWHERE), Exit.UNREACHABLE, "redis_unreachable"),
        ("workers.sweeper", list(NOWHERE), Exit.UNREACHABLE, "redis_unreachable"),
    ],
)
def test_a_process_without_stores_ends_with_one_line(module, named, code, said, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", module],
        env={name: NOWHERE[name] for name in named},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr.count("\n")) == (code, 1)
    assert done.stderr.startswith(f"orderlane: {said}: ")


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (Misconfigured("a", "b\x1b[31m"), Exit.FAILED, "orderlane: a: b\\x1b[31m\n"),
        (psycopg.OperationalError("no\nserver"), Exit.UNREACHABLE, "orderlane: database_unreachable: no server\n"),
        (redis.ConnectionError("refused"), Exit.UNREACHABLE, "orderlane: redis_unreachable: refused\n"),
        (redis.TimeoutError("slow"), Exit.UNREACHABLE, "orderlane: redis_unreachable: slow\n"),
    ],
)
def test_the_line_and_the_code(error, code, line, capsys):
    def main():
        raise error

    with pytest.raises(SystemExit) as ended:
        run_process(main)
    assert (ended.value.code, capsys.readouterr().err) == (code, line)


@pytest.mark.parametrize("defect", [KeyError("x"), psycopg.errors.QueryCanceled()])
def test_a_defect_is_raised(defect):
    def main():
        raise defect

    with pytest.raises(type(defect)):
        run_process(main)
