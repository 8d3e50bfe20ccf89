import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import psycopg
import pytest

from infra.config.settings import read_settings
from infra.servers import open_stores
from sandbox.spec import Dirt
from workers.demo.stage import Script, sandbox_stage

DEADLINE_S = 60.0
ORDERS = 6
DIRT = Dirt(presale_open=0, refund_asked=0, vague_address=0, short_stock=0, unpaid=0, closed=0)


def test_without_settings_it_says_what_to_write_and_exits_with_2(orderlane) -> None:
    result = orderlane("run")
    assert result.exit_code == 2
    assert result.stderr.startswith("orderlane: settings_missing: no settings file at orderlane.toml: write your shops")
    assert "README" in result.stderr


def test_without_a_shop_there_is_nothing_to_run(orderlane, tmp_path) -> None:
    (tmp_path / "orderlane.toml").write_text("log_level = 'info'\n")
    result = orderlane("run")
    assert result.exit_code == 2
    assert "[[shops]]" in result.stderr


@pytest.fixture
def stage(tmp_path):
    script = Script(ORDERS, None, seed=3, per_second=0.0, processes=1, threads=2, shops=1, dirt=DIRT)
    with sandbox_stage(tmp_path, script) as stage:
        yield stage


@pytest.fixture
def home(stores_base):
    folder = stores_base / f"orderlane-house-{uuid.uuid4().hex[:12]}"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def environ(stage, home):
    return {**os.environ, "ORDERLANE_SETTINGS": str(stage.settings_file), "ORDERLANE_DATA_DIR": str(home)}


@pytest.fixture
def house(environ, tmp_path):
    """``orderlane run`` as a process of its own; ended by force if the test did not end it."""
    with (tmp_path / "house.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "workers.main", "run"], env=environ, stderr=log)
    yield process
    if process.poll() is None:
        process.kill()
    process.wait()


def until(condition, process) -> None:
    pause, ends_at = threading.Event(), time.monotonic() + DEADLINE_S
    while not condition():
        assert process.poll() is None, "the house ended by itself"
        assert time.monotonic() < ends_at, "not in time"
        pause.wait(0.1)


def written_back(home, environ) -> int:
    if not (home / "instance.json").exists():
        return 0
    settings = read_settings(environ=environ)
    with open_stores(settings) as stores, psycopg.connect(stores.database_url.reveal()) as connection:
        if connection.execute("SELECT to_regclass('writeback')").fetchone() == (None,):
            return 0
        return connection.execute("SELECT count(*) FROM writeback WHERE status = 'confirmed'").fetchone()[0]


def children_of(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


@pytest.mark.slow
def test_it_fulfils_the_shops_orders_refuses_a_second_house_and_stops_cleanly(
    house, home, environ, orderlane_process
) -> None:
    until(lambda: written_back(home, environ) == ORDERS, house)

    second = orderlane_process("run", env=environ)
    assert second.returncode == 5
    assert second.stderr.splitlines()[-1].startswith("orderlane: instance_running: ")

    children = children_of(house.pid)
    assert len(children) >= 4  # Postgres, Redis, a worker and the sweeper
    house.send_signal(signal.SIGTERM)
    assert house.wait(DEADLINE_S) == 0
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert not (home / "instance.json").exists()


@pytest.mark.slow
def test_a_configured_store_that_is_away_exits_with_7(environ, orderlane_process) -> None:
    away = {"ORDERLANE_DATABASE_URL": "host=127.0.0.1 port=1 dbname=none", "ORDERLANE_REDIS_URL": "redis://127.0.0.1:1"}
    done = orderlane_process("run", env={**environ, **away})
    assert done.returncode == 7
    assert done.stderr.splitlines()[-1].startswith("orderlane: database_unreachable: ")
