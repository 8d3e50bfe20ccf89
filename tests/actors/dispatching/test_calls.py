"""Handing documents to a warehouse: once each, whatever the answers do."""

from dataclasses import replace

import psycopg
import pytest

from actors.documents.calls import DocumentCalls
from adapters.documents import Capabilities, DocumentProgress
from domain.errors import Conflict, Malformed, Misconfigured, Refused, Throttled, Transient, UnknownOutcome
from domain.gates import GateShut
from tests.actors.dispatching.conftest import Killed

OPEN_TRANSACTIONS = """SELECT count(*) FROM pg_stat_activity
    WHERE state LIKE 'idle in transaction%%' AND datname = current_database()"""


def test_label_leads_to_dispatch_and_the_warehouse_gets_one_document(labelled, documents):
    assert labelled.due("dispatch") == [(1, 0)]
    labelled.run("dispatch")
    [[document]] = labelled.warehouse.documents.values()
    [package] = document.packages
    assert [(line.sku, line.quantity) for line in document.lines] == [("TEE-1", 2)]
    assert (package.courier, package.waybill) == ("sf", "SF0001")
    assert (document.shop, document.receiver, document.merge_token) == ("taobao/s1", None, "oaid-1")
    assert documents.placements() == [("east", 1, "placed", "", False)]
    assert labelled.states() == ["allocated"]
    assert labelled.due("dispatch") == []
    assert documents.breaches() == []


def test_where_no_orders_are_taken_nothing_is_dispatched(merchant, trade, documents):
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(trade(tid="1001"))
    merchant.flow("label")
    assert merchant.due("dispatch") == []
    assert documents.placements() == []
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


def test_an_older_answer_is_asked_for_again(labelled, documents):
    asked = labelled.platform.asked["fetch"]
    labelled.rows("UPDATE shipment SET checked_at = checked_at - interval '91 seconds'")
    labelled.run("dispatch")
    assert labelled.platform.asked["fetch"] == asked + 1
    assert documents.placements() == [("east", 1, "placed", "", False)]
    assert labelled.one("SELECT checked_at > now() - interval '10 seconds' FROM placement")


def test_a_label_that_was_only_found_has_no_answer(told, trade, documents):
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
    assert [status for _, _, status, *_ in documents.placements()] == ["placed"]


@pytest.mark.parametrize("error", [Transient("down"), Malformed("odd"), KeyError("defect")])
def test_without_an_answer_nothing_is_placed(labelled, error):
    labelled.rows("UPDATE shipment SET checked_at = NULL")
    labelled.platform.errors = {"fetch": [error]}
    labelled.run("dispatch")
    assert labelled.warehouse.asked["place"] == 0
    assert [attempts for _, attempts in labelled.due("dispatch")] == [1]


def test_a_refund_seen_now_holds_the_order_and_nothing_is_placed(labelled, documents):
    labelled.rows("UPDATE shipment SET checked_at = NULL")
    labelled.platform.refunds.add("1001")
    labelled.run("dispatch")
    assert (labelled.states(), labelled.holds()) == (["on_hold"], ["refund_requested"])
    assert labelled.warehouse.asked == {}
    labelled.run("normalize")
    assert labelled.holds() == ["refund_requested", "stopping"], "the content asks for a stop and opens no second hold"
    assert documents.breaches() == []


def test_an_answer_that_was_asked_for_a_failed_call_counts_for_the_next(labelled, documents):
    labelled.rows("UPDATE shipment SET checked_at = NULL")
    labelled.warehouse.faults = {"place": [Transient("busy")]}
    asked = labelled.platform.asked["fetch"]
    labelled.run("dispatch")
    documents.fall_due()
    labelled.run("dispatch")
    assert labelled.platform.asked["fetch"] == asked + 1
    assert [status for _, _, status, *_ in documents.placements()] == ["placed"]


