"""Parcels are followed: events are kept once, orders go forward only, buyers hear once, trouble is a case."""

from dataclasses import replace as replace_scan
from datetime import timedelta
from itertools import permutations

import pytest
from msgspec.structs import replace

from domain.errors import Conflict, Malformed, Misconfigured, Refused, Throttled, Transient
from domain.gates import PAUSED
from domain.holds import HoldCode
from domain.ship_by import ON_THE_CLOCK
from infra.config.directory import directory_of
from infra.engine.author import Author
from infra.tables.cases import close_case
from infra.tables.clock import RecentQuery, raise_alarms
from infra.tables.retention import ForgetReason, RetentionDays, find_ended, forget
from ops.verbs.hold_orders import hold
from tests.actors.tracking.conftest import (
    COLLECTED,
    DAY,
    DELIVERED,
    LEFT,
    MOVING,
    OUT,
    SIGNED,
    TRACKING,
    K,
    breaches,
    due_s,
    event,
    look,
)


def test_after_its_hand_over_an_order_stays_packed_and_everything_else_goes_on(left):
    merchant = left()
    assert merchant.states() == ["packed"]
    assert (len(merchant.due("writeback")), len(merchant.due("notify"))) == (1, 1)
    assert merchant.counters()[0] == 99, "the pieces have left"
    assert merchant.rows("SELECT lane, account, shop FROM work WHERE step = 'track'") == [
        ("bulk", TRACKING, "taobao/s1")
    ]
    assert 1_700 < due_s(merchant) <= 1_800
    assert merchant.rows("SELECT cause, facts ->> 'waybill' FROM event WHERE kind = 'handed_over'") == [
        ("warehouse", "SF0001")
    ]
    assert breaches(merchant) == []


def test_control_without_tracking_a_hand_over_is_in_transit(make_merchant, trade):
    merchant = make_merchant()
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(trade(tid="1001"))
    merchant.flow("label")
    merchant.scan("handed_over")
    assert (merchant.states(), merchant.due("track")) == (["in_transit"], [])


def test_the_courier_moves_it_from_its_collection_to_its_signing(left, clock):
    merchant = left()
    for hours, shown, state in ((1, (), "packed"), (3, (COLLECTED,), "in_transit"), (29, (OUT,), "in_transit")):
        clock.now = LEFT + timedelta(hours=hours)
        look(merchant, *shown)
        assert merchant.states() == [state]
    clock.now = SIGNED + timedelta(minutes=10)
    look(merchant, COLLECTED, MOVING, OUT, DELIVERED)
    assert merchant.states() == ["delivered"]
    assert merchant.rows("SELECT collected_at, delivered_at, tracked_at IS NOT NULL FROM package") == [
        (COLLECTED.at, SIGNED, True)
    ]
    moves = "SELECT from_state, to_state, cause FROM event WHERE kind = 'track_moved' ORDER BY id"
    assert merchant.rows(moves) == [("packed", "in_transit", "courier"), ("in_transit", "delivered", "courier")]
    assert breaches(merchant) == []


def test_it_is_completed_24_hours_after_its_signing_not_a_second_before_and_once(left, clock):
    merchant = left()
    clock.now = SIGNED + timedelta(minutes=1)
    look(merchant, COLLECTED, DELIVERED)
    assert merchant.states() == ["delivered"]
    clock.now = SIGNED + DAY - timedelta(seconds=1)
    look(merchant)
    assert merchant.states() == ["delivered"], "23:59:59"
    assert 0 <= due_s(merchant) <= 1
    clock.now = SIGNED + DAY
    look(merchant)
    look(merchant)
    assert merchant.states() == ["completed"]
    assert merchant.rows("SELECT cause FROM event WHERE to_state = 'completed'") == [("timer",)]
    assert merchant.due("track") == []
    assert breaches(merchant) == []


def test_an_open_case_keeps_it_from_being_completed_and_its_end_lets_it(left, clock):
    merchant = left()
    clock.now = SIGNED + timedelta(hours=1)
    look(merchant, COLLECTED, DELIVERED, event(K.RETURNING, 31, "99"))
    assert merchant.rows("SELECT kind, owner, shop, facts ->> 'waybill' FROM order_case") == [
        ("returned_to_sender", "warehouse", "taobao/s1", "SF0001")
    ]
    clock.now = SIGNED + 2 * DAY
    asked = len(merchant.courier.tracked)
    look(merchant)
    assert (merchant.states(), len(merchant.courier.tracked)) == (["delivered"], asked), "nothing is to be asked"
    [(case_id,)] = merchant.rows("SELECT case_id FROM order_case")
    with merchant.db.transaction() as tx:
        close_case(tx, "taobao/s1", case_id, "li", "it is back on the shelf")
    look(merchant)
    assert merchant.states() == ["completed"]


