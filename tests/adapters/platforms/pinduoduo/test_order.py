"""Orders of Pinduoduo: states, times, receivers and marks, by every value of the tables and those beside them."""

import json
from datetime import UTC, datetime

import pytest

from adapters.platforms.pinduoduo.order import answered_order, raw_order, read_facts, read_order
from domain.errors import Malformed, Poison
from domain.money import Money
from domain.normalize import inspect
from domain.order import LaneFacts, OrderType, Pii, PlatformState


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def test_a_plain_order(read):
    order = read()
    assert (order.key.platform, order.key.shop, order.key.platform_order_id) == (
        "pdd",
        "main",
        "261122-000000000000010",
    )
    assert (order.state, order.order_type, order.buyer_id) == (PlatformState.TO_SHIP, OrderType.NORMAL, "")
    assert order.created_at == at("2026-11-22T08:50:00+08:00")
    assert order.updated_at == at("2026-11-22T09:10:00+08:00")
    assert order.paid_at == at("2026-11-22T08:51:00+08:00")
    assert order.ship_by == at("2026-11-24T08:52:00+08:00")
    assert (order.ship_from, order.balance_open, order.platform_hold) == (None, False, False)
    assert (order.buyer_memo, order.seller_memo, order.seller_flag) == ("周末配送", "老客户", 1)
    assert inspect(order) == ()


@pytest.mark.parametrize(
    ("changed", "state"),
    [
        ({"order_status": 1}, PlatformState.TO_SHIP),
        ({"order_status": 2}, PlatformState.SHIPPED),
        ({"order_status": 3}, PlatformState.DONE),
        ({"order_status": "1"}, PlatformState.TO_SHIP),
        ({"confirm_status": 0, "pay_time": ""}, PlatformState.UNPAID),
        ({"confirm_status": 0, "group_status": 0}, PlatformState.HOLD),
        ({"confirm_status": 2}, PlatformState.CLOSED),
        ({"refund_status": 4, "after_sales_status": 10}, PlatformState.CLOSED),
        ({"refund_status": 4, "order_status": 2}, PlatformState.SHIPPED),
    ],
)
def test_states(read, changed, state):
    assert read(**changed).state is state


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"order_status": 0}, "order_status"),
        ({"order_status": 4}, "order_status"),
        ({"order_status": 5}, "order_status"),
        ({"confirm_status": 3}, "confirm_status"),
        ({"refund_status": 0}, "refund_status"),
        ({"refund_status": 5}, "refund_status"),
        ({"trade_type": 1, "step_order_info": {"step_trade_status": 3}}, "step_trade_status"),
    ],
)
def test_a_state_outside_the_tables_is_never_guessed(read, changed, field):
    with pytest.raises(Poison) as caught:
        read(**changed)
    assert (caught.value.code, caught.value.facts["field"]) == ("status_unknown", field)


@pytest.mark.parametrize(
    "name",
    [
        "confirm_status",
        "order_status",
        "order_sn",
        "pay_amount",
        "goods_amount",
        "created_time",
        "updated_at",
        "item_list",
    ],
)
def test_what_an_order_cannot_do_without(read, name):
    with pytest.raises(Poison) as caught:
        read(name)
    assert caught.value.code == "field_missing"
    assert caught.value.facts["field"].endswith(name)


@pytest.mark.parametrize(
    "changed",
    [
        {"group_status": 0},
        {"group_status": 2},
        {"group_status": "?"},
        {"risk_control_status": 1},
        {"risk_control_status": 7},
        {"identification_status": 1},
        {"identification_status": 2},
        {"order_tag_list": [{"name": "ship_hold", "value": 1}]},
        {"gift_list": [{"goods_id": 1, "goods_count": 1}], "gift_order_status": 0},
    ],
)
def test_marks_that_hold_an_order(read, changed):
    assert read(**changed).platform_hold


@pytest.mark.parametrize(
    "changed",
    [
        {"identification_status": 0},
        {"identification_status": 3},
        {"order_tag_list": [{"name": "ship_hold", "value": 0}]},
        {"gift_order_status": 0},
    ],
)
def test_marks_that_hold_nothing(read, changed):
    assert not read(**changed).platform_hold


@pytest.mark.parametrize(
    ("status", "state", "is_open", "paid"),
    [
        (0, PlatformState.UNPAID, False, 0),
        (0, PlatformState.TO_SHIP, True, 1000),
        (1, PlatformState.UNPAID, True, 1000),
        (1, PlatformState.TO_SHIP, True, 1000),
        (2, PlatformState.TO_SHIP, False, 10550),
    ],
)
def test_deposit_orders(read, status, state, is_open, paid):
    unpaid = {"confirm_status": 0, "pay_time": ""} if state is PlatformState.UNPAID else {}
    step = {"step_trade_status": status, "advanced_paid_fee": 10.0, "step_paid_fee": 10.0}
    order = read(trade_type=1, step_order_info=step, **unpaid)
    assert (order.state, order.order_type, order.balance_open) == (state, OrderType.PRESALE, is_open)
    assert order.totals.paid == Money(paid, "CNY")


