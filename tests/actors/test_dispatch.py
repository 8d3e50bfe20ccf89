"""Handing documents to a warehouse: once each, whatever the answers do."""

from dataclasses import replace

import pytest

from adapters.documents import Capabilities, DocumentRefusedError, EventLine, Progress, RefusalCode
from domain.errors import Conflict, Malformed, Misconfigured, Refused, Throttled, Transient, UnknownOutcome
from infra.monitoring.invariants import find_breaches
from workers.order_takers import note_order_takers_of

TAKES = Capabilities()
OPEN_TRANSACTIONS = """SELECT count(*) FROM pg_stat_activity
    WHERE state LIKE 'idle in transaction%%' AND datname = current_database()"""


class Killed(BaseException):
    """Stands for kill -9: nothing of this process runs on."""


@pytest.fixture
def told(merchant):
    """The merchant, whose warehouses in the east and the west take orders."""
    for warehouse in merchant.tools.warehouses.values():
        warehouse.capabilities = TAKES
    note_order_takers_of(merchant.tools)
    return merchant


@pytest.fixture
def labelled(told, trade):
    """One order with a label, not handed over yet."""
    told.stock(**{"TEE-1": 10})
    told.deliver(trade(tid="1001", pieces=2))
    told.flow("label")
    return told


def placements(merchant):
    return merchant.rows(
        "SELECT location, generation, status, code, call_deadline IS NOT NULL FROM placement ORDER BY id"
    )


def crash(merchant):
    with pytest.raises(Killed):
        merchant.run("dispatch")
    merchant.rows("DELETE FROM flight")
    merchant.rows("UPDATE work SET lease_token = NULL, lease_until = NULL")


def fall_due(merchant):
    merchant.fall_due()
    merchant.rows("UPDATE placement SET call_deadline = now() - interval '1 second' WHERE call_deadline IS NOT NULL")


def breaches(merchant):
    with merchant.db.connection() as session:
        return [str(one) for one in find_breaches(session)]


def test_label_leads_to_dispatch_and_the_warehouse_gets_one_document(labelled):
    assert labelled.due("dispatch") == [(1, 0)]
    labelled.run("dispatch")
    [[document]] = labelled.warehouse.documents.values()
    [package] = document.packages
    assert [(line.sku, line.quantity) for line in document.lines] == [("TEE-1", 2)]
    assert (package.courier, package.waybill) == ("sf", "SF0001")
    assert (document.shop, document.receiver, document.merge_token) == ("taobao/s1", None, "oaid-1")
    assert placements(labelled) == [("east", 1, "placed", "", False)]
    assert labelled.states() == ["allocated"]
    assert labelled.due("dispatch") == []
    assert breaches(labelled) == []


def test_where_no_orders_are_taken_nothing_is_dispatched(merchant, trade):
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(trade(tid="1001"))
    merchant.flow("label")
    assert merchant.due("dispatch") == []
    assert placements(merchant) == []
    assert merchant.warehouse.asked == {}


def test_a_warehouse_that_is_told_its_receiver_gets_the_plain_one(labelled):
    labelled.warehouse.capabilities = Capabilities(needs_receiver=True)
    labelled.run("dispatch")
    [[document]] = labelled.warehouse.documents.values()
    assert document.receiver.name == "林小满"
    assert "林小满" not in str(labelled.rows("SELECT * FROM placement"))


def test_the_answer_to_the_label_counts_for_90_seconds(labelled):
    asked = labelled.platform.asked["fetch"]
    labelled.run("dispatch")
    assert labelled.platform.asked["fetch"] == asked


def test_an_older_answer_is_asked_for_again(labelled):
    asked = labelled.platform.asked["fetch"]
    labelled.rows("UPDATE shipment SET checked_at = checked_at - interval '91 seconds'")
    labelled.run("dispatch")
    assert labelled.platform.asked["fetch"] == asked + 1
    assert placements(labelled) == [("east", 1, "placed", "", False)]
    assert labelled.one("SELECT checked_at > now() - interval '10 seconds' FROM placement")