def test_trouble_that_is_told_of_only_at_the_end_keeps_it_from_being_completed(left, clock):
    merchant = left()
    clock.now = SIGNED + timedelta(hours=1)
    look(merchant, COLLECTED, DELIVERED)
    clock.now = SIGNED + DAY
    look(merchant, COLLECTED, DELIVERED, event(K.RETURNING, 50, "99"))
    assert (merchant.states(), merchant.one("SELECT count(*) FROM order_case")) == (["delivered"], 1)


def test_an_order_in_two_packages_is_delivered_with_the_second_and_completed_by_it(left, clock):
    merchant = left()
    merchant.rows(
        """WITH second AS (
               INSERT INTO package (fulfillment_order_id, number, courier, account, location, packed_at, handed_over_at)
               SELECT fulfillment_order_id, 1001, courier, account, location, packed_at, handed_over_at FROM package
               RETURNING id
           ), shipped AS (
               INSERT INTO shipment (package_id, generation, reference, courier, status, waybill, booked_at)
               SELECT id, 1, 'SECOND-1', 'sf', 'booked', 'SF0002', now() FROM second
           )
           INSERT INTO work (step, subject_id, lane, account, shop)
           SELECT 'track', id, 'bulk', %s, 'taobao/s1' FROM second""",
        TRACKING,
    )
    later = event(K.DELIVERED, 40)
    clock.now = SIGNED + timedelta(hours=1)
    look(merchant, COLLECTED, DELIVERED)
    assert merchant.states() == ["in_transit"], "one of two"
    clock.now = later.at + timedelta(hours=1)
    look(merchant, COLLECTED, later, waybill="SF0002")
    assert merchant.states() == ["delivered"]
    clock.now = SIGNED + DAY
    look(merchant)
    assert (merchant.states(), len(merchant.due("track"))) == (["delivered"], 2)
    clock.now = later.at + DAY
    look(merchant)
    assert merchant.states() == ["completed"]
    moves = merchant.rows("SELECT to_state FROM event WHERE kind = 'track_moved' ORDER BY id")
    assert moves == [("in_transit",), ("delivered",), ("completed",)]
    look(merchant)
    assert merchant.due("track") == []


@pytest.mark.parametrize("events", [*permutations((COLLECTED, OUT, DELIVERED))])
def test_in_whatever_order_and_however_often_events_come_they_are_kept_once(left, clock, events):
    merchant = left(events=("out_for_delivery", "signed"))
    clock.now = SIGNED + timedelta(hours=1)
    for count in range(1, 4):
        look(merchant, *events[:count], *events[:count])
    look(merchant, *events)
    assert merchant.states() == ["delivered"]
    assert merchant.one("SELECT count(*) FROM parcel_event") == 3
    told = merchant.rows("SELECT event, count(*) FROM notice GROUP BY event ORDER BY event")
    assert [count for _, count in told] == [1] * len(told)
    assert told[-1][0] == "package.signed"


def test_buyers_hear_of_the_events_that_their_channel_wants_and_of_each_once(left, clock):
    merchant = left(events=("shipped", "out_for_delivery", "signed"))
    clock.now = LEFT + timedelta(hours=29)
    for _ in range(2):
        look(merchant, COLLECTED, OUT)
    clock.now = SIGNED + timedelta(minutes=1)
    for _ in range(2):
        look(merchant, COLLECTED, OUT, DELIVERED)
    merchant.run("notify")
    assert [one.event for one in merchant.notifier.told] == [
        "package.shipped",
        "package.out_for_delivery",
        "package.signed",
    ]
    assert [one.occurred_at for one in merchant.notifier.told][1:] == [OUT.at, SIGNED]


def test_by_default_they_hear_of_the_shipping_only(left, clock):
    merchant = left()
    clock.now = SIGNED + timedelta(minutes=1)
    look(merchant, COLLECTED, OUT, DELIVERED)
    assert merchant.rows("SELECT event FROM notice") == [("package.shipped",)]


