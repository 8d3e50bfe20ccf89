"""A worker dies at every failpoint from the reading of a refund to its answer; one case, stop and answer remain."""

import json

import pytest

from adapters.after_sale import StopAnswer
from infra.process import failpoints
from infra.process.steps import STEPS
from tests.actors.hand_after_sale import HandAfterSale

OF_CASES = ("pull_cases", "apply_case", "answer")
# A page is stored in a thread of its own, which a death here does not reach.
POINTS = [point for name in OF_CASES for point in STEPS[name].points() if point != "pull_cases.stored"]
# The intent is stored, and nobody knows whether the platform was told: *stopped* is never told twice.
UNCLEAR = {"answer.intended", "answer.before_call"}


class Killed(BaseException):
    """The end of the process, between two instructions."""


def _die(_name, _tx):
    failpoints.arm("")
    raise Killed


@pytest.fixture
def arm(monkeypatch):
    """Let the process die at a point, once."""
    monkeypatch.setitem(failpoints.ACTIONS, "kill", _die)
    yield lambda point: failpoints.arm(json.dumps([{"at": point, "do": "kill"}]))
    failpoints.arm("")


@pytest.fixture
def desk(labelled):
    """The refund of an order that has a waybill, not read yet."""
    labelled.platform.after_sale = HandAfterSale()
    labelled.platform.after_sale.show("1001")
    labelled.platform.refunds.add("1001")
    return labelled.platform.after_sale


def work(stops):
    """Read the cases, stop and answer in rounds, die if it must, and be recovered."""
    merchant, deaths = stops.merchant, 0
    for _ in range(6):
        merchant.fall_due()
        try:
            for step in ("pull_cases", "apply_case"):
                merchant.run(step)
            stops.climb()
            merchant.flow()
            merchant.fall_due()
            merchant.run("answer")
        except Killed:
            deaths += 1
            merchant.rows("UPDATE work SET lease_token = NULL, lease_until = NULL")
            merchant.rows("DELETE FROM flight")
        stops.fall_due()
        merchant.rows(
            "UPDATE order_case SET answer_deadline = now() - interval '1 s' WHERE answer_deadline IS NOT NULL"
        )
    return deaths


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_that_dies_on_the_way_of_a_refund_leaves_one_case_one_stop_and_one_answer(
    labelled, stops, desk, arm, point
):
    arm(point)
    assert work(stops) == 1, "the point was not met"
    cases = labelled.rows("SELECT case_id, answer, answer_status FROM order_case")
    status, told = ("asked", []) if point in UNCLEAR else ("told", [StopAnswer.STOPPED])
    assert cases == [("91001", "stopped", status)]
    assert [one.answer for one in desk.told] == told, "told once at most: it pays the buyer back"
    assert (stops.ends(), stops.living(), labelled.letters()) == (["stopped"], [], [])
    assert stops.breaches() == []