def test_a_deposit_order_must_say_how_far_it_is(read):
    with pytest.raises(Poison) as caught:
        read(trade_type=1)
    assert caught.value.facts["field"] == "order.step_order_info"


def test_a_presale_names_the_day_from_which_it_ships(read):
    order = read(is_pre_sale=1, pre_sale_time="2026-12-10 23:59:59", last_ship_time="2026-12-10 23:59:59")
    assert order.order_type is OrderType.PRESALE
    assert order.ship_from == at("2026-12-10T00:00:00+08:00")
    assert order.ship_by == at("2026-12-10T23:59:59+08:00")
    assert read(pre_sale_time="2026-12-10 23:59:59").ship_from is None


@pytest.mark.parametrize("text", ["24:00:00", "00:00:00"])
def test_midnight(read, text):
    day = "2026-11-24" if text.startswith("24") else "2026-11-25"
    assert read(last_ship_time=f"{day} {text}").ship_by == at("2026-11-25T00:00:00+08:00")


def test_masked_receivers_pass_through_with_their_token(read):
    receiver = read().receiver
    assert (receiver.name, receiver.phone, receiver.detail) == ("测*", "138****0001", "文三路*号*幢")
    assert (receiver.province, receiver.city, receiver.district) == ("浙江省", "杭州市", "西湖区")
    assert (receiver.pii, receiver.merge_token) == (Pii.MASKED, "oaid-1")


def test_encrypted_receivers_pass_through_untouched(read):
    masks = dict.fromkeys(("receiver_name_mask", "receiver_phone_mask", "receiver_address_mask"), "")
    receiver = read(**masks).receiver
    assert (receiver.name, receiver.phone) == ("~AgAAAAF3name~", "$AgAAAAF3phone$")
    assert (receiver.detail, receiver.pii) == ("~AgAAAAF3detail~", Pii.CIPHER)
    newer = read(**masks, receiver_phone="", contact_mobile="$AgAAAAF3other$").receiver
    assert newer.phone == "$AgAAAAF3other$"


def test_a_receiver_that_is_not_shown_is_absent(read):
    names = ("receiver_name", "receiver_phone", "receiver_address")
    hidden = dict.fromkeys((*names, *(f"{name}_mask" for name in names)), "")
    receiver = read(**hidden, order_status=2).receiver
    assert (receiver.pii, receiver.name, receiver.merge_token) == (Pii.ABSENT, "", "oaid-1")
    assert read(**hidden, open_address_id="", open_address_id_2="second").receiver.merge_token == "second"


@pytest.mark.parametrize(
    "payload",
    [
        lambda order: {"order_info_get_response": {"order_info": order}},
        lambda order: {"order_sn_increment_get_response": {"order_sn_list": [order], "total_count": 1}},
        lambda order: {"order_list_get_response": {"order_list": [order], "total_count": 1}},
        lambda order: {"order_info": order},
        lambda order: order,
    ],
)
def test_one_order_in_every_answer_is_the_same(tree, read, payload):
    body = json.dumps(payload(tree())).encode()
    assert read_order(body, "main") == read()
    assert raw_order(body).version == raw_order(json.dumps(tree()).encode()).version
    assert read_facts(body) == LaneFacts(receiver_city="杭州市")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"error_response": {"error_code": 50001}}', "payload_is_error"),
        (b'{"order_info_get_response": {}}', "field_missing"),
        (b'{"order_list_get_response": {"order_list": []}}', "field_missing"),
        (b'{"order_list_get_response": {"order_list": [{}, {}]}}', "field_missing"),
        (b"[]", "payload_unreadable"),
        (b'{"order_sn": "26', "payload_truncated"),
    ],
)
def test_payloads_that_are_no_order(body, code):
    with pytest.raises(Poison) as caught:
        read_order(body, "main")
    assert caught.value.code == code
    assert read_facts(body) == LaneFacts()


def test_a_relay_s_empty_error_is_none(tree, read):
    tree_ = {"order_info_get_response": {"order_info": tree()}, "error_response": None}
    assert read_order(json.dumps(tree_).encode(), "main") == read()


def test_an_answer_without_an_order_is_kept_as_this_order_s(tree):
    answer = {"order_info_get_response": {"order_info": None}}
    assert answered_order(answer, b"{}", "261122-1").fault == "field_missing"
    with pytest.raises(Malformed):
        answered_order({"order_info": tree()}, b"{}", "261122-1")
    with pytest.raises(Malformed):
        answered_order({"hello": 1}, b"{}", "261122-1")