def test_that_a_signed_parcel_was_out_for_delivery_is_no_news(left, clock):
    merchant = left(events=("out_for_delivery", "signed"))
    clock.now = SIGNED + timedelta(minutes=1)
    look(merchant, COLLECTED, OUT, DELIVERED)
    assert merchant.rows("SELECT event FROM notice") == [("package.signed",)]


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [(K.LOST, "lost"), (K.REFUSED, "refused_by_buyer"), (K.RETURNING, "returned_to_sender")],
)
def test_trouble_is_one_case_with_an_owner_however_often_it_is_told(left, clock, trouble, kind):
    merchant = left()
    clock.now = LEFT + timedelta(hours=12)
    for _ in range(3):
        look(merchant, COLLECTED, event(trouble, 11))
    assert merchant.rows("SELECT kind, owner IS NOT NULL, due_at > now() FROM order_case") == [(kind, True, True)]
    assert (merchant.states(), merchant.holds()) == (["in_transit"], [])


def test_many_parcels_share_a_call_and_each_has_its_own_answer(left, clock):
    merchant = left(orders=12)
    clock.now = LEFT + timedelta(hours=3)
    merchant.courier.ways = {f"SF{number:04}": (COLLECTED,) for number in range(1, 13)}
    merchant.courier.ways["SF0002"] = Refused("routes_refused")
    merchant.courier.ways["SF0003"] = Malformed("field_invalid")
    look(merchant)
    assert [len(asked) for asked in merchant.courier.tracked] == [10, 2]
    assert sorted(merchant.states()) == ["in_transit"] * 10 + ["packed"] * 2
    assert (merchant.letters(), merchant.holds(), len(merchant.due("track"))) == ([], [], 12)


def test_the_phone_is_the_senders_and_a_persons_only_where_the_location_is_gone(left, clock):
    merchant = left(oaid=None, receiver_name="林小满", receiver_mobile="13800005678", receiver_address="文三路 1 号")
    look(merchant)
    assert merchant.courier.tracked[-1][0].phone == "1"
    gone = directory_of(replace(merchant.settings, locations=()))
    object.__setattr__(merchant.tools, "directory", gone)
    look(merchant)
    assert merchant.courier.tracked[-1][0].phone == "13800005678"
    assert "1380000" not in repr(merchant.courier.tracked)


@pytest.mark.parametrize("error", [Transient("down"), Malformed("http_502"), Refused("request_invalid")])
def test_a_silent_courier_is_asked_again_and_is_nobodys_failure(left, clock, error):
    merchant = left()
    merchant.courier.errors["track"] = [error] * 20
    for _ in range(20):
        look(merchant)
    assert (merchant.letters(), merchant.holds(), merchant.due("track")) == ([], [], [(1, 0)])
    look(merchant, COLLECTED)
    assert merchant.states() == ["in_transit"]


@pytest.mark.parametrize(
    "error", [Throttled("flow_control", after_s=5.0), Misconfigured("permission_denied", facts={PAUSED: TRACKING})]
)
def test_a_courier_that_may_not_be_asked_costs_no_attempt_and_holds_no_order(left, clock, error):
    merchant = left()
    merchant.courier.errors["track"] = [error]
    look(merchant)
    assert (merchant.letters(), merchant.holds(), merchant.due("track")) == ([], [], [(1, 0)])


def test_where_tracking_is_switched_off_the_hand_over_counts_again(left, clock):
    merchant = left()
    merchant.courier.can_track = False
    look(merchant)
    assert (merchant.states(), merchant.due("track"), merchant.courier.tracked) == (["in_transit"], [], [])


def test_a_parcel_that_nobody_collects_is_given_up_as_a_case(left, clock):
    merchant = left()
    clock.now = LEFT + timedelta(days=31)
    look(merchant)
    assert merchant.rows("SELECT kind FROM order_case") == [("not_collected",)]
    assert (merchant.states(), merchant.due("track"), merchant.holds()) == (["packed"], [], [])


def test_a_parcel_that_never_arrives_is_given_up_as_a_case(left, clock):
    merchant = left()
    clock.now = LEFT + timedelta(days=31)
    look(merchant, COLLECTED)
    assert merchant.rows("SELECT kind FROM order_case") == [("not_moving",)]
    assert (merchant.states(), merchant.due("track")) == (["in_transit"], [])


def test_nothing_that_the_platform_says_stops_an_order_that_was_handed_over(left, trade):
    merchant = left()
    merchant.deliver(trade(tid="1001", refund="WAIT_SELLER_AGREE", modified="2026-11-23 10:00:00"))
    merchant.run("normalize")
    assert (merchant.states(), merchant.holds()) == (["packed"], [])


