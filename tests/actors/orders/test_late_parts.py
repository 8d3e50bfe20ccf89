"""Parts that are looked at after others of their order went on: what was shipped, let pass, or is not paid yet."""

import threading
from dataclasses import replace

import pytest

from actors.orders.parts import SplitOff, split_off
from domain.holds import HoldCode
from domain.rules import RefundScope, WhenShort
from domain.states import State
from infra.engine.author import Author
from infra.engine.worker_lock import Presence
from infra.monitoring.invariants import find_breaches
from infra.tables.orders import load_orders, lock_fulfillment
from infra.tables.packages import PACKAGES
from infra.tables.rows import rows_json
from ops.verbs.holds import release
from workers.wiring import make_runners

LI = Author("li", "asked the buyer")
TEE, CAP = "7001", "7002"
ASKED, WITHDRAWN, PAID_BACK = "WAIT_SELLER_AGREE", "CLOSED", "SUCCESS"


@pytest.fixture
def lines(trade):
    """A trade of two tees and a cap; keywords by SKU replace fields of its lines. A later one is the newer content."""

    def build(at=0, *, tee=None, cap=None, **changes):
        shown = [
            {
                "oid": int(oid),
                "num_iid": 600000000001,
                "title": sku,
                "num": pieces,
                "price": "10.00",
                "payment": f"{10 * pieces}.00",
                "refund_status": "NO_REFUND",
                "status": changes.get("status", "WAIT_SELLER_SEND_GOODS"),
                "outer_iid": sku,
                **(said or {}),
            }
            for oid, sku, pieces, said in ((TEE, "TEE-1", 2, tee), (CAP, "CAP-1", 1, cap))
        ]
        whole = {"payment": "30.00", "total_fee": "30.00", "modified": f"2026-11-22 10:{at:02}:00"}
        return trade(tid="1001", **whole | {"orders": {"order": shown}} | changes)

    return build


@pytest.fixture
def house(merchant):
    merchant.stock(**{"TEE-1": 10, "CAP-1": 10})
    return merchant


@pytest.fixture
def house_where(house):
    """The same house under other rules."""

    def change(refund_asked_holds=RefundScope.ORDER, **split):
        rules = house.tools.rules
        review = replace(rules.review, refund_asked_holds=refund_asked_holds)
        routing = replace(rules.routing, split=replace(rules.routing.split, **split))
        house.tools = replace(house.tools, rules=replace(rules, review=review, routing=routing))
        house.runners = make_runners(house.tools, house.event_loop, 1_000_000)
        return house

    return change


def becomes(merchant, trade):
    merchant.deliver(trade)
    merchant.fall_due()
    merchant.run("normalize")


def breaches(merchant):
    with merchant.db.connection() as session:
        return [str(one) for one in find_breaches(session)]


def test_what_left_under_our_number_does_not_hold_the_part_that_waited(house_where, lines):
    house = house_where(refund_asked_holds=RefundScope.LINES)
    house.deliver(lines(cap={"refund_status": ASKED}))
    house.flow("label")
    house.scan("accepted", "packed", "handed_over")
    house.run("writeback")
    sent = {"status": "WAIT_BUYER_CONFIRM_GOODS", "invoice_no": "SF0001", "logistics_company": "SF"}
    becomes(house, lines(1, tee=sent, cap={"refund_status": WITHDRAWN}))
    house.flow("label")
    assert house.holds() == []
    assert [dict(one.contents) for one in house.courier.bookings] == [{"TEE-1": 2}, {"CAP-1": 1}]
    assert breaches(house) == []


def test_a_refund_that_is_paid_is_another_fact_than_the_one_that_was_let_pass(house, lines):
    house.deliver(lines(cap={"refund_status": ASKED}))
    house.flow("review")
    release(house.db, house.one("SELECT id FROM orders"), HoldCode.REFUND_REQUESTED, LI, despite_refund=True)
    house.flow("label")
    assert len(house.courier.waybills) == 1
    becomes(house, lines(1, cap={"refund_status": PAID_BACK}))
    assert (house.states(), house.holds()) == (["on_hold"], ["stopping"])


def test_what_was_let_pass_of_one_content_holds_again_with_the_next_before_the_label(house, lines):
    house.deliver(lines(cap={"refund_status": ASKED}))
    house.flow("review")
    release(house.db, house.one("SELECT id FROM orders"), HoldCode.REFUND_REQUESTED, LI, despite_refund=True)
    house.flow("route")
    # The refund comes back on the same line after it was withdrawn.
    becomes(house, lines(1, cap={"refund_status": WITHDRAWN}))
    becomes(house, lines(2, cap={"refund_status": ASKED}))
    assert (house.states(), house.holds()) == (["on_hold"], ["refund_requested"])


def test_the_waiting_part_of_an_unpaid_order_is_not_paid(house_where, lines):
    house = house_where(when_short=WhenShort.SHIP_PART)
    house.rows("UPDATE stock_pool SET on_hand = 0 WHERE sku = 'CAP-1'")
    unpaid = {"status": "WAIT_BUYER_PAY", "pay_time": None}
    house.deliver(lines(**unpaid))
    house.flow("review")
    assert (house.states(), house.holds()) == (["pending_payment"] * 2, ["stock_short_paid"])
    house.rows("UPDATE stock_pool SET on_hand = 10 WHERE sku = 'CAP-1'")
    becomes(house, lines(1))
    house.flow("label")
    assert (house.states(), house.holds()) == (["allocated", "on_hold"], ["stock_short_paid"])
    release(house.db, house.one("SELECT id FROM orders"), HoldCode.STOCK_SHORT_PAID, LI)
    house.flow("label")
    assert [dict(one.contents) for one in house.courier.bookings] == [{"TEE-1": 2}, {"CAP-1": 1}]
    assert breaches(house) == []


