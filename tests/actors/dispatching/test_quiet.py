"""Documents of which nothing is heard, warehouses that are silent, and what people and retention do about documents."""

from datetime import UTC, datetime

import pytest

from actors.documents.silent import QuietDocuments
from adapters.documents import Capabilities, DocumentProgress
from domain.alarms import AlarmKind
from domain.errors import Refused, Transient, UnknownOutcome
from domain.holds import HoldCode
from domain.take_over import Mode
from infra.engine.author import Author
from infra.engine.watch import WatchStop
from infra.monitoring.alarm_conditions import conditions_of
from infra.tables.placements import silent_warehouses
from ops.verbs.holds import release
from ops.views.order import view_order

MEI = Author("mei", "looked at it")


@pytest.fixture
def placed(labelled):
    labelled.run("dispatch")
    return labelled


@pytest.fixture
def hour_later(placed):
    """An hour and a minute pass without a word; then the sweeper's duty looks, and what it makes due is done."""

    def later(minutes=61):
        placed.rows(
            """UPDATE placement SET placed_at = placed_at - make_interval(mins => %s),
                   heard_at = heard_at - make_interval(mins => %s), asked_at = asked_at - make_interval(mins => %s)""",
            minutes,
            minutes,
            minutes,
        )
        due = QuietDocuments(placed.db, placed.bells, 3600.0).tend()
        placed.run("dispatch")
        return due

    return later


def test_a_quiet_document_is_asked_about_every_hour(placed, documents, hour_later):
    assert hour_later(59) == 0
    assert hour_later(2) == 1
    assert (placed.warehouse.asked["find"], placed.warehouse.asked["place"]) == (1, 1)
    assert hour_later(59) == 0
    assert hour_later(2) == 1
    assert documents.statuses() == ["placed"]
    assert placed.states() == ["allocated"]


def test_what_was_heard_of_or_is_final_is_left_alone(placed, documents, hour_later):
    placed.rows("UPDATE placement SET heard_at = now() + interval '30 minutes'")
    assert hour_later() == 0
    placed.rows("UPDATE placement SET status = 'final', ended_at = now(), heard_at = NULL")
    assert hour_later() == 0


def test_a_question_that_fails_stops_no_order(placed, documents, hour_later):
    placed.warehouse.faults = {"find": [Transient("down"), UnknownOutcome("lost"), Refused("odd")]}
    for _ in range(3):
        assert hour_later() == 1
    assert (placed.states(), placed.holds(), placed.letters()) == (["allocated"], [], [])
    assert placed.due("dispatch") == []
    assert documents.statuses() == ["placed"]


def test_a_refusal_that_no_event_told_is_found(placed, documents, hour_later):
    placed.stock("west", **{"TEE-1": 10})
    [reference] = placed.warehouse.documents
    placed.warehouse.progress[reference] = DocumentProgress.REFUSED
    hour_later()
    assert documents.placements() == [("east", 1, "refused", "other", False)]
    assert placed.states() == ["approved"]


@pytest.mark.parametrize(("is_gone", "code"), [(True, "document_unknown"), (False, "stopped_by_warehouse")])
def test_a_document_that_is_gone_is_for_a_person(placed, documents, hour_later, is_gone, code):
    [reference] = placed.warehouse.documents
    if is_gone:
        placed.warehouse.documents.clear()
    else:
        placed.warehouse.progress[reference] = DocumentProgress.STOPPED
    hour_later()
    assert (placed.states(), placed.holds()) == (["on_hold"], ["dispatch_error"])
    assert placed.one("SELECT facts->>'code' FROM hold") == code
    released = release(placed.db, 1, HoldCode.DISPATCH_ERROR, MEI)
    assert released.state == "allocated"
    documents.fall_due()
    placed.run("dispatch")
    assert documents.statuses()[-1] == "placed"
    assert sum(map(len, placed.warehouse.documents.values())) == (1 if is_gone else 2)
    assert documents.breaches() == []


def test_what_an_earlier_version_labelled_is_dispatched(labelled, documents):
    labelled.rows("DELETE FROM work WHERE step = 'dispatch'")
    assert QuietDocuments(labelled.db, labelled.bells, 3600.0).tend() == 1
    labelled.run("dispatch")
    assert documents.statuses() == ["placed"]
    assert QuietDocuments(labelled.db, labelled.bells, 3600.0).tend() == 0


