"""A parcel that came back is counted once: stock grows by what can be sold, cases end, and stops are proven."""

from datetime import timedelta

import pytest

from actors.parcels import coming_back
from adapters.documents import ReturnedPieces
from adapters.ports import WarehouseEvent
from domain.tracking import ParcelKind
from infra.monitoring.invariants import find_breaches
from infra.sweeper.parcel_clocks import open_parcel_cases
from infra.tables import stock
from tests.actors.coming_back.conftest import COLLECTED, LEFT, TURNED, told


def breaches(merchant):
    with merchant.db.connection() as session:
        return [str(one) for one in find_breaches(session)]


def back(returning, *pieces, reference=None, waybill="", event_id="r1"):
    """The warehouse's feed tells of a parcel that came back."""
    reference = reference or returning.one("SELECT reference FROM shipment ORDER BY id LIMIT 1")
    at = LEFT + timedelta(days=2)
    returning.warehouse.scans.append(
        WarehouseEvent(event_id, reference, waybill, "returned", at, returned=tuple(pieces))
    )
    returning.rows("UPDATE work SET due_at = now() - interval '1 second' WHERE step = 'warehouse'")
    returning.run("warehouse")


def lines(returning):
    return returning.rows("SELECT sku, sent, sellable, damaged FROM parcel_return_line ORDER BY line_id")


@pytest.fixture
def confirmed(wanted):
    """Its return is expected."""
    wanted.track(COLLECTED)
    wanted.intercept()
    wanted.track(COLLECTED, TURNED)
    wanted.intercept()
    wanted.rows("DELETE FROM work WHERE step = 'stop'")
    return wanted


def on_hand(returning):
    places = returning.one("SELECT sum(on_hand)::int FROM stock_location WHERE sku = 'TEE-1'")
    assert returning.counters() == (places, 0, 0)
    return places


def test_stock_grows_by_what_can_be_sold_and_by_no_more(confirmed):
    assert on_hand(confirmed) == 97
    back(confirmed, ReturnedPieces("TEE-1", 1, 1))
    assert on_hand(confirmed) == 98
    assert (lines(confirmed), confirmed.expected) == ([("TEE-1", 3, 1, 1)], [("intercepted", True)])
    assert confirmed.rows("SELECT received_by, location FROM parcel_return") == [("warehouse/east", "east")]
    assert confirmed.rows("SELECT facts FROM event WHERE kind = 'package_received'") == [
        ({"location": "east", "sellable": 1, "damaged": 1, "missing": 1},)
    ]
    assert breaches(confirmed) == []


def test_the_same_event_and_another_count_change_nothing(confirmed):
    for number in range(3):
        back(confirmed, ReturnedPieces("TEE-1", 3, 0), event_id=f"r{number}")
    assert (on_hand(confirmed), len(lines(confirmed))) == (100, 1)
    assert confirmed.one("SELECT count(*) FROM event WHERE kind = 'package_received'") == 1


def test_control_without_its_guard_a_repeat_gives_pieces_back_twice(confirmed, monkeypatch):
    monkeypatch.setattr(coming_back, "receive_return", lambda *_, **__: True)
    back(confirmed, ReturnedPieces("TEE-1", 3, 0))
    back(confirmed, ReturnedPieces("TEE-1", 3, 0), event_id="r2")
    assert on_hand(confirmed) == 103


def test_more_than_was_sent_and_another_sku_are_no_stock(confirmed):
    back(confirmed, ReturnedPieces("TEE-1", 9, 0), ReturnedPieces("MUG-1", 2, 0))
    assert on_hand(confirmed) == 100
    assert confirmed.one("SELECT facts ->> 'surplus' FROM event WHERE kind = 'package_received'") == "8"
    assert confirmed.rows("SELECT 1 FROM stock_pool WHERE sku = 'MUG-1'") == []


