"""Stops that a person and the platform ask for together, and stops that are taken back after somebody has refused."""

import copy

import pytest

from adapters.documents import Stop
from domain.errors import Conflict, Refused
from infra.engine.author import Author
from infra.tables.after_sale import store_platform_cases
from ops.verbs.stop_orders import stop, take_back
from tests.actors.hand_after_sale import HandAfterSale

LI = Author("li", "the buyer has called")


def climb(stops):
    for _ in range(4):
        stops.climb()
        stops.fall_due()


def by_case(merchant, first):
    desk = HandAfterSale()
    with merchant.db.transaction() as tx:
        [id_] = store_platform_cases(tx, "taobao/s1", [desk.show("1001")])
        tx.execute("INSERT INTO work (step, subject_id, lane) VALUES ('apply_case', %s, 'p1')", [id_])
    merchant.run("apply_case")


def by_content(merchant, first):
    asked = copy.deepcopy(first) | {"modified": "2026-11-22 10:00:00"}
    asked["orders"]["order"][0]["refund_status"] = "WAIT_SELLER_AGREE"
    merchant.deliver(asked)
    merchant.run("normalize")


def by_person(merchant, first):
    stop(merchant.db, merchant.one("SELECT id FROM orders"), LI)


@pytest.mark.parametrize(
    "askers", [(by_person, by_case), (by_person, by_content), (by_content, by_person), (by_case, by_person)]
)
def test_a_person_takes_back_no_stop_that_the_platform_asks_for_too(labelled, first, askers):
    labelled.scan("accepted")
    for ask in askers:
        ask(labelled, first)
    with pytest.raises(Conflict, match="stop_not_ours"):
        take_back(labelled.db, labelled.one("SELECT id FROM orders"), LI)
    assert (labelled.states(), labelled.holds()) == (["on_hold"], ["stopping"])


def test_control_a_stop_of_a_person_alone_is_taken_back(labelled, first):
    labelled.scan("accepted")
    by_person(labelled, first)
    take_back(labelled.db, labelled.one("SELECT id FROM orders"), LI)
    assert (labelled.states(), labelled.holds()) == (["in_warehouse"], [])


def test_a_waybill_that_its_courier_did_not_cancel_is_wanted_again(labelled, stops):
    labelled.courier.errors = {"cancel": [Refused("credit")]}
    stops.ask()
    climb(stops)
    assert labelled.holds() == ["stopping", "unwanted_waybill"]
    stops.withdraw()
    assert (labelled.states(), labelled.holds(), stops.shipments()) == (["allocated"], [], [(1, "booked", "SF0001")])
    stops.ask()
    climb(stops)
    assert (stops.ends(), stops.living(), stops.breaches()) == (["withdrawn", "stopped"], [], [])


def test_a_warehouse_that_refused_a_stop_which_was_taken_back_is_asked_again(placed, stops):
    placed.warehouse.faults = {"stop": [Refused("busy")]}
    stops.ask()
    placed.run("stop")
    placed.run("recall")
    stops.withdraw()
    assert (placed.states(), placed.holds()) == (["allocated"], [])
    placed.warehouse.answers = {"stop": [Stop.STOPPED]}
    stops.ask()
    climb(stops)
    assert (stops.ends(), stops.documents(), stops.living()) == (["withdrawn", "stopped"], [(1, "stopped")], [])
