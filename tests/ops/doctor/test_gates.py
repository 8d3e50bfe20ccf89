from contextlib import closing
from datetime import UTC, datetime

import pytest

from domain.errors import Transient
from domain.gates import GateKind
from infra.accounts.account import AccountGate
from infra.accounts.rules import GateRules
from infra.accounts.shared_breaker import SharedGates, connect_gates
from infra.config.settings import CourierContract, Settings
from infra.engine.author import Author
from infra.process.clock import SystemClock
from infra.tables.gates import shut_account
from ops.doctor import gates
from ops.doctor.check import Level
from ops.verbs.gates import pause

SETTINGS = Settings(couriers=(CourierContract(name="main", courier="sf", endpoint="http://localhost", credentials={}),))
MEI = Author("mei", "stocktaking")


@pytest.fixture
def look(database, redis_url, redis):
    def look(url=None):
        found = gates.shut(database, url or redis_url.reveal(), SETTINGS, SystemClock())
        return {check.name: check for check in found}

    return look


@pytest.fixture
def due(database):
    """Due work in a lane."""

    def due(count, lane, account="sf/main"):
        with database.connection() as connection:
            connection.execute(
                "INSERT INTO work (step, subject_id, lane, account) "
                "SELECT 'label', nextval('worker_number'), %s, %s FROM generate_series(1, %s)",
                [lane, account, count],
            )

    return due


def test_open_gates_are_one_line(look):
    assert {name: check.level for name, check in look().items()} == {"gates": Level.OK}


def test_a_pause_says_since_when_by_whom_why_and_what_waits(database, look, due):
    due(3, "bulk")
    due(2, "p0")
    until = datetime(2099, 1, 1, tzinfo=UTC)
    pause(database, GateKind.ACCOUNT, "sf/main", MEI, until)
    pause(database, GateKind.LANE, "bulk", MEI, None)
    pause(database, GateKind.STEP, "label", MEI, None)
    found = look()
    account = found["gate account sf/main"]
    assert account.level is Level.WARN
    assert " until 01-01 08:00:00 (UTC+8) by mei: stocktaking; 5 pieces of work wait" in account.message
    assert "orderlane resume account sf/main" in account.advice
    assert "; 3 pieces of work wait" in found["gate lane bulk"].message
    assert "; 5 pieces of work wait" in found["gate step label"].message


@pytest.mark.parametrize(
    ("reason", "advice"),
    [("http_401", "put its credentials right"), ("timestamp_invalid", "put the clock of every machine with workers")],
)
def test_what_the_engine_paused_says_what_to_do(database, look, reason, advice):
    with database.transaction() as tx:
        shut_account(tx, "sf/main", reason, 60.0)
    [check] = look().values()
    assert f"by engine: {reason}" in check.message
    assert check.advice.startswith(advice)


def test_an_open_breaker_is_a_line_and_one_that_recovers_is_none(look, redis_url):
    with closing(connect_gates(redis_url.reveal())) as client:
        shared = SharedGates(client)
        gate = AccountGate("sf/main", GateRules(failures_max=1), shared, SystemClock(), share=1.0)
        gate.begin().end(Transient("connection_failed"))
        assert "open" in look()["gate account sf/main"].message


def test_without_redis_the_pauses_are_told_all_the_same(database, look):
    pause(database, GateKind.ACCOUNT, "sf/main", MEI, None)
    assert list(look("redis://127.0.0.1:1/0")) == ["gate account sf/main"]
