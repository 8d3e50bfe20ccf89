import json

import pytest

from domain.errors import Transient
from infra.accounts.account import AccountGate
from infra.accounts.rules import GateRules
from infra.accounts.shared_breaker import SharedGates, connect_gates
from infra.process.clock import SystemClock
from infra.tables.gates import shut_account
from workers.cli import pause as module

SETTINGS = """
[[shops]]
name = "s1"
platform = "taobao"
endpoint = "http://localhost"
credentials = {}

[[couriers]]
name = "main"
courier = "sf"
endpoint = "http://localhost"
credentials = {}
"""


@pytest.fixture(autouse=True)
def _configured(monkeypatch, tmp_path, database_url, redis_url):
    (tmp_path / "orderlane.toml").write_text(SETTINGS)
    monkeypatch.setenv("ORDERLANE_DATABASE_URL", database_url.reveal())
    monkeypatch.setenv("ORDERLANE_REDIS_URL", redis_url.reveal())
    monkeypatch.setattr(module, "configure", lambda *_, **__: None)


@pytest.fixture
def shared(redis_url, redis):
    client = connect_gates(redis_url.reveal())
    yield SharedGates(client)
    client.close()


def listed(orderlane):
    done = orderlane("gates", "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)["gates"]


def open_breaker(shared, account="sf/main"):
    gate = AccountGate(account, GateRules(failures_max=1), shared, SystemClock(), share=1.0)
    gate.begin().end(Transient("connection_failed"))


def acts(database):
    with database.connection() as connection:
        return connection.execute("SELECT verb, object, reason FROM audit ORDER BY id").fetchall()


@pytest.mark.parametrize(
    ("kind", "name", "gate"),
    [
        ("account", "sf/main", ("account", "sf/main")),
        ("shop", "s1", ("account", "taobao/s1")),
        ("shop", "taobao/s1", ("account", "taobao/s1")),
        ("lane", "bulk", ("lane", "bulk")),
        ("step", "label", ("step", "label")),
    ],
)
def test_a_pause_is_listed_and_resumed_and_both_are_written_down(orderlane, database, kind, name, gate):
    assert orderlane("pause", kind, name, "--reason", "stocktaking").exit_code == 0
    [one] = listed(orderlane)
    assert ((one["kind"], one["name"]), one["why"], one["reason"]) == (gate, "paused", "stocktaking")
    assert "stocktaking" in orderlane("gates").output
    assert orderlane("resume", kind, name, "--reason", "done").exit_code == 0
    assert listed(orderlane) == []
    assert orderlane("gates").output == "all gates are open\n"
    what = "/".join(gate)
    assert acts(database) == [("gate_paused", what, "stocktaking"), ("gate_resumed", what, "done")]


def test_a_pause_may_have_an_end(orderlane):
    end = "2099-01-01T08:00:00+08:00"
    assert orderlane("pause", "lane", "bulk", "--reason", "peak", "--until", end).exit_code == 0
    assert listed(orderlane)[0]["until"] == "2099-01-01T00:00:00Z"


@pytest.mark.parametrize("until", ["tomorrow", "2099-01-01T08:00:00", "2020-01-01T00:00:00Z"])
def test_an_end_that_is_no_moment_ahead_is_a_usage_error(orderlane, until):
    done = orderlane("pause", "lane", "bulk", "--reason", "peak", "--until", until)
    assert (done.exit_code, "--until" in done.output) == (2, True)
    assert listed(orderlane) == []


@pytest.mark.parametrize(("kind", "name"), [("account", "sf/mian"), ("shop", "s9"), ("lane", "fast"), ("step", "ship")])
def test_a_misspelt_gate_is_a_usage_error_that_names_the_right_ones(orderlane, kind, name):
    done = orderlane("pause", kind, name, "--reason", "x")
    assert (done.exit_code, "known are" in done.output) == (2, True)


def test_a_reason_is_needed(orderlane):
    assert orderlane("pause", "lane", "bulk").exit_code == 2


def test_what_is_not_shut_cannot_be_resumed(orderlane, database):
    done = orderlane("resume", "account", "sf/main", "--reason", "x")
    assert (done.exit_code, "is not paused or shut" in done.output) == (5, True)
    assert acts(database) == []


def test_a_breaker_is_listed_with_the_work_behind_it_and_closed_by_hand(orderlane, database, shared):
    open_breaker(shared)
    with database.connection() as connection:
        connection.execute("INSERT INTO work (step, subject_id, lane, account) VALUES ('label', 1, 'bulk', 'sf/main')")
        connection.execute(
            """INSERT INTO work (step, subject_id, lane, account, due_at, gate, gated_at)
               VALUES ('label', 2, 'bulk', 'yto/a', '9999-01-01', 'sf/main', now())"""
        )
    [one] = listed(orderlane)
    assert (one["name"], one["why"], one["resting"]) == ("sf/main", "open", 2)
    done = orderlane("resume", "account", "sf/main", "--reason", "they called")
    assert (done.exit_code, done.output) == (0, "closed the breaker of account sf/main\n")
    assert listed(orderlane) == []


def test_what_the_engine_paused_for_wrong_credentials_is_resumed_after_the_fix(orderlane, database, shared):
    with database.transaction() as tx:
        assert shut_account(tx, "sf/main", "http_401", 60.0)
    [one] = listed(orderlane)
    assert (one["why"], one["reason"], one["shut_by"]) == ("paused", "http_401", "engine")
    assert orderlane("resume", "account", "sf/main", "--reason", "new password").exit_code == 0
    assert listed(orderlane) == []


def test_without_redis_nothing_is_guessed(orderlane, monkeypatch):
    monkeypatch.setenv("ORDERLANE_REDIS_URL", "redis://localhost:1/0")
    assert orderlane("gates").exit_code == 7
