"""What a warehouse answers to a stop: at once, later, never, no; and what it does all the same."""

from datetime import UTC, datetime, timedelta

import pytest

from actors.documents.own import OwnDocuments
from actors.stops.confirming import confirm_in_house
from adapters.documents import DocumentProgress, Stop
from adapters.ports import WarehouseEvent
from adapters.warehouses.own import OwnWarehouse
from domain.errors import Conflict, Refused, Transient, UnknownOutcome
from infra.engine.author import Author
from infra.tables.orders import lock_fulfillment
from ops.verbs.stop_orders import confirm_here

LI = Author("li", "found it on the shelf")
AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


def climb(stops):
    for _ in range(4):
        stops.climb()
        stops.fall_due()


def tell(merchant, *kinds):
    """The warehouse tells events about its document; then its feed is read."""
    [[reference]] = merchant.rows("SELECT reference FROM placement")
    for kind in kinds:
        number = len(merchant.warehouse.scans)
        at = AT + timedelta(minutes=number)
        merchant.warehouse.scans.append(WarehouseEvent(f"d{number}", reference, "", kind, at))
    merchant.rows("UPDATE work SET due_at = now() - interval '1 second' WHERE step = 'warehouse'")
    merchant.run("warehouse")


def is_stopped(merchant, stops):
    assert (merchant.states(), stops.ends(), merchant.holds()) == (["closed"], ["stopped"], [])
    assert (stops.living(), stops.documents(), stops.breaches()) == ([], [(1, "stopped")], [])
    assert merchant.counters() == (10, 0, 0)
    return True


def test_nothing_is_voided_before_the_warehouse_has_confirmed(placed, stops):
    placed.warehouse.answers = {"stop": [Stop.PENDING] * 20}
    stops.ask()
    climb(stops)
    assert (placed.states(), stops.status()) == (["on_hold"], [("close", "asked", "recall")])
    assert (placed.courier.asked["cancel"], stops.living()) == (0, ["SF0001"])
    assert placed.counters() == (10, 0, 2), "the pieces are not free"


def test_a_warehouse_that_answers_later_is_asked_how_far_it_is(placed, stops):
    placed.warehouse.answers = {"stop": [Stop.PENDING]}
    stops.ask()
    stops.climb()
    [reference] = placed.warehouse.documents
    placed.warehouse.progress[reference] = DocumentProgress.STOPPED
    climb(stops)
    assert placed.warehouse.asked["stop"] == 1
    assert is_stopped(placed, stops)


def test_an_event_confirms_faster(placed, stops):
    placed.warehouse.answers = {"stop": [Stop.PENDING]}
    stops.ask()
    stops.climb()
    tell(placed, "stopped")
    stops.climb()
    assert is_stopped(placed, stops)


def test_an_event_confirms_though_the_warehouse_never_got_an_answer_through(placed, stops):
    placed.warehouse.faults = {"after_stop": [UnknownOutcome("timeout")] * 9}
    stops.ask()
    stops.climb()
    tell(placed, "stopped", "stopped")
    climb(stops)
    assert is_stopped(placed, stops)


@pytest.mark.parametrize("error", [Transient("down"), UnknownOutcome("timeout")])
@pytest.mark.parametrize("at", ["stop", "after_stop"])
def test_a_lost_answer_is_asked_about(placed, stops, error, at):
    placed.warehouse.faults = {at: [error]}
    stops.ask()
    climb(stops)
    assert is_stopped(placed, stops)


def test_a_warehouse_that_cannot_be_asked_is_told_again(placed, stops, take_orders):
    take_orders(can_find=False)
    placed.warehouse.faults = {"after_stop": [UnknownOutcome("timeout")]}
    stops.ask()
    climb(stops)
    assert (placed.warehouse.asked["find"], placed.warehouse.asked["stop"]) == (0, 2)
    assert is_stopped(placed, stops)


def test_a_document_that_the_warehouse_does_not_know_is_stopped(placed, stops):
    placed.warehouse.documents = {}
    stops.ask()
    climb(stops)
    assert is_stopped(placed, stops)


@pytest.mark.parametrize("answer", [Stop.TOO_LATE, Conflict("odd"), Refused("closed_for_today")])
def test_a_no_is_too_late_and_the_order_goes_on_with_its_label(placed, stops, answer):
    kind = "answers" if isinstance(answer, Stop) else "faults"
    setattr(placed.warehouse, kind, {"stop": [answer]})
    stops.ask()
    climb(stops)
    assert (placed.states(), stops.ends(), stops.cases()) == (["allocated"], ["too_late"], ["stop_too_late"])
    assert placed.rows("SELECT owner, facts ->> 'why' FROM order_case") == [("service", "person")]
    assert (placed.courier.asked["cancel"], stops.living()) == (0, ["SF0001"])
    placed.scan("packed", "handed_over")
    assert (placed.states(), stops.breaches()) == (["in_transit"], [])


