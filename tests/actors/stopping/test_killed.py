"""A worker dies at every failpoint of every step of a stop; the next one ends the stop, and nothing is done twice."""

import json

import pytest

from adapters.documents import Stop
from infra.process import failpoints
from infra.process.steps import STEPS

OF_STOPS = ("stop", "recall", "void")
POINTS = [point for name in OF_STOPS for point in STEPS[name].points()]


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


def climb(stops):
    """Work, die if it must, and be recovered."""
    deaths = 0
    for _ in range(6):
        try:
            stops.climb()
        except Killed:
            deaths += 1
            stops.merchant.rows("UPDATE work SET lease_token = NULL, lease_until = NULL")
            stops.merchant.rows("DELETE FROM flight")
        stops.fall_due()
    return deaths


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_that_dies_in_a_stop_leaves_nothing_open(placed, stops, arm, point):
    stops.ask()
    arm(point)
    assert climb(stops) == 1, "the point was not met"
    assert (placed.states(), stops.ends(), placed.holds()) == (["closed"], ["stopped"], [])
    assert (stops.living(), stops.documents(), stops.shipments()) == (
        [],
        [(1, "stopped")],
        [(1, "voided", "SF0001")],
    )
    assert (placed.counters(), stops.breaches(), placed.letters()) == ((10, 0, 0), [], [])
    assert placed.courier.asked["cancel"] <= 2
    assert (stops.cases(), [placed.due(step) for step in OF_STOPS]) == ([], [[], [], []])


@pytest.mark.parametrize("point", [point for point in POINTS if point.startswith(("stop.", "recall."))])
def test_a_worker_that_dies_where_the_warehouse_says_no_voids_nothing(placed, stops, arm, point):
    placed.warehouse.answers = {"stop": [Stop.TOO_LATE] * 3}
    stops.ask()
    arm(point)
    climb(stops)
    assert (placed.states(), stops.ends(), stops.cases()) == (["allocated"], ["too_late"], ["stop_too_late"])
    assert (placed.courier.asked["cancel"], placed.counters(), stops.breaches()) == (0, (10, 0, 2), [])