def test_a_parcel_at_the_door_that_nobody_has_counted_is_not_back_yet(confirmed):
    back(confirmed)
    assert (on_hand(confirmed), confirmed.expected) == (97, [("intercepted", False)])
    assert confirmed.one("SELECT count(*) FROM event WHERE kind = 'return_arrived'") == 1
    back(confirmed, ReturnedPieces("TEE-1", 3, 0), event_id="r2")
    assert confirmed.expected == [("intercepted", True)]


def test_an_open_stop_is_proven_and_its_order_closed(confirmed):
    back(confirmed, ReturnedPieces("TEE-1", 3, 0))
    assert (confirmed.status, confirmed.holds()) == ("received", [])
    assert confirmed.rows("SELECT status, ended_at IS NOT NULL FROM stop") == [("stopped", True)]
    assert confirmed.rows("SELECT state, closed_reason FROM fulfillment_order") == [("closed", "stopped")]
    moves = "SELECT from_state, to_state, cause FROM event WHERE from_state IS NOT NULL ORDER BY id DESC LIMIT 2"
    assert confirmed.rows(moves) == [("after_sale", "closed", "saga"), ("in_transit", "after_sale", "saga")]
    assert breaches(confirmed) == []


def test_a_stop_that_ended_as_coming_back_is_proven_and_its_order_closed(confirmed):
    confirmed.rows("UPDATE stop SET status = 'coming_back', ended_at = now()")
    confirmed.rows("UPDATE fulfillment_order SET state = 'after_sale'")
    back(confirmed, ReturnedPieces("TEE-1", 0, 3))
    assert confirmed.rows("SELECT status FROM stop") == [("stopped",)]
    assert confirmed.rows("SELECT state, closed_reason FROM fulfillment_order") == [("closed", "stopped")]
    assert (on_hand(confirmed), breaches(confirmed)) == (97, [])


@pytest.mark.parametrize(("goal", "asked"), [("rebuild", []), ("close", ["9"])])
def test_goods_that_their_buyer_still_wants_are_a_persons(confirmed, goal, asked):
    confirmed.rows("UPDATE stop SET status = 'coming_back', ended_at = now(), goal = %s, lines = %s", goal, asked)
    confirmed.rows("UPDATE fulfillment_order SET state = 'after_sale'")
    back(confirmed, ReturnedPieces("TEE-1", 3, 0))
    assert (confirmed.states(), on_hand(confirmed)) == (["after_sale"], 100)
    assert confirmed.rows("SELECT kind, owner FROM order_case") == [("ship_anew", "service")]


def test_an_open_stop_of_some_lines_looks_at_what_was_counted(confirmed):
    confirmed.rows("UPDATE stop SET lines = '{9}'")
    back(confirmed, ReturnedPieces("TEE-1", 3, 0))
    assert (confirmed.status, len(confirmed.due("stop"))) == ("received", 1)


def test_of_two_packages_both_must_be_back(confirmed):
    confirmed.rows(
        """WITH second AS (
               INSERT INTO package (fulfillment_order_id, number, courier, account, location, packed_at, handed_over_at)
               SELECT fulfillment_order_id, 1001, courier, account, location, packed_at, handed_over_at FROM package
               RETURNING id)
           INSERT INTO shipment (package_id, generation, reference, courier, status, waybill, booked_at)
           SELECT id, 1, 'SECOND-1', 'sf', 'booked', 'SF0002', now() FROM second"""
    )
    back(confirmed, ReturnedPieces("TEE-1", 3, 0))
    assert confirmed.states() == ["in_transit"]
    back(confirmed, ReturnedPieces("TEE-1", 1, 0), reference="SECOND-1", event_id="r2")
    assert (confirmed.states(), on_hand(confirmed)) == (["closed"], 100)


def test_a_parcel_that_its_courier_brings_back_unasked_is_expected_and_its_count_passes_it_to_service(left):
    returning = left()
    returning.track(COLLECTED, told(ParcelKind.RETURNING, 21))
    assert returning.expected == [("brought_back", False)]
    assert returning.rows("SELECT kind FROM order_case") == [("returned_to_sender",)]
    back(returning, ReturnedPieces("TEE-1", 3, 0), waybill="SF-OTHER-NUMBER")
    assert returning.rows("SELECT kind, owner, closed_by FROM order_case ORDER BY id") == [
        ("returned_to_sender", "warehouse", "warehouse/east"),
        ("ship_anew", "service", None),
    ], "the buyer has neither the goods nor the money"
    assert on_hand(returning) == 100


