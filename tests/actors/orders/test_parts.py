"""An order of several lines on stock in two locations: parts, each labelled, told and notified by itself."""

from dataclasses import replace

import pytest

from domain.rules import RefundScope, WhenShort
from infra.engine.worker_lock import PRESENCE_CLASS, Presence
from infra.monitoring.invariants import find_breaches
from ops.views.due import due_orders
from workers.wiring import make_runners

SKUS = {"TEE-A": 5, "TEE-B": 2, "TEE-C": 1}
OIDS = {"TEE-A": "9001", "TEE-B": "9002", "TEE-C": "9003"}


def line(sku, **changes):
    pieces = SKUS[sku]
    return {
        "oid": int(OIDS[sku]),
        "num_iid": 600000000001,
        "title": sku,
        "num": pieces,
        "price": "10.00",
        "payment": f"{10 * pieces}.00",
        "divide_order_fee": f"{10 * pieces}.00",
        "refund_status": "NO_REFUND",
        "status": "WAIT_SELLER_SEND_GOODS",
        "outer_iid": sku,
        **changes,
    }


@pytest.fixture
def three_lines(trade):
    """A paid trade of 5, 2 and 1 pieces; keywords by SKU replace fields of its lines."""

    def build(at="10:00:00", tid="9000", **changes):
        lines = [line(sku, **changes.get(sku, {})) for sku in SKUS]
        sums = {"payment": "80.00", "total_fee": "80.00", "orders": {"order": lines}}
        return trade(tid=tid, modified=f"2026-11-22 {at}", **sums)

    return build


@pytest.fixture
def two_places(merchant):
    """The first line is in stock in the east only, the others in the west only."""
    merchant.stock("east", **{"TEE-A": 10})
    merchant.stock("west", **{"TEE-B": 10, "TEE-C": 10})
    return merchant


def packages(merchant):
    return merchant.rows(
        """SELECT p.number, p.location, f.number, f.state,
                  (SELECT json_object_agg(k.line_id, k.quantity) FROM package_line AS k
                   WHERE k.package_id = p.id AND k.quantity > 0)
           FROM package AS p JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id ORDER BY p.number"""
    )


def breaches(merchant):
    with merchant.db.connection() as connection:
        return find_breaches(connection)


def test_two_locations_fill_it_together(two_places, three_lines):
    two_places.deliver(three_lines())
    two_places.flow("route")
    made = packages(two_places)
    assert [one[:4] for one in made] == [(1, "east", 1, "allocated"), (2, "west", 2, "allocated")]
    assert [one[4] for one in made] == [{"9001": 5}, {"9002": 2, "9003": 1}]
    two_places.run("label")
    assert len({one.number for one in two_places.courier.waybills}) == 2
    assert [dict(booking.contents) for booking in two_places.courier.bookings] == [
        {"TEE-A": 5},
        {"TEE-B": 2, "TEE-C": 1},
    ]
    assert breaches(two_places) == []
    two_places.scan("accepted", "packed", "handed_over")
    for _ in range(3):
        two_places.run("writeback")
        two_places.fall_due()
    two_places.run("notify")
    told = two_places.platform.shipments["9000"]
    assert sorted(one.line_ids for one in told) == [("9001",), ("9002", "9003")]
    assert two_places.rows("SELECT DISTINCT status FROM writeback") == [("confirmed",)]
    assert len(two_places.notifier.told) == 2
    assert two_places.counters("TEE-A") == (5, 0, 0)
    assert two_places.counters("TEE-B") == (8, 0, 0)
    assert breaches(two_places) == []


def test_a_refund_paid_between_route_and_label_removes_just_that_line(two_places, three_lines):
    two_places.deliver(three_lines())
    two_places.flow("route")
    two_places.deliver(three_lines(at="10:05:00", **{"TEE-B": {"refund_status": "SUCCESS"}}))
    two_places.run("normalize")
    assert two_places.holds() == []
    assert [one[4] for one in packages(two_places)] == [{"9001": 5}, {"9003": 1}]
    assert two_places.counters("TEE-B") == (10, 0, 0)
    two_places.run("label")
    assert [dict(booking.contents) for booking in two_places.courier.bookings] == [{"TEE-A": 5}, {"TEE-C": 1}]
    assert breaches(two_places) == []


