"""Waybills that nobody wants: of closed orders, of calls that nobody heard the end of, of refused documents."""

import pytest

from adapters.documents import DocumentRefusedError, RefusalCode
from domain.errors import Conflict, Refused, Transient, UnknownOutcome
from domain.holds import HoldCode
from domain.stops import StopGoal
from infra.engine.author import Author
from ops.verbs.holds import release
from ops.verbs.stop_orders import stop

LI = Author("li", "looked at it")
CLOSED = {"status": "TRADE_CLOSED", "modified": "2026-11-22 10:00:00"}


class Killed(BaseException):
    """The end of the process, between two instructions."""


def becomes(merchant, trade, changes):
    merchant.deliver(trade | changes)
    merchant.run("normalize")


def test_an_order_that_its_platform_closes_after_the_label_is_voided_and_closed(labelled, first, stops):
    becomes(labelled, first, CLOSED)
    assert (labelled.states(), labelled.holds()) == (["on_hold"], ["stopping"])
    stops.climb()
    assert (labelled.states(), labelled.holds(), stops.ends()) == (["closed"], [], ["stopped"])
    assert (stops.shipments(), stops.living()) == ([(1, "voided", "SF0001")], [])
    assert (labelled.counters(), stops.breaches()) == ((10, 0, 0), [])
    assert labelled.one("SELECT closed_reason FROM fulfillment_order") == "stopped"


def test_a_worker_that_died_after_the_booking_leaves_no_waybill_that_nobody_knows(merchant, first, stops):
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(first)
    merchant.flow("route")
    merchant.courier.errors = {"after_create": [Killed()]}
    stops.crash(Killed, "label")
    becomes(merchant, first, CLOSED)
    stops.climb()
    assert (merchant.states(), stops.living()) == (["on_hold"], ["SF0001"]), "its call may still run"
    stops.fall_due()
    stops.climb()
    assert (merchant.states(), stops.ends(), stops.living()) == (["closed"], ["stopped"], [])
    assert (stops.shipments(), merchant.courier.asked["create"]) == ([(1, "voided", "SF0001")], 1)
    assert (merchant.counters(), stops.breaches()) == ((10, 0, 0), [])


def test_an_order_that_closes_while_the_courier_is_called_is_voided(merchant, first, stops):
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(first)
    merchant.flow("route")
    create = merchant.courier.create

    async def slow(booking):
        merchant.deliver(first | CLOSED)
        merchant.run("normalize")
        return await create(booking)

    merchant.courier.create = slow
    merchant.run("label")
    merchant.courier.create = create
    stops.fall_due()
    merchant.run("normalize")
    stops.climb()
    assert (merchant.states(), stops.ends(), stops.living()) == (["closed"], ["stopped"], [])
    assert (merchant.counters(), stops.breaches()) == ((10, 0, 0), [])


def test_a_document_that_its_warehouse_refuses_loses_its_waybill(placed, stops, trade):
    placed.warehouse.faults = {"place": [DocumentRefusedError(RefusalCode.CAPACITY)]}
    placed.deliver(trade(tid="1002"))
    placed.flow("label")
    placed.run("dispatch")
    placed.run("void")
    assert stops.shipments() == [(1, "booked", "SF0001"), (1, "voided", "SF0002")]
    assert (stops.living(), placed.holds(), stops.breaches()) == (["SF0001"], [], [])


@pytest.mark.parametrize("error", [Transient("down"), UnknownOutcome("timeout")])
def test_a_cancel_that_failed_is_asked_about_and_made_again(labelled, first, stops, error):
    labelled.courier.errors = {"cancel": [error]}
    becomes(labelled, first, CLOSED)
    stops.climb()
    assert (labelled.states(), stops.living()) == (["on_hold"], ["SF0001"])
    stops.fall_due()
    stops.climb()
    assert (labelled.states(), stops.ends(), stops.living()) == (["closed"], ["stopped"], [])


def test_a_cancel_whose_answer_is_lost_is_not_made_twice(labelled, first, stops):
    labelled.courier.errors = {"after_cancel": [UnknownOutcome("timeout")]}
    becomes(labelled, first, CLOSED)
    stops.climb()
    stops.fall_due()
    stops.climb()
    assert (labelled.states(), stops.ends()) == (["closed"], ["stopped"])
    assert (labelled.courier.asked["cancel"], labelled.courier.asked["find"]) == (1, 1)


