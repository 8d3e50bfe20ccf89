import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest

from domain.listings import Listing
from infra.accounts.rules import GateRules
from infra.accounts.shared_breaker import CallResults, SharedGates
from infra.config.settings import Settings
from infra.engine.worker_lock import take_lead
from infra.monitoring.signals import all_open
from infra.tables.listings import put_entries
from workers import sweeper as module

DEADLINE_S = 60.0
SETTINGS = """
log_format = "json"

[metrics]
address = "127.0.0.1:0"
"""


@pytest.fixture
def sweeper(tmp_path, database_url, redis_url):
    (tmp_path / "orderlane.toml").write_text(SETTINGS)
    known = {name: value for name, value in os.environ.items() if not name.startswith("ORDERLANE_")}
    stores = {"ORDERLANE_DATABASE_URL": database_url.reveal(), "ORDERLANE_REDIS_URL": redis_url.reveal()}
    with subprocess.Popen(
        [sys.executable, "-m", "workers.sweeper"],
        env={**known, **stores, "ORDERLANE_SETTINGS": str(tmp_path / "orderlane.toml")},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


@pytest.fixture
def _shut_courier(database, redis):
    """Due work in lane p0 that nobody may begin: its account's breaker is open."""
    SharedGates(redis).ask("sf/main", 1, CallResults(failed=1), GateRules(failures_max=1, open_ms=3_600_000))
    with database.connection() as connection:
        connection.execute("INSERT INTO work (step, subject_id, lane, account) VALUES ('label', 1, 'p0', 'sf/main')")


@pytest.mark.usefixtures("_shut_courier")
def test_it_measures_serves_what_it_measured_and_leaves_when_asked(sweeper) -> None:
    lines = (json.loads(line) for line in sweeper.stderr)
    port = next(line["port"] for line in lines if line["event"] == "metrics_served")
    pause, ends_at = threading.Event(), time.monotonic() + DEADLINE_S
    while True:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=DEADLINE_S) as answer:
            text = answer.read().decode()
        assert "orderlane_up 1.0" in text
        if "orderlane_signals_age_seconds" in text:
            break
        assert time.monotonic() < ends_at, text
        pause.wait(0.1)
    assert 'orderlane_depth{group="label",lane="p0"} 0.0' in text
    assert 'orderlane_workers{pool="worker"} 0.0' in text
    sweeper.send_signal(signal.SIGTERM)
    assert sweeper.wait(DEADLINE_S) == 0


@pytest.fixture
def _paused_account(database):
    with database.connection() as connection:
        connection.execute(
            "INSERT INTO gate (kind, name, reason, shut_by, probe_at) "
            "VALUES ('account', 'sf/main', 'token_expired', 'engine', now())"
        )


@pytest.mark.usefixtures("_paused_account")
def test_it_opens_alarms_and_tells_the_log(sweeper, database) -> None:
    lines = (json.loads(line) for line in sweeper.stderr)
    said = next(line for line in lines if line["event"] == "alarm_opened")
    assert (said["kind"], said["key"], said["level"]) == ("account_paused", "sf/main", "error")
    assert said["facts"] == {"code": "token_expired"}
    with database.connection() as connection:
        assert connection.execute("SELECT kind, key, closed_at FROM alarm").fetchall() == [
            ("account_paused", "sf/main", None)
        ]
    sweeper.send_signal(signal.SIGTERM)
    assert sweeper.wait(DEADLINE_S) == 0


@pytest.fixture
def _mapped_and_left(database):
    """Orders whose listing was mapped by a command that died before it sent them on."""
    plant = Path(__file__).parents[1] / "infra/tables/waiting_orders.sql"
    with database.connection() as connection:
        connection.execute(plant.read_bytes(), {"orders": 3, "waiting": 3})
        connection.execute("INSERT INTO stock_pool (sku, on_hand) VALUES ('TEE-1', 0), ('CUP-1', 0)")
        put_entries(connection, {Listing("taobao", "s1", "cup"): "CUP-1"}, "li")


@pytest.mark.usefixtures("_mapped_and_left")
def test_it_sends_on_orders_that_wait_for_a_sku(sweeper, database) -> None:
    sent = next(line for line in map(json.loads, sweeper.stderr) if line["event"] == "waiting_orders_sent_on")
    assert sent["orders"] == 3
    with database.connection() as connection:
        assert connection.execute("SELECT count(*) FROM work WHERE step = 'reserve'").fetchone() == (3,)


def test_one_that_waits_for_the_lead_does_not_outlive_its_parent(database, monkeypatch) -> None:
    monkeypatch.setattr(module, "is_orphaned", lambda: True)
    idle = SimpleNamespace(bells=None, rooms=all_open)
    rounds = iter([False] * 3)  # and then no more: it would wait for ever
    stopping = SimpleNamespace(is_set=lambda: False, wait=lambda _seconds: next(rounds))
    with database.direct() as leader:
        assert take_lead(leader)
        module.lead(Settings(), database, idle, gates=idle, broker=None, ping=bool, stopping=stopping)
