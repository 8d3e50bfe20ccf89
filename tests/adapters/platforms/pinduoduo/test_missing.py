"""A field that Pinduoduo leaves out is unknown, never "no". The table stands in docs/platforms/pinduoduo.md."""

import json

import pytest

from adapters.platforms.pinduoduo.answers import read_page, read_sent, read_status
from adapters.platforms.pinduoduo.describe import SEND
from domain.errors import Malformed, Poison
from domain.normalize import inspect
from domain.order import FulfilledBy, OrderType
from tests.adapters.conftest import NOW


def answered(tree) -> bytes:
    return json.dumps({"order_info_get_response": {"order_info": tree}}).encode()


def test_without_a_refund_status_it_is_unknown_whether_one_is_open(read, tree):
    assert read("refund_status").lines[0].refund_unknown
    assert read("refund_status", "after_sales_status").lines[0].refund_unknown
    status = read_status(answered(tree("refund_status")))
    assert (status.refund_open, status.unknown_lines) == (False, status.line_ids)


def test_without_a_time_of_payment_a_formed_order_is_not_counted_as_paid_at_any_time(read):
    assert read("pay_time").paid_at is None


def test_without_postage_or_discount_the_sums_differ(read):
    for name in ("postage", "discount_amount"):
        assert inspect(read(name)), name


def test_without_the_state_of_its_gift_nobody_knows_who_ships_it(read):
    order = read(gift_list=[{"goods_id": 1, "goods_count": 1}])
    assert order.fulfilled_by is FulfilledBy.UNKNOWN
    assert [line.fulfilled_by for line in order.lines] == [FulfilledBy.MERCHANT, FulfilledBy.UNKNOWN]


def test_a_deposit_without_its_type_is_a_deposit_all_the_same(read):
    order = read("trade_type", step_order_info={"step_trade_status": 1, "advanced_paid_fee": 10.0})
    assert (order.order_type, order.balance_open) == (OrderType.PRESALE, True)
    with pytest.raises(Poison):
        read(step_order_info={"advanced_paid_fee": 10.0})


def test_without_a_promise_no_time_to_ship_is_named(read):
    assert read("last_ship_time").ship_by is None


def test_without_a_count_or_a_mark_for_more_a_page_is_no_answer():
    page = b'{"order_sn_increment_get_response": {"order_sn_list": []}}'
    for use_has_next in (False, True):
        with pytest.raises(Malformed):
            read_page(page, NOW, use_has_next=use_has_next)


def test_a_shipment_without_a_word_of_success_is_unclear():
    with pytest.raises(Malformed):
        read_sent(b'{"logistics_online_send_response": {}}', SEND)


def test_a_status_without_goods_is_no_answer(tree):
    with pytest.raises(Malformed):
        read_status(answered(tree("item_list")))
