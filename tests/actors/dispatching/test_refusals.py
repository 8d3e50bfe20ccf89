"""Orders that their warehouse refuses: the stock is corrected, and another location ships them."""

import pytest

from adapters.documents import Capabilities, DocumentProgress, DocumentRefusedError, EventLine, RefusalCode
from domain.dispatch import code_of
from domain.errors import Refused, UnknownOutcome
from domain.holds import HoldCode
from infra.engine.author import Author
from infra.tables.tracking import deliveries
from ops.verbs.hold_orders import hold
from ops.verbs.holds import release
from ops.verbs.void_packages import void

LI = Author("li", "the buyer called")


def refuse(merchant, reason=RefusalCode.SHORT, lines=(), warehouse=None):
    (warehouse or merchant.warehouse).faults["place"] = [DocumentRefusedError(reason, "no", lines)]


def unwanted(merchant):
    """Waybills of the open cases about waybills that nobody wants."""
    rows = merchant.rows("SELECT facts ->> 'waybill' FROM order_case WHERE kind = 'unwanted_waybill' ORDER BY id")
    return [waybill for (waybill,) in rows]


def test_a_waybill_left_behind_that_lives_keeps_no_hold_from_ending_and_no_order_open(labelled, documents):
    labelled.courier.errors = {"cancel": [Refused("credit")]}
    labelled.stock("west", **{"TEE-1": 10})
    refuse(labelled)
    for step in ("dispatch", "void", "route"):
        labelled.run(step)
    assert labelled.holds() == []
    order = labelled.one("SELECT id FROM orders")
    id_ = labelled.one("SELECT id FROM fulfillment_order")
    hold(labelled.db, order, HoldCode.MANUAL, LI)
    assert release(labelled.db, order, HoldCode.MANUAL, LI).still_held_by == ()
    assert labelled.states() == ["allocated"]
    labelled.run("label")
    labelled.run("dispatch")
    labelled.scan("handed_over", reference=labelled.one("SELECT max(reference) FROM shipment"))
    labelled.rows("UPDATE package SET delivered_at = now() WHERE handed_over_at IS NOT NULL")
    with labelled.db.transaction() as tx:
        assert not deliveries(tx, [id_])[id_].has_case
    assert unwanted(labelled) == ["SF0001"]
    void(labelled.db, labelled.one("SELECT min(id) FROM package"), LI)
    labelled.run("void")
    assert labelled.one("SELECT closed_by FROM order_case WHERE kind = 'unwanted_waybill'") == "engine"


def test_a_refusal_corrects_the_stock_and_the_order_is_routed_elsewhere(labelled, documents):
    labelled.stock("west", **{"TEE-1": 10})
    refuse(labelled)
    labelled.run("dispatch")
    assert (labelled.states(), labelled.due("route")) == (["approved"], [(1, 0)])
    assert documents.here("east") == (0, 0)
    assert labelled.counters() == (10, 2, 0)
    assert (labelled.holds(), documents.breaches()) == ([], [])
    for step in ("route", "void", "label", "dispatch"):
        labelled.run(step)
    assert documents.placements() == [("east", 1, "refused", "short", False), ("west", 2, "placed", "", False)]
    assert labelled.rows("SELECT location, cancelled_at IS NOT NULL FROM package ORDER BY id") == [
        ("east", True),
        ("west", False),
    ]
    assert labelled.rows("SELECT waybill, status FROM shipment ORDER BY id") == [
        ("SF0001", "voided"),
        ("SF0002", "booked"),
    ]
    [[facts]] = labelled.rows("SELECT facts FROM event WHERE kind = 'route_moved' ORDER BY id DESC LIMIT 1")
    assert facts["excluded"] == "east (short)"
    assert [one.number for one in labelled.courier.waybills if one.alive] == ["SF0002"]
    assert labelled.counters() == (10, 0, 2)
    assert documents.breaches() == []
    [[before, after]] = labelled.rows("SELECT before, after FROM audit WHERE verb = 'stock_corrected'")
    assert (before, after) == ({"on_hand": {"TEE-1": 10}}, {"on_hand": {"TEE-1": 0}})


