"""What a platform does not say is unknown: whatever way a field goes missing, nothing is labelled, shipped or told.

`docs/reference/missing-fields.md` has the same rows in words.
"""

import copy
import json
from datetime import UTC, datetime

import pytest

from adapters.platforms.taobao import answers, describe
from adapters.platforms.taobao.trade import read_order
from domain.errors import FulfilmentError, Malformed, Poison
from domain.order import Address
from domain.review import ReviewFacts, review
from domain.stock import Reservation
from infra.config.rules import load_rules

RULES = load_rules()
IN_STOCK = ReviewFacts(Reservation.RESERVED)
NOW = datetime(2026, 11, 22, tzinfo=UTC)
LINE = {
    "oid": 11,
    "num_iid": 600000000001,
    "outer_sku_id": "TEE-L",
    "title": "棉质T恤",
    "num": 1,
    "price": "20.00",
    "divide_order_fee": "20.00",
    "refund_status": "NO_REFUND",
    "status": "WAIT_SELLER_SEND_GOODS",
}
TRADE = {
    "tid": 10,
    "status": "WAIT_SELLER_SEND_GOODS",
    "type": "fixed",
    "shipping_type": "express",
    "created": "2026-11-22 09:00:00",
    "modified": "2026-11-22 09:10:00",
    "pay_time": "2026-11-22 09:01:00",
    "payment": "28.00",
    "total_fee": "20.00",
    "post_fee": "8.00",
    "receiver_name": "测**",
    "receiver_mobile": "*******0001",
    "receiver_state": "浙江省",
    "receiver_city": "杭州市",
    "receiver_district": "西湖区",
    "receiver_address": "文三路一百二十号***",
    "oaid": "oaid-1",
    "orders": {"order": [LINE]},
}
COD = {**TRADE, "type": "cod", "cod_status": "NEW_CREATED", "buyer_cod_fee": "3.00", "payment": "31.00"}
STEP = {**TRADE, "type": "step", "step_trade_status": "FRONT_PAID_FINAL_PAID"}

POISON = "quarantine"
# Field -> what becomes of the order without it.
OF_A_TRADE = {
    "tid": POISON,
    "status": POISON,
    "type": POISON,
    "created": POISON,
    "modified": POISON,
    "pay_time": "payment_unconfirmed",
    "payment": POISON,
    "total_fee": POISON,
    "post_fee": "amount_mismatch",
    "shipping_type": "fulfiller_unknown",
    "orders": POISON,
    "receiver_name": "address_missing",
    "receiver_mobile": "address_missing",
    "receiver_state": "address_missing",
    "receiver_address": "address_missing",
}
OF_A_LINE = {
    "oid": POISON,
    "num": POISON,
    "price": POISON,
    "divide_order_fee": POISON,
    "outer_sku_id": "sku_unmapped",
    "refund_status": "refund_unknown",
    "status": "refund_unknown",
}


def removed(tree, name):
    del tree[name]


def renamed(tree, name):
    tree[f"{name}_v2"] = tree.pop(name)


def nulled(tree, name):
    tree[name] = None


def emptied(tree, name):
    tree[name] = ""


WAYS = [removed, renamed, nulled, emptied]
way_of = pytest.mark.parametrize("way", WAYS)


def without(tree, way, name, *path):
    changed = copy.deepcopy(tree)
    part = changed
    for key in path:
        part = part[key]
    way(part, name)
    return changed


def outcome(trade) -> set[str]:
    try:
        order = read_order(json.dumps({"trade": trade}).encode(), "flagship")
    except Poison:
        return {POISON}
    return {finding.code.value for finding in review(order, IN_STOCK, RULES).holds}


@pytest.mark.parametrize("trade", [TRADE, STEP])
def test_control_a_whole_trade_goes(trade):
    assert outcome(trade) == set()


@way_of
@pytest.mark.parametrize("name", OF_A_TRADE)
def test_a_field_of_a_trade(name, way):
    assert OF_A_TRADE[name] in outcome(without(TRADE, way, name))


@way_of
@pytest.mark.parametrize("name", OF_A_LINE)
def test_a_field_of_a_line(name, way):
    assert OF_A_LINE[name] in outcome(without(TRADE, way, name, "orders", "order", 0))


@way_of
@pytest.mark.parametrize(
    ("name", "held"), [("cod_status", "fulfiller_unknown"), ("buyer_cod_fee", "amount_mismatch"), ("type", POISON)]
)
def test_a_field_of_cash_on_delivery(name, held, way):
    assert outcome(COD) == {"cash_on_delivery"}
    assert held in outcome(without(COD, way, name))


@way_of
def test_a_deposit_trade_does_not_go_without_its_step(way):
    assert outcome(without(STEP, way, "step_trade_status")) == {POISON}


@way_of
def test_nor_without_its_type(way):
    owed = {**STEP, "step_trade_status": "FRONT_PAID_FINAL_NOPAID"}
    assert outcome(without(owed, way, "type")) == {POISON}
    assert "presale_balance_open" in outcome({**owed, "type": "fixed"}), "the step is believed, whatever the type"


