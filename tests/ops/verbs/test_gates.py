from contextlib import closing

import pytest

from domain.errors import Refused
from domain.gates import GateKind
from infra.accounts.rules import GateRules
from infra.accounts.shared_breaker import CallResults, SharedGates, connect_gates
from infra.config.settings import CourierContract, Guard, Settings
from infra.engine.author import Author
from infra.process.clock import SystemClock
from ops.verbs.gates import resume
from ops.views.gates import gates

MEI = Author("mei", "tests")
SF = CourierContract(name="main", courier="sf", endpoint="http://127.0.0.1:1/", credentials={})


@pytest.fixture
def recovering(redis_url):
    """The gates of a courier whose breaker has just closed: its calls come back step by step."""
    with closing(connect_gates(redis_url.reveal())) as client:
        shared, rules = SharedGates(client), GateRules(failures_max=1, open_ms=1)
        epoch = shared.ask(SF.account, 1, CallResults(), rules).epoch
        shared.ask(SF.account, 0, CallResults(epoch, failed=1), rules)
        while (probe := shared.ask(SF.account, 1, CallResults(), rules)).why != "probe":
            assert probe.why == "open"
        shared.ask(SF.account, 0, CallResults(probe.epoch, passed=1), rules)
        yield shared


@pytest.mark.parametrize(("guard", "is_free"), [(Guard(ramp_calls=1), True), (Guard(ramp_s=600.0), False)])
def test_whether_an_account_is_shut_is_judged_by_the_configured_guard(recovering, database, guard, is_free):
    settings = Settings(couriers=(SF,), guard=guard)
    assert [one.why for one in gates(database, recovering, settings, SystemClock())] == (
        [] if is_free else ["recovering"]
    )
    if is_free:
        with pytest.raises(Refused, match="gate_not_shut"):
            resume(database, recovering, GateKind.ACCOUNT, SF.account, MEI, settings=settings)
    else:
        assert not resume(database, recovering, GateKind.ACCOUNT, SF.account, MEI, settings=settings)
        assert gates(database, recovering, settings, SystemClock()) == []