def test_a_refund_that_only_the_last_check_sees_removes_its_line_too(two_places, three_lines):
    two_places.deliver(three_lines())
    two_places.flow("route")
    two_places.platform.trades["9000"] = three_lines(at="10:05:00", **{"TEE-B": {"refund_status": "SUCCESS"}})
    two_places.run("label")
    assert [dict(booking.contents) for booking in two_places.courier.bookings] == [{"TEE-A": 5}]
    two_places.run("normalize")
    two_places.fall_due()
    two_places.run("label")
    assert [dict(booking.contents) for booking in two_places.courier.bookings] == [{"TEE-A": 5}, {"TEE-C": 1}]
    assert (two_places.holds(), breaches(two_places)) == ([], [])


def test_a_whole_part_refunded_closes_and_the_other_goes_on(two_places, three_lines):
    two_places.deliver(three_lines())
    two_places.flow("route")
    paid = {"refund_status": "SUCCESS"}
    two_places.deliver(three_lines(at="10:05:00", **{"TEE-B": paid, "TEE-C": paid}))
    two_places.run("normalize")
    assert (two_places.states(), two_places.holds()) == (["allocated", "closed"], [])
    two_places.flow()
    assert len(two_places.courier.waybills) == 1
    assert breaches(two_places) == []


def test_a_refund_asked_holds_both_parts_and_withdrawn_lets_both_go(two_places, three_lines):
    two_places.deliver(three_lines())
    two_places.flow("route")
    two_places.deliver(three_lines(at="10:05:00", **{"TEE-B": {"refund_status": "WAIT_SELLER_AGREE"}}))
    two_places.run("normalize")
    assert (two_places.states(), two_places.holds()) == (["on_hold"] * 2, ["refund_requested"] * 2)
    two_places.run("label")
    assert two_places.courier.waybills == []
    two_places.deliver(three_lines(at="10:06:00", **{"TEE-B": {"refund_status": "CLOSED"}}))
    two_places.run("normalize")
    assert (two_places.states(), two_places.holds()) == (["allocated"] * 2, [])
    two_places.run("label")
    assert len(two_places.courier.waybills) == 2
    assert breaches(two_places) == []


@pytest.fixture
def two_places_where(two_places):
    """The same house under other rules."""

    def change(refund_asked_holds=RefundScope.ORDER, **split):
        rules = two_places.tools.rules
        review = replace(rules.review, refund_asked_holds=refund_asked_holds)
        routing = replace(rules.routing, split=replace(rules.routing.split, **split))
        two_places.tools = replace(two_places.tools, rules=replace(rules, review=review, routing=routing))
        two_places.runners = make_runners(two_places.tools, two_places.event_loop, 1_000_000)
        return two_places

    return change


ASKED, WITHDRAWN = {"refund_status": "WAIT_SELLER_AGREE"}, {"refund_status": "CLOSED"}


@pytest.mark.parametrize("until", [None, "review", "route"])
def test_where_the_rule_says_so_the_other_lines_go_on(two_places_where, three_lines, until):
    house = two_places_where(refund_asked_holds=RefundScope.LINES)
    if until is not None:
        house.deliver(three_lines())
        house.flow(until)
    house.deliver(three_lines(at="10:05:00", **{"TEE-B": ASKED}))
    house.flow("label")
    assert sorted(house.states()) == ["allocated", "allocated", "on_hold"]
    assert house.holds() == ["refund_requested"]
    assert sorted(str(dict(one.contents)) for one in house.courier.bookings) == ["{'TEE-A': 5}", "{'TEE-C': 1}"]
    assert breaches(house) == []
    house.deliver(three_lines(at="10:06:00", **{"TEE-B": WITHDRAWN}))
    house.flow("label")
    assert (sorted(house.states()), house.holds()) == (["allocated"] * 3, [])
    assert len(house.courier.bookings) == 3
    assert breaches(house) == []