def test_a_label_that_was_only_found_has_no_answer(told, trade):
    told.stock(**{"TEE-1": 10})
    told.deliver(trade(tid="1001"))
    told.courier.errors = {"after_create": [UnknownOutcome("reset")]}
    told.flow("label")
    told.fall_due()
    told.run("label")
    assert told.one("SELECT checked_at IS NULL FROM shipment")
    asked = told.platform.asked["fetch"]
    told.run("dispatch")
    assert told.platform.asked["fetch"] == asked + 1
    assert [status for _, _, status, *_ in placements(told)] == ["placed"]


@pytest.mark.parametrize("error", [Transient("down"), Malformed("odd"), KeyError("defect")])
def test_without_an_answer_nothing_is_placed(labelled, error):
    labelled.rows("UPDATE shipment SET checked_at = NULL")
    labelled.platform.errors = {"fetch": [error]}
    labelled.run("dispatch")
    assert labelled.warehouse.asked["place"] == 0
    assert [attempts for _, attempts in labelled.due("dispatch")] == [1]


def test_a_refund_seen_now_holds_the_order_and_nothing_is_placed(labelled):
    labelled.rows("UPDATE shipment SET checked_at = NULL")
    labelled.platform.refunds.add("1001")
    labelled.run("dispatch")
    assert (labelled.states(), labelled.holds()) == (["on_hold"], ["refund_requested"])
    assert labelled.warehouse.asked == {}
    labelled.run("normalize")
    assert labelled.holds() == ["refund_requested"], "the update opens no second hold"
    assert breaches(labelled) == []


def test_an_answer_that_was_asked_for_a_failed_call_counts_for_the_next(labelled):
    labelled.rows("UPDATE shipment SET checked_at = NULL")
    labelled.warehouse.faults = {"place": [Transient("busy")]}
    asked = labelled.platform.asked["fetch"]
    labelled.run("dispatch")
    fall_due(labelled)
    labelled.run("dispatch")
    assert labelled.platform.asked["fetch"] == asked + 1
    assert [status for _, _, status, *_ in placements(labelled)] == ["placed"]


@pytest.mark.parametrize("at", ["place", "after_place"])
def test_after_a_crash_the_warehouse_is_asked_first_and_not_before_the_deadline(labelled, at):
    labelled.warehouse.capabilities = Capabilities(is_idempotent=False)
    labelled.warehouse.faults = {at: [Killed()]}
    crash(labelled)
    assert placements(labelled) == [("east", 1, "intended", "", True)]
    asked = dict(labelled.warehouse.asked)
    labelled.run("dispatch")
    assert dict(labelled.warehouse.asked) == asked, "the earlier call may still run"
    wait_s = labelled.one("SELECT extract(epoch FROM due_at - now())::float8 FROM work WHERE step = 'dispatch'")
    assert 30 < wait_s <= 45
    fall_due(labelled)
    labelled.run("dispatch")
    assert labelled.warehouse.asked["find"] == 1
    assert [len(documents) for documents in labelled.warehouse.documents.values()] == [1]
    assert placements(labelled) == [("east", 1, "placed", "", False)]
    assert breaches(labelled) == []


def test_control_without_asking_a_forgetful_warehouse_has_two_documents(labelled):
    """The harm that asking first keeps away."""
    labelled.warehouse.capabilities = Capabilities(is_idempotent=False)
    labelled.warehouse.faults = {"after_place": [Killed()]}
    crash(labelled)
    labelled.rows("UPDATE placement SET call_deadline = NULL")
    fall_due(labelled)
    labelled.run("dispatch")
    assert [len(documents) for documents in labelled.warehouse.documents.values()] == [2]


def test_a_look_up_that_lags_is_believed_only_once_it_cannot(labelled):
    labelled.warehouse.capabilities = Capabilities(find_lag_s=20.0)
    labelled.warehouse.faults = {"after_place": [UnknownOutcome("timed_out")]}
    labelled.run("dispatch")
    labelled.rows("UPDATE work SET due_at = now()")
    labelled.run("dispatch")
    assert dict(labelled.warehouse.asked) == {"place": 1, "after_place": 1}, "nobody is asked yet"
    wait_s = labelled.one("SELECT extract(epoch FROM due_at - now())::float8 FROM work WHERE step = 'dispatch'")
    assert 0 < wait_s <= 20
    fall_due(labelled)
    labelled.run("dispatch")
    assert labelled.warehouse.asked["find"] == 1
    assert placements(labelled) == [("east", 1, "placed", "", False)]


