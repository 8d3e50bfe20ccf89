"""Payloads whose shape comes from public bug reports, and more of the same kinds: what the dry run says of each."""

import copy
import json
from pathlib import Path

import pytest

CASES = Path(__file__).parent / "cases"
HELD, DONE = 3, 0
# File -> exit code, who fulfils the order and each line, state and reason of the intake, holds, ship-by.
OURS, NOT_OURS = ("paid", ""), ("paid", "not_ours")
CLOCK = "2026-11-27T02:00:00Z"
EXPECTED = {
    "03_part_shipped": (
        *(HELD, "merchant", ["merchant", "merchant"]),
        *(("on_hold", "shipped_elsewhere"), ["shipped_elsewhere"], CLOCK),
    ),
    "04b_step_nothing_paid": (DONE, "merchant", ["merchant"], ("pending_payment", ""), [], None),
    "05_unpaid_shares_zero": (DONE, "merchant", ["merchant", "merchant"], ("pending_payment", ""), [], None),
    "06a_cod_with_service_fee": (HELD, "merchant", ["merchant"], OURS, ["cash_on_delivery"], CLOCK),
    "06c_cod_plain": (HELD, "merchant", ["merchant"], OURS, ["cash_on_delivery"], CLOCK),
    "07a_virtual": (DONE, "nobody", ["nobody"], NOT_OURS, [], None),
    "07b_auto_delivery": (DONE, "nobody", ["nobody"], NOT_OURS, [], None),
    "08a_platform_ships": (DONE, "platform", ["platform"], NOT_OURS, [], None),
    "08c_pickup_in_shop": (DONE, "pickup", ["pickup"], NOT_OURS, [], None),
    "09_service_order": (DONE, "merchant", ["merchant", "nobody"], OURS, [], CLOCK),
    "11a_promo_gift": (HELD, "merchant", ["merchant", "merchant"], OURS, ["sku_unmapped"], CLOCK),
    "12b_error_response_null": (DONE, "merchant", ["merchant"], OURS, [], CLOCK),
    "13d_no_share_but_promotion": (DONE, "merchant", ["merchant", "merchant"], OURS, [], CLOCK),
    "15a_promise_24h": (DONE, "merchant", ["merchant"], OURS, [], "2026-11-26T16:00:00Z"),
    "15d_presale_send_time": (DONE, "merchant", ["merchant"], OURS, [], "2026-12-10T15:59:59Z"),
    "16b_nul": (DONE, "merchant", ["merchant"], OURS, [], CLOCK),
    "17a_hongkong": (DONE, "merchant", ["merchant"], OURS, [], CLOCK),
    "18a_same_sku_twice": (DONE, "merchant", ["merchant", "merchant"], OURS, [], CLOCK),
    "18d_line_closed_by_taobao": (DONE, "merchant", ["merchant", "merchant"], OURS, [], CLOCK),
    "18e_service_line": (DONE, "merchant", ["merchant", "nobody"], OURS, [], CLOCK),
    "20_seller_refused_refund": (HELD, "merchant", ["merchant"], OURS, ["refund_requested"], CLOCK),
    "23_group_not_complete": (HELD, "merchant", ["merchant"], OURS, ["platform_hold"], CLOCK),
}


def case(name: str) -> dict:
    return json.loads((CASES / f"{name}.json").read_text(encoding="utf-8"))


def verdict(code, order):
    intake = order["intake"]
    return (
        code,
        order["fulfilled_by"],
        [line["fulfilled_by"] for line in order["lines"]],
        (intake["state"], intake["reason"]),
        [hold["code"] for hold in order["holds"]],
        order["ship_by"],
    )