def test_a_refund_that_is_paid_while_its_line_was_held_back_closes_that_part(two_places_where, three_lines):
    house = two_places_where(refund_asked_holds=RefundScope.LINES)
    house.deliver(three_lines(**{"TEE-B": ASKED}))
    house.flow("label")
    house.deliver(three_lines(at="10:06:00", **{"TEE-B": {"refund_status": "SUCCESS"}}))
    house.flow("label")
    assert (sorted(house.states()), house.holds()) == (["allocated", "allocated", "closed"], [])
    assert house.counters("TEE-B") == (10, 0, 0)
    assert breaches(house) == []


def test_an_order_that_nobody_can_fill_is_held_whole(two_places, three_lines):
    two_places.rows("UPDATE stock_pool SET on_hand = 1 WHERE sku = 'TEE-B'")
    two_places.deliver(three_lines())
    two_places.flow()
    assert (two_places.states(), two_places.holds()) == (["on_hold"], ["stock_short_paid"])
    assert two_places.courier.waybills == []


def test_or_in_parts_where_the_rule_says_so(two_places_where, three_lines):
    house = two_places_where(when_short=WhenShort.SHIP_PART)
    house.rows("UPDATE stock_pool SET on_hand = 1 WHERE sku = 'TEE-B'")
    house.rows("UPDATE stock_location SET on_hand = 1 WHERE sku = 'TEE-B'")
    house.deliver(three_lines())
    house.flow("label")
    assert (sorted(house.states()), house.holds()) == (["allocated", "allocated", "on_hold"], ["stock_short_paid"])
    assert sorted(str(dict(one.contents)) for one in house.courier.bookings) == ["{'TEE-A': 5}", "{'TEE-C': 1}"]
    assert breaches(house) == []


def test_a_rule_that_never_splits_holds_the_order(two_places_where, three_lines):
    house = two_places_where(max_parts=1)
    house.deliver(three_lines())
    house.flow()
    assert (house.states(), house.holds()) == (["on_hold"], ["stock_short_paid"])
    [facts] = house.rows("SELECT facts ->> 'split_refused' FROM hold")
    assert facts == ("max_parts",)


def test_a_part_waits_while_a_worker_of_an_earlier_version_lives(two_places, three_lines):
    earlier = Presence(two_places.db)
    two_places.deliver(three_lines())
    two_places.flow("route")
    assert two_places.states() == ["approved"]
    earlier.close()
    # The server lets go of the lock of a closed session a moment later.
    two_places.rows("SELECT pg_advisory_xact_lock(%s, %s)", PRESENCE_CLASS, earlier.worker)
    two_places.fall_due()
    two_places.run("route")
    assert two_places.states() == ["allocated", "allocated"]


@pytest.mark.parametrize("until", [None, "review", "route"])
def test_a_flag_that_the_rules_hold_stops_an_order_wherever_it_is_seen(two_places, three_lines, until):
    rules = two_places.tools.rules
    two_places.tools = replace(
        two_places.tools, rules=replace(rules, review=replace(rules.review, held_flags=frozenset({1})))
    )
    two_places.runners = make_runners(two_places.tools, two_places.event_loop, 1_000_000)
    if until is not None:
        two_places.deliver(three_lines())
        two_places.flow(until)
    if until == "route":
        two_places.platform.trades["9000"] = three_lines(at="10:05:00") | {"seller_flag": 1}
    else:
        two_places.deliver(three_lines(at="10:05:00") | {"seller_flag": 1})
    two_places.flow()
    assert set(two_places.holds()) == {"seller_flag"}
    assert two_places.courier.waybills == []
    two_places.deliver(three_lines(at="10:06:00") | {"seller_flag": 0})
    two_places.flow()
    assert (two_places.holds(), len(two_places.courier.waybills)) == ([], 2)


def test_an_order_in_parts_is_one_order_on_the_list_of_clocks(two_places, three_lines):
    two_places.deliver(three_lines())
    two_places.flow("route")
    [row] = due_orders(two_places.db)
    assert row.state == "allocated"