def test_a_question_without_an_answer_is_asked_again_before_any_call(labelled):
    labelled.warehouse.capabilities = Capabilities(is_idempotent=False)
    labelled.warehouse.faults = {
        "after_place": [UnknownOutcome("reset")],
        "find": [Transient("down"), UnknownOutcome("lost")],
    }
    for _ in range(4):
        labelled.run("dispatch")
        fall_due(labelled)
    assert labelled.warehouse.asked["find"] == 3
    assert [len(documents) for documents in labelled.warehouse.documents.values()] == [1]
    assert placements(labelled) == [("east", 1, "placed", "", False)]


@pytest.mark.parametrize("error", [Transient("reset"), Throttled("slow", after_s=1), Misconfigured("key")])
def test_a_call_that_surely_had_no_effect_needs_no_question(labelled, error):
    labelled.warehouse.faults = {"place": [error]}
    labelled.run("dispatch")
    assert placements(labelled) == [("east", 1, "intended", "", False)]
    fall_due(labelled)
    labelled.run("dispatch")
    assert labelled.warehouse.asked["find"] == 0
    assert placements(labelled) == [("east", 1, "placed", "", False)]


def test_a_duplicate_reference_is_found_and_adopted(labelled):
    labelled.warehouse.faults = {"after_place": [Conflict("reference_used")]}
    labelled.run("dispatch")
    assert labelled.warehouse.asked == {"place": 1, "after_place": 1, "find": 1}
    assert placements(labelled) == [("east", 1, "placed", "", False)]


def test_an_answer_for_another_reference_is_asked_about_again(labelled):
    labelled.warehouse.faults = {"after_place": [UnknownOutcome("reset")]}
    labelled.run("dispatch")
    fall_due(labelled)
    find = labelled.warehouse.find

    async def other(reference):
        return replace(await find(reference), reference="SOMEBODY-ELSE")

    labelled.warehouse.find = other
    labelled.run("dispatch")
    assert placements(labelled) == [("east", 1, "intended", "", True)]
    labelled.warehouse.find = find
    fall_due(labelled)
    labelled.run("dispatch")
    assert placements(labelled) == [("east", 1, "placed", "", False)]


def test_without_look_up_an_idempotent_warehouse_is_told_again(labelled):
    labelled.warehouse.capabilities = Capabilities(can_find=False)
    labelled.warehouse.faults = {"after_place": [UnknownOutcome("reset")]}
    labelled.run("dispatch")
    fall_due(labelled)
    labelled.run("dispatch")
    assert dict(labelled.warehouse.asked) == {"place": 2, "after_place": 2}
    assert [len(documents) for documents in labelled.warehouse.documents.values()] == [1]
    assert placements(labelled) == [("east", 1, "placed", "", False)]


def test_with_neither_a_person_decides(labelled):
    labelled.warehouse.capabilities = Capabilities(can_find=False, is_idempotent=False)
    labelled.warehouse.faults = {"place": [UnknownOutcome("reset")]}
    labelled.run("dispatch")
    fall_due(labelled)
    labelled.run("dispatch")
    assert labelled.warehouse.asked["place"] == 1
    assert (labelled.states(), labelled.holds()) == (["on_hold"], ["dispatch_error"])
    assert breaches(labelled) == []


def test_what_was_asked_and_not_wanted_any_more_is_not_placed(labelled):
    labelled.warehouse.faults = {"place": [UnknownOutcome("reset")]}
    labelled.run("dispatch")
    labelled.rows("UPDATE fulfillment_order SET state = 'on_hold', resume_state = 'allocated'")
    fall_due(labelled)
    labelled.run("dispatch")
    assert labelled.warehouse.asked == {"place": 1, "find": 1}
    assert placements(labelled) == [("east", 1, "intended", "", False)]


