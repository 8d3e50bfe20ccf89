"""Goods of stopped orders that a warehouse counts as returned: they are stock once, and no parcel is forgotten."""

from datetime import UTC, datetime

import pytest

from adapters.documents import ReturnedPieces
from adapters.ports import Interception, WarehouseEvent
from domain.stops import StopCode, StopGoal

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)


def climb(stops):
    for _ in range(4):
        stops.climb()
        stops.fall_due()


def count(merchant):
    """The warehouse tells that all pieces of the first waybill came back."""
    reference = merchant.one("SELECT reference FROM shipment ORDER BY id LIMIT 1")
    pieces = (ReturnedPieces("TEE-1", 2, 0),)
    merchant.warehouse.scans.append(WarehouseEvent("r1", reference, "", "returned", AT, returned=pieces))
    merchant.rows("UPDATE work SET due_at = now() - interval '1 second' WHERE step = 'warehouse'")
    merchant.run("warehouse")
    assert merchant.one("SELECT sum(sellable) FROM parcel_return_line") == 2


@pytest.mark.parametrize("packed", [False, True])
def test_pieces_that_a_stop_has_freed_are_not_stock_twice(placed, stops, packed):
    if packed:
        placed.scan("packed")
    stops.ask()
    climb(stops)
    assert (stops.ends(), placed.counters()) == (["stopped"], (10, 0, 0))
    count(placed)
    assert (placed.counters(), placed.states(), stops.breaches()) == ((10, 0, 0), ["closed"], [])


def test_a_count_of_the_former_package_takes_nothing_from_the_order_that_was_made_anew(placed, stops):
    placed.scan("packed")
    stops.ask(code=StopCode.RELABEL, goal=StopGoal.REBUILD)
    climb(stops)
    placed.flow("label")
    placed.run("dispatch")
    assert placed.counters() == (10, 0, 2)
    count(placed)
    assert (placed.counters(), placed.states(), stops.breaches()) == ((10, 0, 2), ["allocated"], [])


@pytest.fixture
def taken(placed, stops):
    """A parcel that has left, and whose courier has taken the interception."""
    placed.courier.can_intercept = True
    placed.scan("packed", "handed_over")
    stops.ask()
    climb(stops)
    assert placed.one("SELECT intercept_status FROM shipment") == "taken"
    return placed


def test_a_parcel_that_comes_back_after_its_stop_was_withdrawn_is_a_case(taken, stops):
    stops.withdraw()
    taken.courier.can_ask_intercept = True
    taken.courier.outcomes = {"SF0001": Interception.STOPPED}
    climb(stops)
    count(taken)
    assert (stops.ends(), stops.cases(), taken.counters()) == (["withdrawn"], ["ship_anew"], (10, 0, 0))


def test_goods_that_came_back_prove_the_stop_that_had_come_too_late(taken, stops):
    taken.rows("UPDATE shipment SET intercept_wanted_at = now() - interval '73 hours'")
    climb(stops)
    assert (stops.ends(), taken.states()) == (["too_late"], ["in_transit"])
    count(taken)
    assert (stops.ends(), taken.states(), taken.counters()) == (["stopped"], ["closed"], (10, 0, 0))
