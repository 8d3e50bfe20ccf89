"""A courier that does not accept us, and a shop that a person pauses: their orders rest, nobody's fault, and go on."""

import os
import signal
from contextlib import closing

import pytest

from domain.gates import GateKind
from domain.ledger_check import Verdict
from infra.accounts.shared_breaker import SharedGates, connect_gates
from infra.engine.author import Author
from ops.verbs import gates
from workers.supervisor import supervised

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("runs")]

ORDERS = 60
COURIER, ALL_BOOKED = "sf/main", 0.9 * ORDERS
MEI = Author("mei", "tests")


def resume(demo, account):
    with closing(connect_gates(demo.settings.stores.redis_url.reveal())) as client:
        assert gates.resume(demo.db, SharedGates(client), GateKind.ACCOUNT, account, MEI, settings=demo.settings)


def log_of(demo):
    return (demo.stage.folder / "workers.log").read_text()


def test_wrong_credentials_pause_the_courier_once_and_its_orders_go_on_after_the_fix(prepare, until, count, finish):
    with prepare(ORDERS) as demo:
        secret = demo.stage.folder / "secrets/sf_check_word"
        right = secret.read_text()
        secret.write_text("wrong")
        with supervised(demo.supervisor):
            until(lambda: count(demo, "SELECT count(*) FROM package") >= ALL_BOOKED)
            until(lambda: count(demo, "SELECT count(*) FROM gate WHERE shut_by = 'engine'") == 1)
            secret.write_text(right)
            for pid in demo.supervisor.pids("worker"):
                os.kill(pid, signal.SIGKILL)
            resume(demo, COURIER)
            outcome = finish(demo)
        assert log_of(demo).count("account_paused") == 1
        assert count(demo, "SELECT count(*) FROM dead_letter") == 0
        assert count(demo, "SELECT count(*) FROM work WHERE gate IS NOT NULL") == 0
    assert outcome.comparison.agrees, outcome.summary()
    assert outcome.comparison.verdicts[Verdict.DONE] >= ALL_BOOKED


def test_a_paused_courier_is_not_called_and_spends_no_attempt(prepare, until, count, finish):
    with prepare(ORDERS) as demo:
        gates.pause(demo.db, GateKind.ACCOUNT, COURIER, MEI, None)
        with supervised(demo.supervisor):
            until(lambda: count(demo, "SELECT count(*) FROM package") >= ALL_BOOKED)
            assert count(demo, "SELECT count(*) FROM shipment") == 0
            assert count(demo, "SELECT coalesce(max(attempts), 0) FROM work WHERE step = 'label'") == 0
            resume(demo, COURIER)
            outcome = finish(demo)
    assert outcome.comparison.agrees, outcome.summary()
    assert outcome.comparison.verdicts[Verdict.DONE] >= ALL_BOOKED
