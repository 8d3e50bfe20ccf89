"""A plain paid order of one line to vary, and what becomes of it."""

import copy
import json

import pytest

from adapters.platforms.pinduoduo.order import read_order

ITEM = {
    "goods_id": 600000000001,
    "sku_id": 700000000001,
    "outer_id": "TEE-L",
    "outer_goods_id": "TEE",
    "goods_name": "棉质T恤",
    "goods_count": 2,
    "goods_price": 59.0,
}
OTHER = {
    **ITEM,
    "sku_id": 700000000002,
    "outer_id": "SOCK",
    "goods_name": "袜子",
    "goods_count": 1,
    "goods_price": 20.0,
}
ORDER = {
    "order_sn": "261122-000000000000010",
    "order_status": 1,
    "confirm_status": 1,
    "group_status": 1,
    "refund_status": 1,
    "after_sales_status": 0,
    "risk_control_status": 0,
    "trade_type": 0,
    "is_pre_sale": 0,
    "pre_sale_time": "",
    "created_time": "2026-11-22 08:50:00",
    "pay_time": "2026-11-22 08:51:00",
    "confirm_time": "2026-11-22 08:52:00",
    "updated_at": "2026-11-22 09:10:00",
    "last_ship_time": "2026-11-24 08:52:00",
    "province": "浙江省",
    "city": "杭州市",
    "town": "西湖区",
    "receiver_name": "~AgAAAAF3name~",
    "receiver_name_mask": "测*",
    "receiver_phone": "$AgAAAAF3phone$",
    "receiver_phone_mask": "138****0001",
    "receiver_address": "~AgAAAAF3detail~",
    "receiver_address_mask": "文三路*号*幢",
    "open_address_id": "oaid-1",
    "goods_amount": 118.0,
    "discount_amount": 18.5,
    "postage": 6.0,
    "pay_amount": 105.5,
    "buyer_memo": "周末配送",
    "remark": "老客户",
    "remark_tag": 1,
    "item_list": [ITEM],
    "gift_list": [],
    "step_order_info": None,
    "card_info_list": [],
    "order_tag_list": [{"name": "free_sf", "value": 0}],
    "self_contained": 0,
    "service_fee_detail": [],
}


@pytest.fixture(scope="session")
def item():
    """One line of goods; keywords change it."""
    return lambda **changed: {**ITEM, **changed}


@pytest.fixture(scope="session")
def other():
    return OTHER


@pytest.fixture(scope="session")
def tree():
    """The order's tree; keywords change it, and named fields are left out."""

    def build(*left_out: str, **changed) -> dict:
        whole = copy.deepcopy({**ORDER, **changed})
        return {name: value for name, value in whole.items() if name not in left_out}

    return build


@pytest.fixture(scope="session")
def read(tree):
    """The canonical order of such a tree."""

    def order(*left_out: str, **changed):
        return read_order(
            json.dumps({"order_info_get_response": {"order_info": tree(*left_out, **changed)}}).encode(), "main"
        )

    return order