@pytest.mark.parametrize("at", ["place", "after_place"])
def test_after_a_crash_the_warehouse_is_asked_first_and_not_before_the_deadline(labelled, at, documents):
    labelled.warehouse.capabilities = Capabilities(is_idempotent=False)
    labelled.warehouse.faults = {at: [Killed()]}
    documents.crash()
    assert documents.placements() == [("east", 1, "intended", "", True)]
    before = labelled.warehouse.asked["find"]
    asked = dict(labelled.warehouse.asked)
    labelled.run("dispatch")
    assert dict(labelled.warehouse.asked) == asked, "the earlier call may still run"
    wait_s = labelled.one("SELECT extract(epoch FROM due_at - now())::float8 FROM work WHERE step = 'dispatch'")
    assert 30 < wait_s <= 45
    documents.fall_due()
    labelled.run("dispatch")
    assert labelled.warehouse.asked["find"] == before + 1
    assert [len(documents) for documents in labelled.warehouse.documents.values()] == [1]
    assert documents.placements() == [("east", 1, "placed", "", False)]
    assert documents.breaches() == []


async def ask_nobody(_calls, _one):
    """As if the warehouse had nothing."""


def test_control_without_asking_a_forgetful_warehouse_has_two_documents(labelled, documents, monkeypatch):
    """The harm that asking first keeps away."""
    labelled.warehouse.capabilities = Capabilities(is_idempotent=False)
    labelled.warehouse.faults = {"after_place": [Killed()]}
    documents.crash()
    monkeypatch.setattr(DocumentCalls, "_ask", ask_nobody)
    documents.fall_due()
    labelled.run("dispatch")
    assert [len(documents) for documents in labelled.warehouse.documents.values()] == [2]


@pytest.mark.parametrize("asks", [True, False], ids=["asked first", "control"])
def test_a_document_of_which_a_restored_backup_knows_nothing_is_found(labelled, documents, monkeypatch, asks):
    labelled.warehouse.capabilities = Capabilities(is_idempotent=False)
    labelled.run("dispatch")
    [[reference, work]] = labelled.rows("SELECT reference, fulfillment_order_id FROM placement")
    labelled.rows("DELETE FROM placement")
    due = "INSERT INTO work (step, subject_id, lane, account, shop) VALUES ('dispatch', %s, 'p1', %s, 'taobao/s1')"
    labelled.rows(due, work, "warehouse/east")
    if not asks:
        monkeypatch.setattr(DocumentCalls, "_ask", ask_nobody)
    labelled.run("dispatch")
    assert len(labelled.warehouse.documents[reference]) == (1 if asks else 2)
    assert documents.placements() == [("east", 1, "placed", "", False)]


def test_a_warehouse_that_takes_nothing_twice_is_not_asked_first(labelled):
    labelled.run("dispatch")
    assert labelled.warehouse.asked["find"] == 0


def test_one_that_cannot_be_asked_is_told_once(labelled, documents):
    labelled.warehouse.capabilities = Capabilities(is_idempotent=False, can_find=False)
    labelled.run("dispatch")
    assert labelled.warehouse.asked["find"] == 0
    assert documents.placements() == [("east", 1, "placed", "", False)]


def test_a_look_up_that_lags_is_believed_only_once_it_cannot(labelled, documents):
    labelled.warehouse.capabilities = Capabilities(find_lag_s=20.0)
    labelled.warehouse.faults = {"after_place": [UnknownOutcome("timed_out")]}
    labelled.run("dispatch")
    labelled.rows("UPDATE work SET due_at = now()")
    labelled.run("dispatch")
    assert dict(labelled.warehouse.asked) == {"place": 1, "after_place": 1}, "nobody is asked yet"
    wait_s = labelled.one("SELECT extract(epoch FROM due_at - now())::float8 FROM work WHERE step = 'dispatch'")
    assert 0 < wait_s <= 20
    documents.fall_due()
    labelled.run("dispatch")
    assert labelled.warehouse.asked["find"] == 1
    assert documents.placements() == [("east", 1, "placed", "", False)]


def test_a_question_without_an_answer_is_asked_again_before_any_call(labelled, documents):
    labelled.warehouse.capabilities = Capabilities(is_idempotent=False)
    labelled.warehouse.faults = {
        "after_place": [UnknownOutcome("reset")],
        "find": [Transient("down"), UnknownOutcome("lost")],
    }
    for _ in range(5):
        labelled.run("dispatch")
        documents.fall_due()
    # Before the first call, and after it until there is an answer.
    assert labelled.warehouse.asked["find"] == 4
    assert [len(documents) for documents in labelled.warehouse.documents.values()] == [1]
    assert documents.placements() == [("east", 1, "placed", "", False)]


