"""``orderlane normalize`` and ``orderlane sign`` of Douyin: the recorded answers of its adapter's suite."""

import hashlib
import hmac
import json
from pathlib import Path

import pytest

RECORDED = Path(__file__).parents[2] / "adapters" / "fixtures" / "douyin"
SECRET = "f00dbabe-1111-2222-3333-444455556666"


@pytest.fixture
def tried(orderlane, tmp_path):
    """The exit code and the answer for the recorded order, with changes of the order and of its line."""

    def run(line=(), **changed):
        answer = json.loads((RECORDED / "fetch_ok.json").read_text(encoding="utf-8"))["answers"][0]["json"]
        order = answer["data"]["shop_order_detail"]
        order |= changed
        order["sku_order_list"][0] |= dict(line)
        place = tmp_path / "order.json"
        place.write_text(json.dumps(answer), encoding="utf-8")
        result = orderlane("normalize", "--platform", "douyin", place)
        return result.exit_code, json.loads(result.stdout) if result.stdout else result.stderr

    return run


def test_an_order_that_would_be_fulfilled(tried):
    code, shown = tried()
    assert code == 0
    assert (shown["state"], shown["fulfilled_by"], shown["holds"]) == ("to_ship", "merchant", [])
    assert (shown["receiver"]["pii"], shown["receiver"]["merge_token"]) == ("masked", "oaid-1")
    assert shown["totals"]["payable"] == {"minor": 5300, "currency": "CNY"}


@pytest.mark.parametrize(
    ("line", "changed", "hold"),
    [
        (
            {"after_sale_info": {"after_sale_status": 6, "after_sale_type": 2, "refund_status": 1}},
            {},
            "refund_requested",
        ),
        ({"after_sale_info": None}, {}, "refund_unknown"),
        ({"trade_type": 10}, {}, "fulfiller_unknown"),
        ({}, {"order_status": 105, "main_status": 105}, "platform_hold"),
        ({}, {"order_status": 103, "main_status": 103}, "presale_balance_open"),
        ({}, {"pay_amount": 1}, "amount_mismatch"),
        ({"order_status": 3, "main_status": 3}, {"order_status": 3, "main_status": 3}, "shipped_elsewhere"),
        ({}, {"pay_type": 0}, "cash_on_delivery"),
    ],
)
def test_what_would_be_held(tried, line, changed, hold):
    code, shown = tried(line, **changed)
    assert code == 3
    assert hold in {found["code"] for found in shown["holds"]}


@pytest.mark.parametrize(
    ("line", "changed", "ships"),
    [
        ({"goods_type": 1}, {}, "nobody"),
        ({"inventory_list": [{"warehouse_type": 2}]}, {}, "platform"),
        ({"receive_type": 2}, {}, "pickup"),
        ({}, {"order_status": 4, "main_status": 21}, "merchant"),
        ({}, {"order_status": 1, "main_status": 1, "pay_time": 0}, "merchant"),
    ],
)
def test_what_needs_nothing_of_us(tried, line, changed, ships):
    code, shown = tried(line, **changed)
    assert (code, shown["fulfilled_by"], shown["holds"]) == (0, ships, [])


@pytest.mark.parametrize("changed", [{"order_status": 77}, {"main_status": 40}, {"sku_order_list": [{}]}])
def test_what_would_be_quarantined(tried, changed):
    code, told = tried(**changed)
    assert code == 4
    assert told.count("\n") == 1


def test_a_row_of_douyin_is_checked(orderlane, tmp_path):
    text = f"{SECRET}app_key7methoda.bparam_json{{}}timestamp1v2{SECRET}"
    row = {
        "platform": "douyin",
        "algorithm": "douyin-hmac-sha256",
        "case": "nothing to say",
        "secret": SECRET,
        "app_key": "7",
        "method": "a.b",
        "timestamp": "1",
        "params": {},
        "expected": hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest(),
    }
    place = tmp_path / "vectors.json"
    place.write_text(json.dumps({"vectors": [row]}))
    result = orderlane("sign", "--vectors", place, "--platform", "douyin")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "1 passed, 0 failed")