def test_a_document_that_is_found_for_a_closed_order_is_shown_to_somebody(labelled):
    labelled.warehouse.faults = {"after_place": [UnknownOutcome("reset")]}
    labelled.run("dispatch")
    labelled.rows("UPDATE fulfillment_order SET state = 'closed', closed_reason = 'x', finished_at = now()")
    fall_due(labelled)
    labelled.run("dispatch")
    assert placements(labelled) == [("east", 1, "placed", "", False)]
    assert "unwanted_document" in labelled.holds()


def test_a_late_save_is_refused_by_its_token(labelled):
    place = labelled.warehouse.place

    async def slow(document):
        answer = await place(document)
        labelled.rows("UPDATE work SET lease_token = gen_random_uuid() WHERE step = 'dispatch'")
        return answer

    labelled.warehouse.place = slow
    labelled.run("dispatch")
    assert placements(labelled) == [("east", 1, "intended", "", True)]


def test_no_transaction_is_open_over_the_call(labelled):
    place = labelled.warehouse.place
    seen = []

    async def look(document):
        seen.extend(placements(labelled))
        seen.append(labelled.one(OPEN_TRANSACTIONS))
        return await place(document)

    labelled.warehouse.place = look
    labelled.run("dispatch")
    assert seen == [("east", 1, "intended", "", True), 0]


def test_a_poisoned_batch_loses_its_own_member_only(told, trade):
    told.stock(**{"TEE-1": 10})
    told.deliver(trade(tid="1001"), trade(tid="1002"))
    told.flow("label")
    told.warehouse.faults = {"place": [Refused("odd", "no protocol of ours")]}
    told.run("dispatch")
    assert sorted(status for _, _, status, *_ in placements(told)) == ["intended", "placed"]


@pytest.mark.parametrize("ship_on", ["label", "handover"])
def test_a_shop_that_ships_on_label_hears_once_the_warehouse_has_it(make_merchant, trade, ship_on):
    merchant = make_merchant(ship_on=ship_on)
    merchant.warehouse.capabilities = TAKES
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(trade(tid="1001"))
    merchant.flow("label")
    assert merchant.due("writeback") == []
    merchant.run("dispatch")
    assert len(merchant.due("writeback")) == int(ship_on == "label")
    merchant.run("writeback")
    assert merchant.platform.told == (["SF0001"] if ship_on == "label" else [])


def test_an_unconfigured_warehouse_waits_for_its_settings(labelled):
    known = labelled.tools.warehouses.pop("east")
    for _ in range(3):
        labelled.run("dispatch")
        fall_due(labelled)
    assert labelled.letters() == []
    labelled.tools.warehouses["east"] = known
    labelled.run("dispatch")
    assert placements(labelled) == [("east", 1, "placed", "", False)]


def test_a_document_that_the_warehouse_has_stopped_is_placed_under_the_next_generation(labelled):
    labelled.warehouse.faults = {"after_place": [UnknownOutcome("reset")]}
    labelled.run("dispatch")
    [reference] = labelled.warehouse.documents
    labelled.warehouse.progress[reference] = Progress.STOPPED
    fall_due(labelled)
    labelled.run("dispatch")
    assert placements(labelled) == [("east", 1, "stopped", "", False), ("east", 2, "placed", "", False)]
    assert [one[-2:] for one in labelled.warehouse.documents] == ["-1", "-2"]


def refuse(merchant, reason=RefusalCode.SHORT, lines=(), warehouse=None):
    (warehouse or merchant.warehouse).faults["place"] = [DocumentRefusedError(reason, "no", lines)]


def here(merchant, location, sku="TEE-1"):
    """on_hand and allocated at a location."""
    [row] = merchant.rows(
        "SELECT on_hand, allocated FROM stock_location WHERE location = %s AND sku = %s", location, sku
    )
    return row