@pytest.mark.parametrize("error", [Refused("credit"), Conflict("odd")])
def test_a_refused_cancel_is_somebodys_and_the_order_waits(labelled, first, stops, error):
    labelled.courier.errors = {"cancel": [error]}
    becomes(labelled, first, CLOSED)
    stops.climb()
    assert (labelled.states(), labelled.holds()) == (["on_hold"], ["stopping", "unwanted_waybill"])
    assert stops.status() == [("close", "asked", "void_by_hand")]
    [(owner, waybill)] = labelled.rows("SELECT owner, facts ->> 'waybill' FROM hold WHERE code = 'unwanted_waybill'")
    assert (owner, waybill) == ("logistics", "SF0001")
    release(labelled.db, labelled.one("SELECT id FROM orders"), HoldCode.UNWANTED_WAYBILL, LI)
    stops.climb()
    assert (labelled.states(), stops.ends(), labelled.holds()) == (["closed"], ["stopped"], [])
    assert stops.breaches() == []


def test_a_stop_is_not_released_as_a_hold_is(labelled, first):
    becomes(labelled, first, CLOSED)
    with pytest.raises(Conflict, match="stop_open"):
        release(labelled.db, labelled.one("SELECT id FROM orders"), HoldCode.STOPPING, LI)


def test_a_parcel_that_its_courier_has_already_is_not_told_as_stopped(labelled, first, stops):
    labelled.courier.errors = {"cancel": [Conflict("shipment_collected")]}
    becomes(labelled, first, CLOSED)
    stops.climb()
    assert (stops.ends(), stops.cases()) == (["too_late"], ["stop_too_late"])
    assert (labelled.states(), labelled.holds(), stops.shipments()) == (["allocated"], [], [(1, "booked", "SF0001")])
    assert labelled.counters() == (10, 0, 2), "the pieces are not free"


def test_a_shipment_that_its_courier_does_not_know_is_voided(labelled, first, stops):
    labelled.courier.waybills = []
    labelled.courier.errors = {"cancel": [Conflict("shipment_not_found")]}
    becomes(labelled, first, CLOSED)
    stops.climb()
    assert (stops.ends(), stops.shipments()) == (["stopped"], [(1, "voided", "SF0001")])


def test_a_waybill_that_the_courier_denies_and_shows_is_asked_about_again(labelled, first, stops):
    labelled.courier.errors = {"cancel": [Conflict("shipment_not_found")]}
    becomes(labelled, first, CLOSED)
    stops.climb()
    assert (stops.ends(), stops.living()) == (["asked"], ["SF0001"])


@pytest.mark.parametrize(("changes", "kinds"), [({}, ["unwanted_waybill"]), (CLOSED, [])])
def test_a_waybill_that_its_platform_was_told_is_somebodys_once_it_is_void(make_merchant, trade, changes, kinds):
    """The platform shows a number that does not travel. Of a closed trade nobody looks at it."""
    told = make_merchant(ship_on="label")
    told.stock(**{"TEE-1": 10})
    told.deliver(trade(tid="1001"))
    told.flow()
    assert told.platform.told == ["SF0001"]
    if changes:
        becomes(told, trade(tid="1001"), changes)
    else:
        stop(told.db, told.one("SELECT id FROM orders"), LI)
    told.end_stops()
    assert (told.states(), told.rows("SELECT status FROM shipment")) == (["closed"], [("voided",)])
    assert [kind for (kind,) in told.rows("SELECT kind FROM order_case")] == kinds
    assert told.rows("SELECT facts ->> 'waybill', facts ->> 'told_to_platform' FROM order_case") == (
        [("SF0001", "true")] if kinds else []
    )


def test_a_package_that_a_stop_has_cancelled_is_not_labelled_once_its_order_is_allocated_again(merchant, first, stops):
    """Its label work may wait behind a limit for longer than the stop and the new routing last."""
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(first)
    merchant.flow("route")
    stops.ask(goal=StopGoal.REBUILD)
    for step in ("stop", "review", "route"):
        merchant.run(step)
    assert (merchant.states(), stops.ends()) == (["allocated"], ["stopped"])
    merchant.run("label")
    assert merchant.courier.asked["create"] == 1
    assert merchant.rows("SELECT cancelled_at IS NULL FROM package ORDER BY id") == [(False,), (True,)]
    assert merchant.rows(
        "SELECT p.cancelled_at IS NULL FROM shipment AS s JOIN package AS p ON p.id = s.package_id"
    ) == [(True,)]
    assert stops.breaches() == []