@pytest.mark.parametrize(
    ("reason", "lines", "on_hand"),
    [
        (RefusalCode.SHORT, (EventLine("1001", "TEE-1", 2, 1),), 0),
        (RefusalCode.UNKNOWN_SKU, (), 0),
        (RefusalCode.CAPACITY, (), 10),
        (RefusalCode.OTHER, (), 10),
    ],
)
def test_each_reason_corrects_the_stock_in_its_way(labelled, reason, lines, on_hand, documents):
    labelled.stock("west", **{"TEE-1": 10})
    refuse(labelled, reason, lines)
    labelled.run("dispatch")
    assert documents.here("east") == (on_hand, 0)
    assert labelled.states() == ["approved"]
    labelled.run("route")
    assert labelled.one("SELECT location FROM fulfillment_order") == "west"
    assert documents.breaches() == []


def test_pieces_that_other_orders_were_promised_there_stay_theirs(told, trade, documents):
    told.stock(**{"TEE-1": 10})
    told.stock("west", **{"TEE-1": 10})
    told.deliver(trade(tid="1001", pieces=2))
    told.flow("route")
    told.deliver(trade(tid="1002", pieces=3))
    told.flow("label")
    told.warehouse.faults["place"] = [DocumentRefusedError(RefusalCode.SHORT)]
    told.run("dispatch")
    on_hand, allocated = documents.here("east")
    assert on_hand == allocated
    assert sorted(told.states()) == ["allocated", "approved"]
    assert documents.breaches() == []


def test_when_no_location_is_left_the_order_is_held_as_the_router_does(labelled, documents):
    refuse(labelled, RefusalCode.CAPACITY)
    labelled.run("dispatch")
    labelled.run("route")
    assert labelled.states() == ["on_hold"]
    assert labelled.holds() == ["stock_short_paid"]
    [[facts]] = labelled.rows("SELECT facts FROM hold WHERE code = 'stock_short_paid'")
    assert facts["excluded"] == "east (capacity)"
    assert documents.breaches() == []


def test_an_order_whose_promise_went_with_the_stock_waits_for_more(labelled, documents):
    refuse(labelled)
    labelled.run("dispatch")
    assert labelled.counters() == (0, 0, 0)
    labelled.run("route")
    assert (labelled.states(), labelled.holds()) == (["on_hold"], ["stock_conflict"])
    assert documents.breaches() == []


def test_a_refusal_that_is_found_later_counts_as_one(labelled, documents):
    labelled.stock("west", **{"TEE-1": 10})
    labelled.warehouse.faults = {"after_place": [UnknownOutcome("reset")]}
    labelled.run("dispatch")
    [reference] = labelled.warehouse.documents
    labelled.warehouse.progress[reference] = DocumentProgress.REFUSED
    documents.fall_due()
    labelled.run("dispatch")
    assert documents.placements() == [("east", 1, "refused", "other", False)]
    assert labelled.states() == ["approved"]


def test_a_refusal_during_a_hold_is_routed_again_after_its_release(labelled):
    labelled.stock("west", **{"TEE-1": 10})
    place = labelled.warehouse.place

    async def held(document):
        labelled.rows("UPDATE fulfillment_order SET state = 'on_hold', resume_state = 'allocated'")
        return await place(document)

    labelled.warehouse.place = held
    refuse(labelled)
    labelled.run("dispatch")
    assert labelled.rows("SELECT state, resume_state, location FROM fulfillment_order") == [
        ("on_hold", "approved", None)
    ]
    assert labelled.due("route") == []


def test_the_platform_hears_nothing_of_a_refused_label(make_merchant, trade):
    merchant = make_merchant(ship_on="label")
    for warehouse in merchant.tools.warehouses.values():
        warehouse.capabilities = Capabilities()
    merchant.stock(**{"TEE-1": 10})
    merchant.stock("west", **{"TEE-1": 10})
    merchant.deliver(trade(tid="1001"))
    merchant.flow("label")
    refuse(merchant)
    for step in ("dispatch", "route", "label", "dispatch", "writeback"):
        merchant.run(step)
    assert merchant.platform.told == ["SF0002"]


def test_every_code_of_the_port_is_known_to_the_rules():
    assert {code_of(code) for code in RefusalCode} == set(RefusalCode)
    assert code_of("rain") == RefusalCode.OTHER
