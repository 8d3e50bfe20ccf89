"""A plain paid order of two lines to vary, and what becomes of it."""

import copy
import json
from typing import Any

import pytest

from adapters.platforms.douyin.order import read_order
from domain.order import Order

PARENT = "6917100000000000001"
NO_CASE = {"after_sale_status": 0, "after_sale_type": 0, "refund_status": 0}
LINE = {
    # The first line has the order's own number.
    "order_id": PARENT,
    "parent_order_id": PARENT,
    "order_type": 0,
    "trade_type": 0,
    "goods_type": 0,
    "receive_type": 1,
    "order_status": 2,
    "main_status": 2,
    "theme_type": "0",
    "product_id": 3473196049974326300,
    "product_id_str": "3473196049974326301",
    "sku_id": 1736502463777799,
    "code": "TEE-L",
    "out_sku_id": "0",
    "product_name": "棉质T恤",
    "item_num": 2,
    "origin_amount": 3000,
    "sum_amount": 6000,
    "pay_amount": 5500,
    "post_amount": 0,
    "pre_sale_type": 0,
    "given_product_type": "MASTER",
    "exp_ship_time": 1795478400,
    "after_sale_info": NO_CASE,
}
OTHER = {
    **LINE,
    "order_id": "6917100000000000002",
    "code": "SOCK",
    "product_name": "袜子",
    "item_num": 1,
    "origin_amount": 2000,
    "sum_amount": 2000,
    "pay_amount": 1800,
    "given_product_type": "",
}
PLACE = {
    "province": {"name": "浙江省", "id": "33"},
    "city": {"name": "杭州市", "id": "330100"},
    "town": {"name": "西湖区", "id": "330106"},
    "street": {"name": "文新街道", "id": "330106012"},
}
ORDER = {
    "order_id": PARENT,
    "order_type": 0,
    "trade_type": 0,
    "biz": 2,
    "pay_type": 2,
    "order_status": 2,
    "main_status": 2,
    "order_amount": 8800,
    "pay_amount": 8100,
    "post_amount": 800,
    "promotion_amount": 700,
    "doudian_open_id": "1@#buyer==",
    "open_id": "older",
    "buyer_words": "快点",
    "seller_words": "老客户",
    "seller_remark_stars": 3,
    "encrypt_post_receiver": "##name*CgYI=#1##",
    "encrypt_post_tel": "$$tel*CgYI=$1$$",
    "post_addr": {**PLACE, "encrypt_detail": "##detail*CgYI=#1##"},
    "mask_post_receiver": "测**",
    "mask_post_tel": "1********01",
    "mask_post_addr": {**PLACE, "detail": "文三路***"},
    "open_address_id": "#address-1",
    "create_time": 1795305500,
    "pay_time": 1795305600,
    "update_time": 1795309800,
    "exp_ship_time": 1795478400,
    "appointment_ship_time": 0,
    "logistics_info": [],
    "order_phase_list": [],
}


@pytest.fixture(scope="session")
def order():
    """The order's tree. `lines`: changes of its lines, one mapping each; keywords change the order. None takes away."""

    def build(lines=({}, {}), **changed) -> dict[str, Any]:
        rows = [without_none({**base, **change}) for base, change in zip((LINE, OTHER), lines, strict=False)]
        return copy.deepcopy(without_none({**ORDER, "sku_order_list": rows, **changed}))

    return build


def without_none(tree: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in tree.items() if value is not None}


@pytest.fixture(scope="session")
def read(order):
    """The canonical order of a varied order, as its detail answers it."""

    def read_it(lines=({}, {}), **changed) -> Order:
        answer = {"code": 10000, "msg": "success", "data": {"shop_order_detail": order(lines, **changed)}}
        return read_order(json.dumps(answer).encode(), "main")

    return read_it