@pytest.mark.parametrize("error", [Transient("reset"), Throttled("slow", after_s=1), Misconfigured("key")])
def test_a_call_that_surely_had_no_effect_needs_no_question(labelled, error, documents):
    labelled.warehouse.faults = {"place": [error]}
    labelled.run("dispatch")
    assert documents.placements() == [("east", 1, "intended", "", False)]
    documents.fall_due()
    labelled.run("dispatch")
    assert labelled.warehouse.asked["find"] == 0
    assert documents.placements() == [("east", 1, "placed", "", False)]


def test_a_duplicate_reference_is_found_and_adopted(labelled, documents):
    labelled.warehouse.faults = {"after_place": [Conflict("reference_used")]}
    labelled.run("dispatch")
    assert labelled.warehouse.asked == {"place": 1, "after_place": 1, "find": 1}
    assert documents.placements() == [("east", 1, "placed", "", False)]


def test_an_answer_for_another_reference_is_asked_about_again(labelled, documents):
    labelled.warehouse.faults = {"after_place": [UnknownOutcome("reset")]}
    labelled.run("dispatch")
    documents.fall_due()
    find = labelled.warehouse.find

    async def other(reference):
        return replace(await find(reference), reference="SOMEBODY-ELSE")

    labelled.warehouse.find = other
    labelled.run("dispatch")
    assert documents.placements() == [("east", 1, "intended", "", True)]
    labelled.warehouse.find = find
    documents.fall_due()
    labelled.run("dispatch")
    assert documents.placements() == [("east", 1, "placed", "", False)]


def test_without_look_up_an_idempotent_warehouse_is_told_again(labelled, documents):
    labelled.warehouse.capabilities = Capabilities(can_find=False)
    labelled.warehouse.faults = {"after_place": [UnknownOutcome("reset")]}
    labelled.run("dispatch")
    documents.fall_due()
    labelled.run("dispatch")
    assert dict(labelled.warehouse.asked) == {"place": 2, "after_place": 2}
    assert [len(documents) for documents in labelled.warehouse.documents.values()] == [1]
    assert documents.placements() == [("east", 1, "placed", "", False)]


def test_with_neither_a_person_decides(labelled, documents):
    labelled.warehouse.capabilities = Capabilities(can_find=False, is_idempotent=False)
    labelled.warehouse.faults = {"place": [UnknownOutcome("reset")]}
    labelled.run("dispatch")
    documents.fall_due()
    labelled.run("dispatch")
    assert labelled.warehouse.asked["place"] == 1
    assert (labelled.states(), labelled.holds()) == (["on_hold"], ["dispatch_error"])
    assert documents.breaches() == []


def test_what_was_asked_and_not_wanted_any_more_is_not_placed(labelled, documents):
    labelled.warehouse.faults = {"place": [UnknownOutcome("reset")]}
    labelled.run("dispatch")
    labelled.rows("UPDATE fulfillment_order SET state = 'on_hold', resume_state = 'allocated'")
    documents.fall_due()
    labelled.run("dispatch")
    assert labelled.warehouse.asked == {"place": 1, "find": 1}
    assert documents.placements() == [("east", 1, "intended", "", False)]


def test_a_document_that_is_found_for_a_closed_order_is_shown_to_somebody(labelled, documents):
    labelled.warehouse.faults = {"after_place": [UnknownOutcome("reset")]}
    labelled.run("dispatch")
    labelled.rows("UPDATE fulfillment_order SET state = 'closed', closed_reason = 'x', finished_at = now()")
    documents.fall_due()
    labelled.run("dispatch")
    assert documents.placements() == [("east", 1, "placed", "", False)]
    assert "unwanted_document" in labelled.holds()


def test_a_late_save_is_refused_by_its_token(labelled, documents):
    place = labelled.warehouse.place

    async def slow(document):
        answer = await place(document)
        labelled.rows("UPDATE work SET lease_token = gen_random_uuid() WHERE step = 'dispatch'")
        return answer

    labelled.warehouse.place = slow
    labelled.run("dispatch")
    assert documents.placements() == [("east", 1, "intended", "", True)]


