"""The clocks of stops, interceptions and expected returns are rows of the one table of clocks."""

from datetime import timedelta

import pytest

from domain.clocks import CLOCKS, ClockName
from ops.views.clocks import running_clocks
from tests.actors.coming_back.conftest import COLLECTED, TURNED

STOP_ANSWER, INTERCEPT, RETURN = ClockName.STOP_ANSWER, ClockName.INTERCEPT, ClockName.EXPECTED_RETURN


def running(returning, clock, **how):
    return running_clocks(returning.db, [clock], limit=10, **how)


@pytest.fixture
def confirmed(wanted):
    wanted.track(COLLECTED)
    wanted.intercept()
    wanted.track(COLLECTED, TURNED)
    wanted.intercept()
    return wanted


def test_an_interception_runs_until_its_point_of_no_return(wanted):
    [one] = running(wanted, INTERCEPT)
    assert (one.waybill, one.owner, one.until - one.since) == ("SF0001", "service", timedelta(hours=72))
    wanted.rows("UPDATE shipment SET intercept_wanted_at = now() - interval '73 hours'")
    assert [one.is_late for one in running(wanted, INTERCEPT)] == [True]
    assert running(wanted, INTERCEPT, shop="taobao/s2") == []
    wanted.rows("UPDATE package SET collected_at = now()")
    assert [one.is_late for one in running(wanted, INTERCEPT)] == [False], "its courier has it only now"
    assert running(wanted, INTERCEPT, within_h=71) == []
    assert len(running(wanted, INTERCEPT, within_h=73)) == 1


def test_an_expected_return_runs_from_its_proof_until_its_count(confirmed):
    assert running(confirmed, INTERCEPT) == []
    [one] = running(confirmed, RETURN)
    assert (one.waybill, one.owner, one.until - one.since) == ("SF0001", "warehouse", timedelta(hours=240))
    assert running(confirmed, RETURN, within_h=239) == []
    confirmed.rows("UPDATE parcel_return SET received_at = now(), received_by = 'li', location = 'east'")
    assert running(confirmed, RETURN) == []


def test_a_stop_that_somebody_waits_for_runs_until_its_answer(wanted):
    assert running(wanted, STOP_ANSWER) == [], "nobody said until when"
    wanted.rows("UPDATE stop SET until_at = now() + interval '5 hours'")
    [one] = running(wanted, STOP_ANSWER)
    assert (one.owner, one.waybill, one.is_late) == ("service", None, False)
    assert running(wanted, STOP_ANSWER, within_h=4) == []
    wanted.rows("UPDATE stop SET status = 'too_late', ended_at = now()")
    assert running(wanted, STOP_ANSWER) == []


def test_the_clock_of_an_interception_is_the_one_that_the_step_asks():
    assert CLOCKS[INTERCEPT].span == timedelta(hours=72)
