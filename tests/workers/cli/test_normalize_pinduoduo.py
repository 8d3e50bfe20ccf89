"""``orderlane normalize`` and ``orderlane sign`` of Pinduoduo: the recorded answers of its adapter's suite."""

import json
from pathlib import Path

import pytest

RECORDED = Path(__file__).parents[2] / "adapters" / "fixtures" / "pdd"


@pytest.fixture
def tried(orderlane, tmp_path):
    """The exit code and the answer for the recorded order, with changes of the order."""

    def run(**changed):
        answer = json.loads((RECORDED / "fetch_ok.json").read_text(encoding="utf-8"))["answers"][0]["json"]
        answer["order_info_get_response"]["order_info"] |= changed
        place = tmp_path / "order.json"
        place.write_text(json.dumps(answer), encoding="utf-8")
        result = orderlane("normalize", "--platform", "pdd", place)
        return result.exit_code, json.loads(result.stdout) if result.stdout else result.stderr

    return run


def test_an_order_that_would_be_fulfilled(tried):
    code, shown = tried()
    assert code == 0
    assert (shown["state"], shown["fulfilled_by"], shown["holds"]) == ("to_ship", "merchant", [])
    assert (shown["receiver"]["pii"], shown["receiver"]["merge_token"]) == ("masked", "oaid-1")
    assert shown["totals"]["payable"] == {"minor": 10550, "currency": "CNY"}


@pytest.mark.parametrize(
    ("changed", "hold"),
    [
        ({"refund_status": 2, "after_sales_status": 2}, "refund_requested"),
        ({"refund_status": None}, "refund_unknown"),
        ({"after_sales_status": 34}, "refund_unknown"),
        ({"order_depot_info": {"depot_type": 2}}, "fulfiller_unknown"),
        ({"gift_list": [{"goods_id": 1, "goods_count": 1}]}, "fulfiller_unknown"),
        ({"risk_control_status": 1}, "platform_hold"),
        ({"confirm_status": 0, "group_status": 0}, "platform_hold"),
        ({"order_tag_list": [{"name": "ship_hold", "value": 1}]}, "platform_hold"),
        (
            {"trade_type": 1, "step_order_info": {"step_trade_status": 1, "advanced_paid_fee": 10.0}},
            "presale_balance_open",
        ),
        ({"pay_amount": 1.0}, "amount_mismatch"),
        ({"order_status": 2}, "shipped_elsewhere"),
        ({"pay_time": ""}, "payment_unconfirmed"),
    ],
)
def test_what_would_be_held(tried, changed, hold):
    code, shown = tried(**changed)
    assert code == 3
    assert hold in {found["code"] for found in shown["holds"]}


@pytest.mark.parametrize(
    ("changed", "ships"),
    [
        ({"card_info_list": [{"card_no": "~x~", "mask_password": "~y~"}]}, "nobody"),
        ({"ship_additional_origin_order": "261122-2"}, "nobody"),
        ({"self_contained": 1}, "pickup"),
        ({"confirm_status": 2}, "merchant"),
        ({"order_status": 3}, "merchant"),
        ({"refund_status": 4, "after_sales_status": 10}, "merchant"),
        ({"confirm_status": 0, "pay_time": ""}, "merchant"),
    ],
)
def test_what_needs_nothing_of_us(tried, changed, ships):
    code, shown = tried(**changed)
    assert (code, shown["fulfilled_by"], shown["holds"]) == (0, ships, [])


@pytest.mark.parametrize(
    "changed", [{"order_status": 9}, {"refund_status": 7}, {"item_list": [{}]}, {"pay_amount": "viel"}]
)
def test_what_would_be_quarantined(tried, changed):
    code, told = tried(**changed)
    assert code == 4
    assert told.count("\n") == 1


def test_rows_of_pinduoduo_are_checked(orderlane, tmp_path):
    """The digest of ``stypets``: secret, the one parameter with its name, secret."""
    row = {"platform": "pdd", "algorithm": "pdd-md5", "case": "a type alone", "secret": "s", "params": {"type": "t"}}
    place = tmp_path / "vectors.json"
    for expected, code, last in (
        ("E5D9F599B08204AE47BB4D7AB74FE86A", 0, "1 passed, 0 failed"),
        ("0" * 32, 1, "0 passed, 1 failed"),
    ):
        place.write_text(json.dumps({"vectors": [{**row, "expected": expected}]}))
        result = orderlane("sign", "--vectors", place, "--platform", "pdd")
        assert (result.exit_code, result.stdout.splitlines()[-1]) == (code, last)
