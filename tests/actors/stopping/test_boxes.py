"""Stops of orders whose warehouse has booked the waybills itself, box by box."""

from datetime import UTC, datetime

import pytest

from adapters.documents import EventPackage
from adapters.ports import WarehouseEvent
from infra.tables.after_sale import store_platform_cases
from tests.actors.hand_after_sale import HandAfterSale

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
ONE, TWO = (EventPackage(f"SF900000000{number}", "sf", 0, (("1001", 1),)) for number in (1, 2))


def climb(stops):
    for _ in range(4):
        stops.climb()
        stops.fall_due()


def tell(merchant, kind, *boxes):
    reference = merchant.one("SELECT reference FROM placement")
    number = f"b{len(merchant.warehouse.scans)}"
    merchant.warehouse.scans.append(WarehouseEvent(number, reference, "", kind, AT, packages=boxes))
    merchant.rows("UPDATE work SET due_at = now() - interval '1 second' WHERE step = 'warehouse'")
    merchant.run("warehouse")


@pytest.fixture
def packed(merchant, take_orders, first):
    """An order of two boxes, which its warehouse has packed and booked."""
    take_orders(books_waybill=True)
    merchant.courier.can_intercept = False
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(first)
    merchant.flow("label")
    merchant.run("dispatch")
    tell(merchant, "packed", ONE, TWO)
    assert (merchant.states(), merchant.one("SELECT count(*) FROM shipment WHERE status = 'booked'")) == (["packed"], 2)
    return merchant


def test_waybills_that_end_with_their_document_are_somebodys_to_look_at_and_the_platform_hears_the_truth(packed, stops):
    packed.platform.after_sale = desk = HandAfterSale()
    with packed.db.transaction() as tx:
        [id_] = store_platform_cases(tx, "taobao/s1", [desk.show("1001")])
        tx.execute("INSERT INTO work (step, subject_id, lane) VALUES ('apply_case', %s, 'p1')", [id_])
    packed.run("apply_case")
    stops.ask()
    climb(stops)
    assert (packed.states(), stops.ends(), packed.counters()) == (["closed"], ["stopped"], (10, 0, 0))
    assert stops.cases() == ["pre_ship", "unwanted_waybill", "unwanted_waybill"]
    assert stops.breaches() == []
    packed.run("answer")
    assert [(one.answer, one.code) for one in desk.told] == [("stopped", "stopped")]


def test_an_order_of_which_a_box_is_still_to_leave_is_not_told_to_come_back(packed, stops):
    tell(packed, "handed_over", ONE)
    packed.rows("UPDATE shipment SET intercept_status = 'confirmed' WHERE waybill = %s", ONE.waybill)
    stops.ask()
    climb(stops)
    assert (packed.states(), stops.ends(), stops.cases()) == (["in_transit"], ["too_late"], ["stop_too_late"])


def test_control_an_order_whose_boxes_have_all_turned_comes_back(packed, stops):
    tell(packed, "handed_over", ONE, TWO)
    packed.rows("UPDATE shipment SET intercept_status = 'confirmed'")
    stops.ask()
    climb(stops)
    assert (packed.states(), stops.ends(), stops.cases()) == (["after_sale"], ["coming_back"], [])
