"""A plain paid trade of two lines to vary, and what becomes of it."""

import copy
import json

import pytest

from adapters.platforms.taobao.trade import read_order
from domain.order import Order

LINE = {
    "oid": 11,
    "num_iid": 600000000001,
    "outer_sku_id": "TEE-L",
    "title": "棉质T恤",
    "num": 1,
    "price": "60.00",
    "total_fee": "60.00",
    "part_mjz_discount": "0.00",
    "divide_order_fee": "60.00",
    "payment": "60.00",
    "refund_status": "NO_REFUND",
    "status": "WAIT_SELLER_SEND_GOODS",
}
OTHER = {**LINE, "oid": 12, "outer_sku_id": "SOCK", "title": "袜子"} | dict.fromkeys(
    ("price", "total_fee", "divide_order_fee", "payment"), "20.00"
)
TRADE = {
    "tid": 10,
    "status": "WAIT_SELLER_SEND_GOODS",
    "type": "fixed",
    "shipping_type": "express",
    "created": "2026-11-22 09:00:00",
    "modified": "2026-11-22 09:10:00",
    "pay_time": "2026-11-22 09:01:00",
    "payment": "88.00",
    "total_fee": "80.00",
    "post_fee": "8.00",
    "receiver_name": "测**",
    "receiver_mobile": "*******0001",
    "receiver_state": "浙江省",
    "receiver_city": "杭州市",
    "receiver_district": "西湖区",
    "receiver_address": "文三路一百二十号***",
    "oaid": "oaid-1",
}


@pytest.fixture(scope="session")
def trade():
    """The trade's tree. `lines`: changes of its lines, one mapping each; keywords change the trade."""

    def build(lines=({}, {}), **changed) -> dict:
        subs = [{**base, **change} for base, change in zip((LINE, OTHER), lines, strict=False)]
        return copy.deepcopy({**TRADE, "orders": {"order": subs}, **changed})

    return build


@pytest.fixture(scope="session")
def read(trade):
    """The order that the trade is."""

    def build(lines=({}, {}), **changed) -> Order:
        return read_order(json.dumps({"trade": trade(lines, **changed)}).encode(), "flagship")

    return build


@pytest.fixture(scope="session")
def ships(read):
    """Who ships the order, and each of its lines."""

    def build(lines=({}, {}), **changed) -> tuple[str, list[str]]:
        order = read(lines, **changed)
        return order.fulfilled_by.value, [line.fulfilled_by.value for line in order.lines]

    return build
