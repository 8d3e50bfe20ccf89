"""Lines and sums of Pinduoduo orders: shares to the fen, services, gifts, refunds."""

import pytest

from domain.errors import Poison
from domain.holds import HoldCode
from domain.money import Money
from domain.normalize import inspect
from domain.order import FulfilledBy


def cny(fen: int) -> Money:
    return Money(fen, "CNY")


def test_one_line_has_all_that_was_paid_for_goods(read):
    (line,) = read().lines
    assert (line.line_id, line.product_id, line.platform_sku, line.sku) == (
        "700000000001",
        "600000000001",
        "700000000001",
        "TEE-L",
    )
    assert (line.quantity, line.unit_price, line.paid) == (2, cny(5900), cny(9950))
    assert (line.shipped, line.waybill, line.fulfilled_by) == (0, "", FulfilledBy.MERCHANT)


def test_several_lines_share_what_was_paid_to_the_fen(read, item, other):
    order = read(item_list=[item(), other], goods_amount=138.0, discount_amount=20.01, pay_amount=123.99)
    assert sum(line.paid.minor for line in order.lines) == 11799
    assert [line.paid.minor for line in order.lines] == [10089, 1710]
    assert inspect(order) == ()


def test_sums_are_named_by_the_order(read):
    totals = read().totals
    assert (totals.goods, totals.discount, totals.freight) == (cny(11800), cny(1850), cny(600))
    assert (totals.payable, totals.paid, totals.services) == (cny(10550), cny(10550), cny(0))


def test_amounts_may_be_texts(read):
    texts = {"goods_amount": "118.00", "discount_amount": "18.5", "postage": "6", "pay_amount": "105.50"}
    assert read(**texts).totals == read().totals


@pytest.mark.parametrize("amount", ["19.999", 19.999, -1.0, "1e3", True, [], "viel"])
def test_an_amount_that_is_none_is_quarantined(read, amount):
    with pytest.raises(Poison) as caught:
        read(pay_amount=amount)
    assert caught.value.code == "field_invalid"


@pytest.mark.parametrize("name", ["duo_duo_pay_reduction", "trade_in_national_subsidy_amount"])
def test_what_others_pay_counts_where_the_sums_agree_only_with_it(read, name):
    order = read(**{name: 5.5, "pay_amount": 100.0})
    assert (order.totals.discount, order.totals.payable) == (cny(2400), cny(10000))
    assert inspect(order) == ()
    assert read(**{name: 5.5}).totals.discount == cny(1850)


def test_sums_that_do_not_agree_are_held(read):
    (finding,) = inspect(read(pay_amount=100.0))
    assert finding.code is HoldCode.AMOUNT_MISMATCH


def test_services_are_lines_that_nobody_ships(read):
    fees = [
        {"service_name": "install_fee", "service_fee": 30.0},
        {"service_name": "sf_express_fee", "service_fee": 0.0},
    ]
    order = read(service_fee_detail=fees, pay_amount=135.5)
    goods, service = order.lines
    assert goods.paid == cny(9950)
    assert (service.line_id, service.paid, service.fulfilled_by) == (
        "service:install_fee",
        cny(3000),
        FulfilledBy.NOBODY,
    )
    assert order.fulfilled_by is FulfilledBy.MERCHANT
    assert inspect(order) == ()


def test_one_sku_twice_has_two_ids(read, item):
    order = read(item_list=[item(), item()], goods_amount=236.0, pay_amount=223.5)
    assert [line.line_id for line in order.lines] == ["700000000001", "700000000001#2"]


def test_goods_without_a_sku_are_named_by_their_product(read, item):
    (line,) = read(item_list=[item(sku_id=0)]).lines
    assert (line.line_id, line.platform_sku) == ("600000000001", "")
    with pytest.raises(Poison):
        read(item_list=[item(sku_id=0, goods_id="")])


GIFT = {"goods_id": 9, "sku_id": 99, "outer_id": "CUP", "goods_name": "杯", "goods_count": 1, "goods_price": 0.0}


@pytest.mark.parametrize(
    ("status", "gift", "ships"),
    [
        (2, GIFT, FulfilledBy.MERCHANT),
        (1, {**GIFT, "order_sn": "261122-2"}, None),
        (0, GIFT, FulfilledBy.UNKNOWN),
        (7, GIFT, FulfilledBy.UNKNOWN),
        (None, GIFT, FulfilledBy.UNKNOWN),
        (None, {**GIFT, "order_sn": "261122-2"}, None),
        (2, {**GIFT, "goods_count": 0}, None),
    ],
)
def test_a_gift_ships_once(read, status, gift, ships):
    """With the goods, in an order of its own, or nobody knows: then a person decides."""
    order = read(gift_list=[gift], gift_order_status=status)
    gifts = [line for line in order.lines if line.is_gift]
    assert [line.fulfilled_by for line in gifts] == ([] if ships is None else [ships])
    assert all((line.line_id, line.sku, line.paid) == ("gift:99", "CUP", cny(0)) for line in gifts)


def test_the_gift_s_own_order_has_gifts(read):
    (line,) = read(related_order_list=[{"order_sn": "261122-1", "relation_type": 4}]).lines
    assert line.is_gift


def test_an_order_that_has_left_shows_its_number(read):
    order = read(order_status=2, tracking_number="SF1", logistics_id=44, gift_list=[GIFT], gift_order_status=2)
    assert {(line.shipped, line.waybill) for line in order.lines} == {(2, "SF1"), (1, "SF1")}


@pytest.mark.parametrize(
    ("refund", "case", "expected"),
    [
        (1, 0, (False, False, False)),
        (1, 11, (False, False, False)),
        (1, 17, (False, False, False)),
        (2, 2, (True, False, False)),
        (2, 33, (True, False, False)),
        (3, 4, (True, False, False)),
        (1, 6, (True, False, False)),
        (1, 14, (True, False, False)),
        (4, 10, (False, True, False)),
        (1, 34, (False, False, True)),
        (1, 1, (False, False, True)),
        (None, 0, (False, False, True)),
        (None, 2, (True, False, False)),
        (None, 10, (False, True, False)),
        (None, None, (False, False, True)),
        (1, None, (False, False, False)),
    ],
)
def test_refunds(read, refund, case, expected):
    (line,) = read(refund_status=refund, after_sales_status=case).lines
    assert (line.refund_open, line.refunded, line.refund_unknown) == expected