def test_no_transaction_is_open_over_the_call(labelled, documents):
    place = labelled.warehouse.place
    seen = []

    async def look(document):
        seen.extend(documents.placements())
        seen.append(labelled.one(OPEN_TRANSACTIONS))
        return await place(document)

    labelled.warehouse.place = look
    labelled.run("dispatch")
    assert seen == [("east", 1, "intended", "", True), 0]


def test_a_poisoned_batch_loses_its_own_member_only(told, trade, documents):
    told.stock(**{"TEE-1": 10})
    told.deliver(trade(tid="1001"), trade(tid="1002"))
    told.flow("label")
    told.warehouse.faults = {"place": [Refused("odd", "no protocol of ours")]}
    told.run("dispatch")
    assert sorted(status for _, _, status, *_ in documents.placements()) == ["intended", "placed"]


@pytest.mark.parametrize("ship_on", ["label", "handover"])
def test_a_shop_that_ships_on_label_hears_once_the_warehouse_has_it(make_merchant, trade, ship_on):
    merchant = make_merchant(ship_on=ship_on)
    merchant.warehouse.capabilities = Capabilities()
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(trade(tid="1001"))
    merchant.flow("label")
    assert merchant.due("writeback") == []
    merchant.run("dispatch")
    assert len(merchant.due("writeback")) == int(ship_on == "label")
    merchant.run("writeback")
    assert merchant.platform.told == (["SF0001"] if ship_on == "label" else [])


def test_an_unconfigured_warehouse_waits_for_its_settings(labelled, documents):
    known = labelled.tools.warehouses.pop("east")
    for _ in range(3):
        labelled.run("dispatch")
        documents.fall_due()
    assert labelled.letters() == []
    labelled.tools.warehouses["east"] = known
    labelled.run("dispatch")
    assert documents.placements() == [("east", 1, "placed", "", False)]


def test_a_document_that_the_warehouse_has_stopped_is_placed_under_the_next_generation(labelled, documents):
    labelled.warehouse.faults = {"after_place": [UnknownOutcome("reset")]}
    labelled.run("dispatch")
    [reference] = labelled.warehouse.documents
    labelled.warehouse.progress[reference] = DocumentProgress.STOPPED
    documents.fall_due()
    labelled.run("dispatch")
    assert documents.placements() == [("east", 1, "stopped", "", False), ("east", 2, "placed", "", False)]
    assert [one[-2:] for one in labelled.warehouse.documents] == ["-1", "-2"]


def test_behind_a_shut_account_the_order_rests_and_nobody_asks(labelled, documents):
    labelled.warehouse.faults = {"place": [GateShut("warehouse/east", "paused", after_s=60.0)]}
    labelled.run("dispatch")
    assert labelled.rows("SELECT gate, attempts FROM work WHERE step = 'dispatch'") == [("warehouse/east", 0)]
    assert documents.placements() == [("east", 1, "intended", "", False)]


@pytest.mark.parametrize("orders", [1, 20])
def test_label_asks_nothing_of_documents_and_dispatch_asks_as_much_for_one_as_for_many(
    told, trade, monkeypatch, orders
):
    """Statements of a batch: those of label where no orders are taken, and those of dispatch, whatever its size."""
    told.stock(**{"TEE-1": 100})
    told.deliver(*(trade(tid=str(2000 + number)) for number in range(orders)))
    told.flow("route")
    seen = []
    execute = psycopg.Cursor.execute

    def count(cursor, query, *args, **more):
        seen.append(bytes(query) if isinstance(query, bytes) else str(query).encode())
        return execute(cursor, query, *args, **more)

    monkeypatch.setattr(psycopg.Cursor, "execute", count)
    capable = told.warehouse.capabilities
    told.warehouse.capabilities = Capabilities(takes_orders=False)
    told.run("label")
    assert not [query for query in seen if b"placement" in query or b"'dispatch'" in query]
    told.warehouse.capabilities = capable
    told.rows(
        """INSERT INTO work (step, subject_id, lane, account)
           SELECT 'dispatch', id, 'p1', 'warehouse/east' FROM fulfillment_order"""
    )
    seen.clear()
    assert told.run("dispatch") == orders
    assert len(seen) <= 20