def test_a_scan_of_another_waybill_after_the_hand_over_is_a_case(left):
    merchant = left()
    reference = merchant.one("SELECT reference FROM shipment")
    for number in range(2):
        merchant.warehouse.scans.append(
            merchant.warehouse.scans[0].__class__(f"n{number}", reference, "SF9999", "handed_over", LEFT)
        )
        merchant.scan()
    assert merchant.rows("SELECT kind, facts ->> 'scanned' FROM order_case") == [("wrong_waybill", "SF9999")]
    assert (merchant.states(), merchant.holds()) == (["packed"], [])


def test_a_number_that_may_not_travel_is_not_told_until_its_case_is_closed(left):
    merchant = left()
    scan = merchant.warehouse.scans[0]
    merchant.warehouse.scans.append(replace_scan(scan, event_id="n1", waybill="SF9999"))
    merchant.scan()
    merchant.run("writeback")
    assert (merchant.platform.told, merchant.due("writeback")) == ([], [(1, 0)])
    [(case_id,)] = merchant.rows("SELECT case_id FROM order_case")
    with merchant.db.transaction() as tx:
        close_case(tx, "taobao/s1", case_id, "li", "a wrong scan: the parcel has our label")
    merchant.fall_due()
    merchant.run("writeback")
    assert merchant.platform.told == ["SF0001"]


def test_a_look_that_dies_is_taken_up_by_the_next(left, clock):
    merchant = left()
    clock.now = LEFT + timedelta(hours=3)
    merchant.courier.ways["SF0001"] = (COLLECTED,)
    record = type(merchant.runners["track"].step).record
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(merchant.runners["track"].step), "record", lambda *_: 1 / 0)
        look(merchant)
    assert merchant.states() == ["packed"]
    assert type(merchant.runners["track"].step).record is record
    look(merchant)
    assert (merchant.states(), merchant.one("SELECT count(*) FROM parcel_event")) == (["in_transit"], 1)


def test_the_ship_by_clock_ends_with_the_hand_over(make_merchant, trade):
    merchant = make_merchant()
    merchant.courier.can_track = True
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(trade(tid="1001"), trade(tid="1002"))
    merchant.flow("label")
    merchant.scan("handed_over", reference=merchant.one("SELECT min(reference) FROM shipment"))
    assert sorted(merchant.states()) == ["allocated", "packed"]
    merchant.rows("UPDATE orders SET ship_by = now() - interval '1 hour'")
    with merchant.db.transaction() as tx:
        raised = raise_alarms(tx, [100], sorted(ON_THE_CLOCK), RecentQuery(30, 1000), 100)
    assert [one.orders for one in raised] == [1], "the order that is still here"


def test_a_person_cannot_stop_what_was_handed_over(left):
    merchant = left()
    with pytest.raises(Conflict) as caught:
        hold(merchant.db, merchant.one("SELECT id FROM orders"), HoldCode.MANUAL, Author("li", "the buyer called"))
    assert caught.value.code == "order_left"


def test_the_events_of_a_parcel_go_with_its_person(left, clock):
    merchant = left(orders=2)
    clock.now = LEFT + timedelta(hours=3)
    merchant.courier.ways = {"SF0001": (COLLECTED,), "SF0002": (COLLECTED,)}
    look(merchant)
    first = merchant.one("SELECT min(id) FROM orders")
    with merchant.db.transaction() as tx:
        assert forget(tx, [first], ForgetReason.ERASED)["parcel_event"] == 1
    assert merchant.one("SELECT count(*) FROM parcel_event") == 1


def test_an_order_of_whose_parcel_nobody_ever_told_ends_by_its_age(left):
    merchant = left()
    merchant.run("writeback")
    merchant.run("notify")
    merchant.rows("UPDATE raw_payload SET received_at = now() - interval '99 days'")
    ended = RetentionDays(days=15, transit_days=30)
    with merchant.db.transaction() as tx:
        assert find_ended(tx, [1], ended) == [], "its parcel is still followed"
    merchant.rows("DELETE FROM work WHERE step = 'track'")
    with merchant.db.transaction() as tx:
        assert find_ended(tx, [1], ended) == [], "not yet"
    merchant.rows("UPDATE package SET handed_over_at = now() - interval '46 days'")
    with merchant.db.transaction() as tx:
        assert find_ended(tx, [1], ended) == [1]
