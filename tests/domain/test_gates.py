from datetime import UTC, datetime

import pytest

from domain.errors import Conflict, Malformed, Misconfigured, Poison, Refused, Throttled, Transient, UnknownOutcome
from domain.gates import GateKind, GateShut, Pause, is_sickness, pause_before

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def paused(kind, name):
    return Pause(kind, name, "why", "who", NOW, None)


@pytest.mark.parametrize("error", [Transient("x"), UnknownOutcome("x"), Malformed("x")])
def test_a_server_that_fails_is_sick(error):
    assert is_sickness(error)


@pytest.mark.parametrize(
    "error",
    [
        Refused("x"),
        Conflict("x"),
        Poison("x"),
        Misconfigured("x"),
        Throttled("x", after_s=1),
        GateShut("sf/main", "open", after_s=1),
        ValueError(),
    ],
)
def test_an_answer_we_do_not_like_is_no_sickness(error):
    assert not is_sickness(error)


def test_a_pause_stands_before_its_step_lane_or_account_only():
    pauses = [paused(GateKind.STEP, "label"), paused(GateKind.LANE, "bulk"), paused(GateKind.ACCOUNT, "sf/main")]
    assert pause_before(pauses, step="label", lane="p0", account="yto/a") is pauses[0]
    assert pause_before(pauses, step="review", lane="bulk") is pauses[1]
    assert pause_before(pauses, account="sf/main") is pauses[2]
    assert pause_before(pauses, step="review", lane="p0", account="bulk") is None


def test_inner_work_has_no_account_and_meets_no_account_gate():
    assert pause_before([paused(GateKind.ACCOUNT, "")], step="review", lane="p0", account="") is None


def test_a_shut_gate_names_the_account_and_what_keeps_it_shut():
    shut = GateShut("sf/main", "open", after_s=7.5)
    assert (shut.code, shut.account, shut.after_s) == ("gate_shut", "sf/main", 7.5)
    assert shut.facts == {"account": "sf/main", "why": "open"}
