"""A stop locks the parts of its order in one go, so that it never waits in a circle with a newer content."""

import json

import pytest

from domain.stops import StopCode, StopGoal
from infra.process import failpoints


@pytest.fixture
def at_decision(monkeypatch):
    """Call something while a stop has its locks and is about to decide."""
    called = []

    def let(look):
        def act(_name, _tx):
            failpoints.arm("")
            called.append(look())

        monkeypatch.setitem(failpoints.ACTIONS, "raise", act)
        failpoints.arm(json.dumps([{"at": "stop.decide", "do": "raise"}]))
        return called

    yield let
    failpoints.arm("")


def test_the_stop_of_one_part_locks_the_parts_before_it_too(labelled, stops, at_decision):
    [whole] = stops.parts()
    part = labelled.one(
        """INSERT INTO fulfillment_order (order_id, number, state, lane)
           SELECT order_id, 2, 'paid', lane FROM fulfillment_order RETURNING id"""
    )
    stops.ask(code=StopCode.RELABEL, goal=StopGoal.REBUILD, part=part)
    free = "SELECT id FROM fulfillment_order ORDER BY id FOR UPDATE SKIP LOCKED"
    seen = at_decision(lambda: labelled.rows(free))
    labelled.run("stop")
    assert whole < part
    assert seen == [[]], "the order's content is read under locks that were taken in one go"