def test_a_part_that_is_made_while_a_newer_content_waits_for_the_lock_hears_of_it(house, lines):
    house.deliver(lines())
    house.flow("review")
    house.deliver(lines(1, cap={"refund_status": ASKED}))
    with house.db.transaction() as tx:
        [locked] = lock_fulfillment(tx, [house.one("SELECT id FROM fulfillment_order")])
        waits = threading.Thread(target=house.run, args=("normalize",))
        waits.start()
        wait_until_blocked(house)
        order = load_orders(tx, [locked.order_id])[locked.order_id]
        split_off(tx, [SplitOff(locked, order, {CAP: 1}, State.APPROVED)])
    waits.join()
    assert house.one("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0
    assert (house.states(), house.holds()) == (["on_hold"] * 2, ["refund_requested"] * 2)


def wait_until_blocked(merchant):
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    while not merchant.one(query):
        pass


def test_an_added_line_waits_while_a_worker_of_an_earlier_version_lives(house, lines):
    cap = {"divide_order_fee": "10.00"}
    house.deliver(lines(cap={"refund_status": PAID_BACK}))
    house.flow("route")
    earlier = Presence(house.db)
    becomes(house, lines(1, cap=cap))
    assert (house.states(), len(house.due("normalize"))) == (["allocated"], 1)
    earlier.close()
    house.fall_due()
    house.run("normalize")
    assert house.states() == ["allocated", "paid"]


def test_a_line_without_a_sku_holds_the_part_that_it_is_in(house, lines):
    house.deliver(lines(cap={"refund_status": PAID_BACK}))
    house.flow("route")
    becomes(house, lines(1, cap={"outer_iid": "", "outer_sku_id": ""}))
    house.flow("review")
    assert house.rows(
        "SELECT number FROM hold JOIN fulfillment_order AS f ON f.id = fulfillment_order_id WHERE code = 'sku_unmapped'"
    ) == [(2,)]


def test_the_rest_of_a_short_order_is_promised_again_without_the_line_in_refund(house_where, lines):
    house = house_where(refund_asked_holds=RefundScope.LINES)
    house.rows("UPDATE stock_pool SET on_hand = 0 WHERE sku = 'CAP-1'")
    house.deliver(lines(cap={"refund_status": ASKED}))
    for _ in range(3):
        house.flow("label")
    assert [dict(one.contents) for one in house.courier.bookings] == [{"TEE-1": 2}]
    assert house.rows("SELECT reservation FROM fulfillment_order ORDER BY id") == [("allocated",), ("short",)]
    assert breaches(house) == []


def test_parts_that_an_order_has_already_count_against_the_most_that_it_may_have(house_where, lines):
    house = house_where(refund_asked_holds=RefundScope.LINES, max_parts=2)
    house.rows("UPDATE stock_location SET on_hand = 1 WHERE sku = 'TEE-1'")
    house.stock("west", **{"TEE-1": 1})
    house.platform.divides_lines = True
    house.deliver(lines(cap={"refund_status": ASKED}))
    house.flow("route")
    assert (house.states(), house.holds()) == (["on_hold"] * 2, ["refund_requested", "stock_short_paid"])
    assert house.one("SELECT facts ->> 'parts_made' FROM hold WHERE code = 'stock_short_paid'") == "1"


def test_parts_that_are_routed_at_the_same_time_get_packages_with_numbers_of_their_own(house_where, lines):
    house = house_where(refund_asked_holds=RefundScope.LINES)
    house.deliver(lines(cap={"refund_status": ASKED}))
    house.flow("review")
    ids = [row[0] for row in house.rows("SELECT id FROM fulfillment_order ORDER BY id")]
    package = {"courier": "sf", "account": "sf/main", "location": "east", "service": "", "weight_g": 0}
    rows = [rows_json([{"fulfillment_order_id": id_, **package}]) for id_ in ids]
    with house.db.transaction() as one, house.db.transaction() as other:
        one.execute(PACKAGES["create_packages"], {"rows": rows[0]})
        other.execute(PACKAGES["create_packages"], {"rows": rows[1]})
    assert house.rows("SELECT number FROM package ORDER BY fulfillment_order_id") == [(1,), (2,)]


def test_what_was_never_promised_is_promised_before_it_is_judged_again(house, lines):
    sent = {"status": "WAIT_BUYER_CONFIRM_GOODS", "invoice_no": "YTO1", "logistics_company": "YTO"}
    house.deliver(lines(tee=sent, status="SELLER_CONSIGNED_PART", cap={"status": "WAIT_SELLER_SEND_GOODS"}))
    house.flow()
    assert house.holds() == ["shipped_elsewhere"]
    becomes(house, lines(1, tee=sent, status="SELLER_CONSIGNED_PART", cap={"status": "WAIT_SELLER_SEND_GOODS"}))
    house.flow("review")
    assert house.holds() == ["shipped_elsewhere"]
    release(house.db, house.one("SELECT id FROM orders"), HoldCode.SHIPPED_ELSEWHERE, LI)
    house.flow("label")
    assert [dict(one.contents) for one in house.courier.bookings] == [{"CAP-1": 1}]
    assert breaches(house) == []