@way_of
def test_a_receiver_whose_token_is_missing_is_not_revealed(way):
    order = read_order(json.dumps({"trade": without(TRADE, way, "oaid")}).encode(), "flagship")
    # No courier takes a masked receiver: see `receiver_masked`.
    assert (order.receiver.pii.value, order.receiver.merge_token) == ("masked", "")


@pytest.mark.parametrize("mark", describe.HOLD_MARKS)
@pytest.mark.parametrize(("value", "holds"), [("yes", True), ({}, True), (2, True), ("", False), (None, False)])
def test_a_mark_that_says_something_unreadable_holds_and_an_absent_one_does_not(mark, value, holds):
    assert outcome({**TRADE, mark: value}) == ({"platform_hold"} if holds else set())


@pytest.mark.parametrize(("refund", "held"), [("SUCCESS", set()), ("WAIT_SELLER_AGREE", {"refund_requested"})])
def test_a_line_in_refund_is_held_until_the_refund_is_paid(refund, held):
    assert outcome({**TRADE, "orders": {"order": [{**LINE, "refund_status": refund}]}}) == held


def read_status(trade):
    return answers.read_status(json.dumps({"trade": trade}).encode())


def test_control_a_whole_status_is_known():
    status = read_status(TRADE)
    assert (status.refund_open, status.unknown_lines, status.line_ids) == (False, (), ("11",))


@way_of
@pytest.mark.parametrize("name", ["refund_status", "status"])
def test_a_status_without_a_lines_refund_says_so(name, way):
    status = read_status(without(TRADE, way, name, "orders", "order", 0))
    assert (status.refund_open, status.unknown_lines) == (False, ("11",))


@way_of
@pytest.mark.parametrize(("name", "path"), [("status", ()), ("orders", ()), ("oid", ("orders", "order", 0))])
def test_a_status_without_its_frame_is_no_answer(name, path, way):
    with pytest.raises(Malformed):
        read_status(without(TRADE, way, name, *path))


@way_of
def test_a_shipped_state_without_its_number_shows_no_shipment(way):
    line = {**LINE, "status": "WAIT_BUYER_CONFIRM_GOODS", "invoice_no": "SF1", "logistics_company": "顺丰速运"}
    shipped = {**TRADE, "status": "WAIT_BUYER_CONFIRM_GOODS", "orders": {"order": [line]}}
    assert [one.waybill for one in read_status(shipped).shipments] == ["SF1"]
    # So a write-back is read back again and again, and ends with a person: it is never taken for confirmed.
    assert read_status(without(shipped, way, "invoice_no", "orders", "order", 0)).shipments == ()


RECEIVER = {
    "tid": "10",
    "matched": True,
    "privacy_protection": False,
    "name": "甲",
    "mobile": "13800000001",
    "address_detail": "文三路1号",
}


def revealed(row):
    body = json.dumps({"receiver_list": [row]}).encode()
    return answers.read_decrypted(body, {"10": "oaid-1"})["10"]


def test_control_a_whole_receiver_is_revealed():
    found = revealed(RECEIVER)
    assert isinstance(found, Address)
    assert not found.has_virtual_phone


@way_of
@pytest.mark.parametrize("name", ["tid", "matched", "name", "mobile", "address_detail"])
def test_a_receiver_without_a_field_is_no_receiver(name, way):
    assert isinstance(revealed(without(RECEIVER, way, name)), FulfilmentError)


@way_of
def test_a_number_of_which_nobody_says_whose_it_is_gets_no_sms(way):
    assert revealed(without(RECEIVER, way, "privacy_protection")).has_virtual_phone


@way_of
def test_a_write_back_without_its_success_was_not_heard(way):
    answers.read_shipped(json.dumps({"shipping": {"is_success": True}}).encode())
    with pytest.raises(Malformed):
        answers.read_shipped(
            json.dumps(without({"shipping": {"is_success": True}}, way, "is_success", "shipping")).encode()
        )


@way_of
@pytest.mark.parametrize(("name", "use_has_next"), [("has_next", True), ("total_results", False)])
def test_a_page_that_does_not_say_whether_more_follows_is_no_page(name, use_has_next, way):
    page = {"trades": {"trade": [{"tid": 1, "modified": "2026-11-22 09:00:00"}]}, "has_next": False, "total_results": 1}
    read = answers.read_page(json.dumps(page).encode(), NOW, use_has_next=use_has_next)
    assert [row.platform_order_id for row in read.rows] == ["1"]
    with pytest.raises(Malformed):
        answers.read_page(json.dumps(without(page, way, name)).encode(), NOW, use_has_next=use_has_next)


@pytest.mark.parametrize("answer", [{"shipping": {"is_success": "perhaps"}}, {"shipping": {"is_success": 2}}])
def test_a_success_that_cannot_be_read_is_none(answer):
    with pytest.raises(Malformed):
        answers.read_shipped(json.dumps(answer).encode())