def test_what_was_labelled_before_the_location_took_orders_is_not(merchant, trade, take_orders, documents):
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(trade(tid="1001"))
    merchant.flow("label")
    take_orders()
    assert QuietDocuments(merchant.db, merchant.bells, 3600.0).tend() == 0
    merchant.rows("UPDATE fulfillment_order SET state = 'on_hold', resume_state = 'allocated'")
    merchant.rows(
        "INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at) VALUES (1, 'manual', 'person', 'x', now())"
    )
    assert release(merchant.db, 1, HoldCode.MANUAL, MEI).due == ()


def silent(merchant, hours=24.0):
    with merchant.db.connection() as connection:
        return [(one.location, one.documents) for one in silent_warehouses(connection, {"east": hours, "west": hours})]


def test_a_warehouse_that_tells_nothing_of_open_documents_raises_an_alarm(placed, documents):
    assert silent(placed) == []
    placed.rows("UPDATE placement SET placed_at = now() - interval '25 hours'")
    assert silent(placed) == [("east", 1)]
    [condition] = [one for one in conditions_of(placed.settings) if AlarmKind.WAREHOUSE_SILENT in one.kinds]
    with placed.db.connection() as connection:
        assert list(condition.look(connection)[AlarmKind.WAREHOUSE_SILENT]) == ["warehouse/east"]
    placed.rows("UPDATE placement SET heard_at = now()")
    assert silent(placed) == []


def test_a_held_order_goes_on_with_what_is_left_to_do(labelled, documents):
    labelled.rows("UPDATE fulfillment_order SET state = 'on_hold', resume_state = 'allocated'")
    labelled.rows(
        "INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at) VALUES (1, 'manual', 'person', 'x', now())"
    )
    labelled.run("dispatch")
    assert documents.placements() == []
    assert labelled.due("dispatch") == []
    assert release(labelled.db, 1, HoldCode.MANUAL, MEI).due == ("dispatch",)
    labelled.run("dispatch")
    assert documents.statuses() == ["placed"]


def test_a_person_who_has_asked_the_warehouse_lets_it_be_told_again(labelled, documents):
    labelled.warehouse.capabilities = Capabilities(can_find=False, is_idempotent=False)
    labelled.warehouse.faults = {"place": [UnknownOutcome("reset")]}
    labelled.run("dispatch")
    documents.fall_due()
    labelled.run("dispatch")
    assert labelled.holds() == ["dispatch_error"]
    assert release(labelled.db, 1, HoldCode.DISPATCH_ERROR, MEI).due == ("dispatch",)
    labelled.run("dispatch")
    assert documents.statuses() == ["placed"]
    assert sum(map(len, labelled.warehouse.documents.values())) == 1


def test_a_released_order_may_be_routed_to_any_location_again(labelled, documents):
    labelled.rows('UPDATE fulfillment_order SET excluded = \'{"west": "capacity"}\'')
    labelled.rows("UPDATE fulfillment_order SET state = 'on_hold', resume_state = 'allocated'")
    labelled.rows(
        """INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at)
           VALUES (1, 'stock_short_paid', 'route', 'purchasing', now())"""
    )
    release(labelled.db, 1, HoldCode.STOCK_SHORT_PAID, MEI)
    assert labelled.one("SELECT excluded FROM fulfillment_order") == {}


def test_nothing_is_placed_for_a_watched_shop(labelled, documents):
    labelled.rows("UPDATE shop SET mode = %s, watched_since = now()", Mode.WATCH)
    with labelled.db.transaction() as tx:
        [stopped] = WatchStop(frozenset({"taobao/s1"})).stopped(tx, "dispatch", [1])
    assert stopped.outcome.code is HoldCode.SHOP_WATCHED
    labelled.rows(
        """INSERT INTO placement (fulfillment_order_id, location, generation, reference, status, call_deadline)
           VALUES (1, 'east', 1, 'R', 'intended', now())"""
    )
    with labelled.db.transaction() as tx:
        assert WatchStop(frozenset({"taobao/s1"})).stopped(tx, "dispatch", [1]) == [], "what may have happened is asked"


def test_the_order_is_shown_with_its_documents(placed):
    [document] = view_order(placed.db, 1).documents
    assert (document.location, document.status, document.code) == ("east", "placed", "")
    assert document.placed_at < datetime.now(UTC)


def test_a_wanted_document_that_has_lost_its_work_is_found(take_orders, trade, documents):
    merchant = take_orders(books_waybill=True)
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(trade(tid="1001"))
    merchant.flow("route")
    merchant.rows("DELETE FROM work WHERE step = 'dispatch'")
    assert QuietDocuments(merchant.db, merchant.bells, 3600.0).tend() == 1
    merchant.run("dispatch")
    assert documents.statuses() == ["placed"]