def test_a_parcel_that_nobody_expected_is_counted_and_is_somebodys(left):
    returning = left()
    back(returning, ReturnedPieces("TEE-1", 2, 0))
    assert (on_hand(returning), returning.expected) == (99, [("unexpected", True)])
    assert returning.rows("SELECT kind, owner, closed_at FROM order_case") == [("return_unexpected", "service", None)]
    assert returning.states() == ["packed"], "who gets what back is a person's decision"


def test_a_count_that_comes_before_its_courier_s_events_is_no_surprise_and_neither_are_they(wanted):
    wanted.track(COLLECTED)
    wanted.intercept()
    back(wanted, ReturnedPieces("TEE-1", 3, 0))
    wanted.track(COLLECTED, TURNED)
    assert (wanted.expected, wanted.states()) == ([("intercepted", True)], ["closed"])
    assert wanted.rows("SELECT kind FROM order_case") == []


def test_events_of_a_return_that_was_counted_open_no_case(left):
    returning = left()
    returning.track(COLLECTED, told(ParcelKind.ATTEMPT_FAILED, 20))
    back(returning, ReturnedPieces("TEE-1", 3, 0))
    returning.track(COLLECTED, told(ParcelKind.ATTEMPT_FAILED, 20), TURNED)
    assert returning.rows("SELECT kind FROM order_case") == [("return_unexpected",)]


def test_an_event_of_a_package_that_nobody_knows_waits(left):
    returning = left()
    back(returning, ReturnedPieces("TEE-1", 2, 0), reference="NOBODYS-1-1")
    assert returning.rows("SELECT reference, told -> 'returned' -> 0 ->> 'sku' FROM early_scan") == [
        ("NOBODYS-1-1", "TEE-1")
    ]
    assert on_hand(returning) == 97


def test_what_came_back_without_a_hand_over_had_left_all_the_same(make_merchant, trade):
    merchant = make_merchant()
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(trade(tid="1001", pieces=3))
    merchant.flow("label")
    assert merchant.counters() == (10, 0, 3)
    back(merchant, ReturnedPieces("TEE-1", 2, 1))
    assert merchant.counters() == (9, 0, 0)


def test_an_overdue_return_is_a_case_once_and_its_count_ends_it(confirmed):
    confirmed.rows("UPDATE parcel_return SET expected_at = now() - interval '239 hours'")
    open_parcel_cases(confirmed.db)
    assert confirmed.rows("SELECT 1 FROM order_case") == []
    confirmed.rows("UPDATE parcel_return SET expected_at = now() - interval '241 hours'")
    open_parcel_cases(confirmed.db)
    open_parcel_cases(confirmed.db)
    assert confirmed.rows("SELECT kind, owner, closed_at FROM order_case") == [("return_overdue", "warehouse", None)]
    back(confirmed, ReturnedPieces("TEE-1", 3, 0))
    assert confirmed.rows("SELECT closed_by FROM order_case") == [("warehouse/east",)]


def test_a_crash_between_the_count_and_its_stock_counts_nothing(confirmed, monkeypatch):
    class Killed(BaseException):
        pass

    def die(*_):
        raise Killed

    monkeypatch.setattr(coming_back, "give_back_stock", die)
    with pytest.raises(Killed):
        back(confirmed, ReturnedPieces("TEE-1", 3, 0))
    assert (on_hand(confirmed), confirmed.expected) == (97, [("intercepted", False)])
    monkeypatch.setattr(coming_back, "give_back_stock", stock.give_back_stock)
    confirmed.free()
    confirmed.fall_due()
    confirmed.run("warehouse")
    assert (on_hand(confirmed), confirmed.expected) == (100, [("intercepted", True)])