def test_a_failed_stop_is_told_as_an_event(placed, stops):
    placed.warehouse.answers = {"stop": [Stop.PENDING]}
    stops.ask()
    stops.climb()
    tell(placed, "stop_failed")
    climb(stops)
    assert (placed.states(), stops.ends()) == (["allocated"], ["too_late"])


def test_a_parcel_that_is_handed_over_while_the_stop_is_open_has_left(placed, stops):
    placed.warehouse.answers = {"stop": [Stop.PENDING]}
    stops.ask()
    stops.climb()
    placed.scan("packed", "handed_over")
    assert (placed.states(), placed.holds()) == (["in_transit"], [])
    climb(stops)
    assert (stops.ends(), stops.cases()) == (["too_late"], ["stop_too_late"])
    assert (placed.courier.asked["cancel"], placed.counters()) == (0, (8, 0, 0))
    assert "left_though_stopping" in str(placed.rows("SELECT facts FROM event WHERE kind = 'scan_contradicts'"))
    assert stops.breaches() == []


def test_the_same_is_seen_in_an_event_about_the_document(placed, stops):
    placed.warehouse.answers = {"stop": [Stop.PENDING]}
    stops.ask()
    stops.climb()
    tell(placed, "handed_over")
    climb(stops)
    assert (placed.states(), stops.ends(), placed.counters()) == (["in_transit"], ["too_late"], (8, 0, 0))
    assert stops.breaches() == []


def test_a_warehouse_that_ships_what_it_has_stopped_is_a_case(placed, stops):
    stops.ask()
    climb(stops)
    assert is_stopped(placed, stops)
    placed.scan("packed", "handed_over")
    assert (placed.states(), stops.cases(), placed.holds()) == (
        ["closed"],
        ["moved_though_stopped"],
        ["shipped_elsewhere"],
    )
    assert placed.rows("SELECT owner FROM order_case") == [("logistics",)]


def test_the_same_is_seen_in_an_event_about_the_stopped_document(placed, stops):
    stops.ask()
    climb(stops)
    tell(placed, "handed_over")
    assert (placed.states(), stops.cases()) == (["closed"], ["moved_though_stopped"])


def test_a_warehouse_that_refuses_the_document_meanwhile_has_stopped_it(placed, stops):
    placed.warehouse.answers = {"stop": [Stop.PENDING]}
    stops.ask()
    stops.climb()
    tell(placed, "refused")
    climb(stops)
    assert (placed.states(), stops.ends(), placed.holds(), stops.living()) == (["closed"], ["stopped"], [], [])
    assert (placed.counters(), stops.breaches()) == ((10, 0, 0), [])


def confirm(merchant, stops):
    with merchant.db.transaction() as tx:
        return confirm_in_house(tx, lock_fulfillment(tx, stops.parts()), LI)[0]


def test_where_no_system_can_be_asked_a_person_confirms(labelled, stops):
    labelled.scan("accepted")
    stops.ask()
    climb(stops)
    assert (labelled.states(), stops.status()) == (["on_hold"], [("close", "asked", "confirm")])
    assert (labelled.courier.asked["cancel"], labelled.counters()) == (0, (10, 0, 2))
    assert len(confirm(labelled, stops)) == 1
    climb(stops)
    assert (labelled.states(), stops.ends(), stops.living()) == (["closed"], ["stopped"], [])
    assert (labelled.counters(), stops.breaches()) == ((10, 0, 0), [])
    assert confirm(labelled, stops) == []


def test_or_the_scan_of_the_hand_over_says_the_contrary(labelled, stops):
    labelled.scan("accepted")
    stops.ask()
    climb(stops)
    labelled.scan("handed_over")
    assert confirm(labelled, stops) == [], "nobody can have found it"
    climb(stops)
    assert (labelled.states(), stops.ends(), labelled.counters()) == (["in_transit"], ["too_late"], (8, 0, 0))


def test_at_a_location_of_our_own_a_person_confirms(placed, stops, monkeypatch):
    own = OwnWarehouse(OwnDocuments(placed.db))
    placed.tools.warehouses["east"] = own
    location = placed.tools.directory.locations["east"]
    monkeypatch.setattr(type(location), "is_own", property(lambda _self: True))
    stops.ask()
    climb(stops)
    assert stops.status() == [("close", "asked", "confirm")]
    confirm(placed, stops)
    climb(stops)
    assert is_stopped(placed, stops)


def test_a_persons_word_ends_the_document_of_a_warehouse_that_cannot_be_asked(merchant, take_orders, first, stops):
    take_orders(can_stop=False)
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(first)
    merchant.flow("label")
    merchant.run("dispatch")
    stops.ask()
    climb(stops)
    assert stops.status() == [("close", "asked", "confirm")]
    confirm_here(merchant.db, merchant.one("SELECT id FROM orders"), LI)
    climb(stops)
    assert is_stopped(merchant, stops)
    assert stops.documents() == [(1, "stopped")], "what is told of the order looks at the document"
    told = merchant.rows("SELECT facts ->> 'by', facts ->> 'reason' FROM event WHERE kind = 'goods_confirmed'")
    assert told == [("li", LI.reason)]