def test_every_case_has_its_right_value():
    assert {file.stem for file in CASES.glob("*.json")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_case(dry, name):
    assert verdict(*dry(case(name))) == EXPECTED[name]


def test_the_part_that_left_is_named_and_the_rest_is_open(dry):
    _, order = dry(case("03_part_shipped"))
    assert [(line["shipped"], line["waybill"]) for line in order["lines"]] == [(1, "SF1200000000001"), (0, "")]
    assert order["holds"][0]["facts"] == {"platform_state": "part_shipped", "lines": order["lines"][0]["line_id"]}


@pytest.mark.parametrize(
    ("name", "sums", "shares"),
    [
        ("06a_cod_with_service_fee", {"goods": 5000, "freight": 800, "fees": 500, "payable": 6300}, [5000]),
        ("09_service_order", {"goods": 200000, "services": 15000, "payable": 215000, "paid": 215000}, [200000, 15000]),
        ("13d_no_share_but_promotion", {"goods": 20000, "discount": 4000, "payable": 16000, "paid": 16000}, [8000] * 2),
        ("18d_line_closed_by_taobao", {"goods": 5000, "payable": 5000, "paid": 5000}, [5000, 5000]),
        ("05_unpaid_shares_zero", {"goods": 10000, "payable": 10000}, [0, 0]),
    ],
)
def test_sums_and_shares(dry, name, sums, shares):
    _, order = dry(case(name))
    assert {part: sum_["minor"] for part, sum_ in order["totals"].items() if sum_["minor"]} == sums
    assert [line["paid"]["minor"] for line in order["lines"]] == shares


def test_a_line_closed_by_the_platform_is_left_out(dry):
    _, order = dry(case("18d_line_closed_by_taobao"))
    assert [line["refunded"] for line in order["lines"]] == [False, True]


def changed(name, lines=(), **trade):
    tree = copy.deepcopy(case(name))
    whole = tree["trade_fullinfo_get_response"]["trade"]
    whole.update(trade)
    for line, change in zip(whole["orders"]["order"], lines, strict=False):
        line.update(change)
    return tree


PLAIN = "18a_same_sku_twice"
SERVICE = {"oid": 7, "service_id": 1, "num": 1, "price": "9.00", "total_fee": "9.00", "payment": "9.00"}
REFUNDED = {"refund_status": "SUCCESS"}


@pytest.mark.parametrize(
    ("tree", "code", "who", "holds"),
    [
        (changed(PLAIN), DONE, "merchant", []),
        (changed(PLAIN, shipping_type="teleport"), HELD, "unknown", ["fulfiller_unknown"]),
        (changed(PLAIN, shipping_type=None), HELD, "unknown", ["fulfiller_unknown"]),
        (changed(PLAIN, o2o_delivery="drone"), HELD, "unknown", ["fulfiller_unknown"]),
        (changed(PLAIN, is_sh_ship="true"), DONE, "platform", []),
        (changed(PLAIN, is_sh_ship="perhaps"), HELD, "unknown", ["fulfiller_unknown"]),
        (changed(PLAIN, [{"is_sh_ship": True}, {}]), DONE, "merchant", []),
        (changed(PLAIN, [{"is_sh_ship": True}, {"shipping_type": "virtual"}]), DONE, "platform", []),
        (changed(PLAIN, [{"store_code": "OWN-7"}, {}]), DONE, "merchant", []),
        (changed(PLAIN, no_shipping=True, receiver_address=""), DONE, "nobody", []),
        (changed(PLAIN, no_shipping=True, status="TRADE_FINISHED"), DONE, "nobody", []),
        (changed(PLAIN, is_sh_ship=True, top_hold=1), DONE, "platform", []),
        (changed(PLAIN, is_sh_ship=True, status="WAIT_BUYER_CONFIRM_GOODS"), DONE, "platform", []),
        (changed(PLAIN, type="waimai"), HELD, "unknown", ["fulfiller_unknown"]),
        (changed(PLAIN, top_hold=1), HELD, "merchant", ["platform_hold"]),
        (changed(PLAIN, [REFUNDED, {}]), DONE, "merchant", []),
        (changed(PLAIN, [REFUNDED, {}], payment="50.00"), DONE, "merchant", []),
        (changed(PLAIN, [REFUNDED, {}], payment="49.00"), HELD, "merchant", ["amount_mismatch"]),
        (changed(PLAIN, [REFUNDED, REFUNDED]), DONE, "merchant", []),
        (changed(PLAIN, [{"refund_status": "WAIT_SELLER_AGREE"}, {}]), HELD, "merchant", ["refund_requested"]),
        (
            changed(PLAIN, [{"refund_status": "SUCCESS", "special_refund_type": "priceProtect"}, {}]),
            *(DONE, "merchant", []),
        ),
        (changed(PLAIN, service_orders=[SERVICE], payment="109.00"), DONE, "merchant", []),
        (changed(PLAIN, service_orders=[SERVICE]), HELD, "merchant", ["amount_mismatch"]),
        (
            changed(PLAIN, service_orders=[{**SERVICE, "refund_status": "SUCCESS"}], payment="100.00"),
            *(DONE, "merchant", []),
        ),
        (changed(PLAIN, status="WAIT_BUYER_CONFIRM_GOODS"), HELD, "merchant", ["shipped_elsewhere"]),
        (changed(PLAIN, status="TRADE_FINISHED"), DONE, "merchant", []),
        (changed(PLAIN, status="TRADE_CLOSED", payment="1.00"), DONE, "merchant", []),
        (changed(PLAIN, [{"num": 1, "invoice_no": "SF1"}, {}]), HELD, "merchant", ["shipped_elsewhere"]),
        (changed("04b_step_nothing_paid", step_trade_status="FRONT_PAID_FINAL_NOPAID"), HELD, "merchant", None),
        (changed("06c_cod_plain", cod_status="ACCEPTED_BY_COMPANY"), DONE, "courier", []),
        (changed("06c_cod_plain", cod_fee="3.00", seller_cod_fee="3.00"), HELD, "merchant", ["cash_on_delivery"]),
        (changed("06c_cod_plain", status="WAIT_BUYER_PAY"), HELD, "merchant", ["cash_on_delivery"]),
        (changed("08c_pickup_in_shop", shop_pick="0", o2o_delivery="online"), DONE, "merchant", []),
        (changed("12b_error_response_null") | {"error_response": {}}, DONE, "merchant", []),
        (changed("17a_hongkong", receiver_state="澳门特别行政区", receiver_city="澳门"), DONE, "merchant", []),
        (changed("17a_hongkong", receiver_state="台湾省", receiver_city="台北市"), DONE, "merchant", []),
    ],
)
def test_more_of_the_same_kinds(dry, tree, code, who, holds):
    got, order = dry(tree)
    assert (got, order["fulfilled_by"]) == (code, who)
    assert [hold["code"] for hold in order["holds"]] == (["presale_balance_open"] if holds is None else holds)


def test_what_review_would_add_to_a_held_order_is_said_too(dry):
    """It is asked as soon as a person lets the rest of the order go."""
    lines = [{}, {"refund_status": "WAIT_SELLER_AGREE"}]
    _, order = dry(changed("03_part_shipped", lines))
    assert [hold["code"] for hold in order["holds"]] == ["shipped_elsewhere", "refund_requested"]


def test_an_error_that_is_one_is_quarantined(dry):
    code, said = dry({"error_response": {"code": 27}, **case(PLAIN)})
    assert code == 4
    assert said.startswith("orderlane: payload_is_error")
