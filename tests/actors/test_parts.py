"""An order of several lines on stock in two locations: parts, each labelled, told and notified by itself."""

import pytest

from domain.states import Step
from infra.invariants import find_breaches

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
    """The first line stands in the east only, the others in the west only."""
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
    two_places.flow(Step.ROUTE)
    made = packages(two_places)
    assert [one[:4] for one in made] == [(1, "east", 1, "allocated"), (2, "west", 2, "allocated")]
    assert [one[4] for one in made] == [{"9001": 5}, {"9002": 2, "9003": 1}]
    two_places.run(Step.LABEL)
    assert len({one.number for one in two_places.courier.waybills}) == 2
    assert [dict(booking.contents) for booking in two_places.courier.bookings] == [
        {"TEE-A": 5},
        {"TEE-B": 2, "TEE-C": 1},
    ]
    assert breaches(two_places) == []
    two_places.scan("accepted", "packed", "handed_over")
    for _ in range(3):
        two_places.run(Step.WRITEBACK)
        two_places.fall_due()
    two_places.run(Step.NOTIFY)
    told = two_places.platform.shipments["9000"]
    assert sorted(one.line_ids for one in told) == [("9001",), ("9002", "9003")]
    assert two_places.rows("SELECT DISTINCT status FROM writeback") == [("confirmed",)]
    assert len(two_places.notifier.told) == 2
    assert two_places.counters("TEE-A") == (5, 0, 0)
    assert two_places.counters("TEE-B") == (8, 0, 0)
    assert breaches(two_places) == []


def test_a_refund_paid_between_route_and_label_removes_just_that_line(two_places, three_lines):
    two_places.deliver(three_lines())
    two_places.flow(Step.ROUTE)
    two_places.deliver(three_lines(at="10:05:00", **{"TEE-B": {"refund_status": "SUCCESS"}}))
    two_places.run(Step.NORMALIZE)
    assert two_places.holds() == []
    assert [one[4] for one in packages(two_places)] == [{"9001": 5}, {"9003": 1}]
    assert two_places.counters("TEE-B") == (10, 0, 0)
    two_places.run(Step.LABEL)
    assert [dict(booking.contents) for booking in two_places.courier.bookings] == [{"TEE-A": 5}, {"TEE-C": 1}]
    assert breaches(two_places) == []


def test_a_refund_that_only_the_last_check_sees_removes_its_line_too(two_places, three_lines):
    two_places.deliver(three_lines())
    two_places.flow(Step.ROUTE)
    two_places.platform.trades["9000"] = three_lines(at="10:05:00", **{"TEE-B": {"refund_status": "SUCCESS"}})
    two_places.run(Step.LABEL)
    assert [dict(booking.contents) for booking in two_places.courier.bookings] == [{"TEE-A": 5}]
    two_places.run(Step.NORMALIZE)
    two_places.fall_due()
    two_places.run(Step.LABEL)
    assert [dict(booking.contents) for booking in two_places.courier.bookings] == [{"TEE-A": 5}, {"TEE-C": 1}]
    assert (two_places.holds(), breaches(two_places)) == ([], [])


def test_a_whole_part_refunded_closes_and_the_other_goes_on(two_places, three_lines):
    two_places.deliver(three_lines())
    two_places.flow(Step.ROUTE)
    paid = {"refund_status": "SUCCESS"}
    two_places.deliver(three_lines(at="10:05:00", **{"TEE-B": paid, "TEE-C": paid}))
    two_places.run(Step.NORMALIZE)
    assert (two_places.states(), two_places.holds()) == (["allocated", "closed"], [])
    two_places.flow()
    assert len(two_places.courier.waybills) == 1
    assert breaches(two_places) == []


def test_a_refund_asked_holds_both_parts_and_withdrawn_lets_both_go(two_places, three_lines):
    two_places.deliver(three_lines())
    two_places.flow(Step.ROUTE)
    two_places.deliver(three_lines(at="10:05:00", **{"TEE-B": {"refund_status": "WAIT_SELLER_AGREE"}}))
    two_places.run(Step.NORMALIZE)
    assert (two_places.states(), two_places.holds()) == (["on_hold"] * 2, ["refund_requested"] * 2)
    two_places.run(Step.LABEL)
    assert two_places.courier.waybills == []
    two_places.deliver(three_lines(at="10:06:00", **{"TEE-B": {"refund_status": "CLOSED"}}))
    two_places.run(Step.NORMALIZE)
    assert (two_places.states(), two_places.holds()) == (["allocated"] * 2, [])
    two_places.run(Step.LABEL)
    assert len(two_places.courier.waybills) == 2
    assert breaches(two_places) == []