def test_a_refusal_corrects_the_stock_and_the_order_is_routed_elsewhere(labelled):
    labelled.stock("west", **{"TEE-1": 10})
    refuse(labelled)
    labelled.run("dispatch")
    assert (labelled.states(), labelled.due("route")) == (["approved"], [(1, 0)])
    assert here(labelled, "east") == (0, 0)
    assert labelled.counters() == (10, 2, 0)
    assert labelled.holds() == ["unwanted_waybill"]
    assert breaches(labelled) == []
    for step in ("route", "label", "dispatch"):
        labelled.run(step)
    assert placements(labelled) == [("east", 1, "refused", "short", False), ("west", 2, "placed", "", False)]
    assert labelled.rows("SELECT location, cancelled_at IS NOT NULL FROM package ORDER BY id") == [
        ("east", True),
        ("west", False),
    ]
    assert labelled.rows("SELECT waybill, status FROM shipment ORDER BY id") == [
        ("SF0001", "booked"),
        ("SF0002", "booked"),
    ]
    [[facts]] = labelled.rows("SELECT facts FROM event WHERE kind = 'route_moved' ORDER BY id DESC LIMIT 1")
    assert facts["excluded"] == "east (short)"
    [[hold]] = labelled.rows("SELECT facts FROM hold")
    assert hold["waybill"] == "SF0001"
    assert labelled.counters() == (10, 0, 2)
    assert breaches(labelled) == []
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
def test_each_reason_corrects_the_stock_in_its_way(labelled, reason, lines, on_hand):
    labelled.stock("west", **{"TEE-1": 10})
    refuse(labelled, reason, lines)
    labelled.run("dispatch")
    assert here(labelled, "east") == (on_hand, 0)
    assert labelled.states() == ["approved"]
    labelled.run("route")
    assert labelled.one("SELECT location FROM fulfillment_order") == "west"
    assert breaches(labelled) == []


def test_pieces_that_other_orders_were_promised_there_stay_theirs(told, trade):
    told.stock(**{"TEE-1": 10})
    told.stock("west", **{"TEE-1": 10})
    told.deliver(trade(tid="1001", pieces=2))
    told.flow("route")
    told.deliver(trade(tid="1002", pieces=3))
    told.flow("label")
    told.warehouse.faults["place"] = [DocumentRefusedError(RefusalCode.SHORT)]
    told.run("dispatch")
    on_hand, allocated = here(told, "east")
    assert on_hand == allocated
    assert sorted(told.states()) == ["allocated", "approved"]
    assert breaches(told) == []


def test_when_no_location_is_left_the_order_is_held_as_the_router_does(labelled):
    refuse(labelled, RefusalCode.CAPACITY)
    labelled.run("dispatch")
    labelled.run("route")
    assert labelled.states() == ["on_hold"]
    assert labelled.holds() == ["stock_short_paid", "unwanted_waybill"]
    [[facts]] = labelled.rows("SELECT facts FROM hold WHERE code = 'stock_short_paid'")
    assert facts["excluded"] == "east (capacity)"
    assert breaches(labelled) == []


def test_an_order_whose_promise_went_with_the_stock_waits_for_more(labelled):
    refuse(labelled)
    labelled.run("dispatch")
    assert labelled.counters() == (0, 0, 0)
    labelled.run("route")
    assert (labelled.states(), labelled.holds()) == (["on_hold"], ["stock_conflict", "unwanted_waybill"])
    assert breaches(labelled) == []


def test_a_refusal_that_is_found_later_counts_as_one(labelled):
    labelled.stock("west", **{"TEE-1": 10})
    labelled.warehouse.faults = {"after_place": [UnknownOutcome("reset")]}
    labelled.run("dispatch")
    [reference] = labelled.warehouse.documents
    labelled.warehouse.progress[reference] = Progress.REFUSED
    fall_due(labelled)
    labelled.run("dispatch")
    assert placements(labelled) == [("east", 1, "refused", "other", False)]
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
        warehouse.capabilities = TAKES
    merchant.stock(**{"TEE-1": 10})
    merchant.stock("west", **{"TEE-1": 10})
    merchant.deliver(trade(tid="1001"))
    merchant.flow("label")
    refuse(merchant)
    for step in ("dispatch", "route", "label", "dispatch", "writeback"):
        merchant.run(step)
    assert merchant.platform.told == ["SF0002"]
