"""What the platform does not say is unknown: whatever way a field goes missing, nothing is labelled, shipped or told.

`docs/platforms/douyin.md` has the same rows in words.
"""

import copy
import json

import pytest

from adapters.platforms.douyin import answers
from adapters.platforms.douyin.order import read_order
from domain.errors import Malformed, Poison
from domain.order import Pii
from domain.review import ReviewFacts, review
from domain.stock import Reservation
from infra.config.rules import load_rules

RULES = load_rules()
IN_STOCK = ReviewFacts(Reservation.RESERVED)
POISON = "quarantine"
# Field -> what becomes of the order without it.
OF_AN_ORDER = {
    "order_id": POISON,
    "order_status": POISON,
    "pay_amount": POISON,
    "create_time": POISON,
    "update_time": POISON,
    "sku_order_list": POISON,
    "pay_time": "payment_unconfirmed",
    "post_amount": "amount_mismatch",
    "mask_post_receiver": "address_missing",
    "mask_post_tel": "address_missing",
    "mask_post_addr": "address_missing",
}
OF_A_LINE = {
    "order_id": POISON,
    "item_num": POISON,
    "pay_amount": POISON,
    # Its `main_status` alone is not enough. Where neither is shown, the order's counts.
    "order_status": POISON,
    "after_sale_info": "refund_unknown",
}
# Without these the order goes on: another field says the same, or the mark is sent only with what it concerns.
NOT_NEEDED = {
    "order": {"main_status", "order_type", "trade_type", "exp_ship_time", "order_amount", "promotion_amount", "biz"},
    "line": {"main_status", "goods_type", "receive_type", "trade_type", "origin_amount", "sum_amount"},
}
WAYS = {
    "absent": lambda tree, name: tree.pop(name),
    "renamed": lambda tree, name: tree.update({f"{name}_v2": tree.pop(name)}),
    "null": lambda tree, name: tree.update({name: None}),
    "empty": lambda tree, name: tree.update({name: ""}),
}


def outcome(tree):
    try:
        return {
            finding.code for finding in review(read_order(json.dumps(tree).encode(), "main"), IN_STOCK, RULES).holds
        }
    except Poison as error:
        return {POISON} if error.facts.get("field") else set()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("place", "name", "end"),
    [
        *(("order", name, end) for name, end in OF_AN_ORDER.items()),
        *(("line", name, end) for name, end in OF_A_LINE.items()),
    ],
)
def test_what_becomes_of_an_order_without_a_field(order, place, name, end, way):
    tree = order()
    WAYS[way](tree if place == "order" else tree["sku_order_list"][1], name)
    assert end in outcome(tree)


@pytest.mark.parametrize("place", NOT_NEEDED)
def test_without_these_it_goes_on(order, place):
    for name in NOT_NEEDED[place]:
        for way in ("absent", "renamed", "null"):
            tree = order()
            WAYS[way](tree if place == "order" else tree["sku_order_list"][0], name)
            assert outcome(tree) == set(), (name, way)


def test_the_control_a_whole_order_goes_on(order):
    assert outcome(order()) == set()


def test_without_the_order_s_and_the_line_s_type_nobody_knows_who_ships(order):
    tree = order()
    del tree["order_type"], tree["sku_order_list"][0]["order_type"]
    assert outcome(tree) == {"fulfiller_unknown"}


def test_without_its_token_a_receiver_stays_masked(order):
    read = read_order(json.dumps(order(open_address_id=None)).encode(), "main")
    assert (read.receiver.pii, read.receiver.merge_token) == (Pii.MASKED, "")


@pytest.mark.parametrize("name", ["order_status", "sku_order_list"])
def test_a_state_that_is_not_shown_is_no_answer(order, name):
    tree = order()
    del tree[name]
    with pytest.raises(Malformed):
        answers.read_status(json.dumps({"code": 10000, "data": {"shop_order_detail": tree}}).encode())


def test_a_refund_that_is_not_shown_is_unknown_before_a_label(order):
    tree = order(({}, {"after_sale_info": None}))
    shown = answers.read_status(json.dumps({"code": 10000, "data": {"shop_order_detail": tree}}).encode())
    assert (shown.refund_open, shown.unknown_lines) == (False, (tree["sku_order_list"][1]["order_id"],))


def test_held_states_hold(order):
    tree = copy.deepcopy(order(order_status=105, main_status=105))
    assert outcome(tree) == {"platform_hold"}
