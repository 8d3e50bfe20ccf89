"""Who ships what: every mark by itself, several at once, and what no table knows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.platforms.taobao import describe
from domain.order import FulfilledBy

YES = [True, 1, "1", "true", "TRUE", "y"]
NO = [False, 0, "0", "false", "n", None, ""]
ODD = ["perhaps", 2, "2", {}, [], "x" * 500, 1.5]
# Mark of the trade -> who then ships all of it.
MARKS = {
    "no_shipping": "nobody",
    "q_r_pay": "nobody",
    "shop_pick": "pickup",
    "obs": "pickup",
    "is_sh_ship": "platform",
    "is_force_dc": "platform",
    "is_daixiao": "unknown",
    "omnichannel_param": "unknown",
    "nr_offline": "unknown",
    "nr_no_handle": "unknown",
}
LINE_MARKS = {
    "is_sh_ship": "platform",
    "is_force_dc": "platform",
    "is_service_order": "nobody",
    "is_daixiao": "unknown",
    "b2b_daixiao": "unknown",
    "distribute_status": "unknown",
}


def test_a_plain_trade_is_ours(ships):
    assert ships() == ("merchant", ["merchant", "merchant"])


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("value", YES)
def test_a_mark_of_the_trade(ships, mark, value):
    kind = MARKS[mark]
    assert ships(**{mark: value}) == (kind, [kind, kind])


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("value", NO)
def test_a_mark_that_is_not_set(ships, mark, value):
    assert ships(**{mark: value})[0] == "merchant"


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("value", ODD)
def test_a_mark_that_cannot_be_read_is_never_guessed(ships, mark, value):
    assert ships(**{mark: value}) == ("unknown", ["unknown", "unknown"])


@pytest.mark.parametrize("mark", LINE_MARKS)
@pytest.mark.parametrize("value", YES)
def test_a_mark_of_one_line_is_of_that_line_alone(ships, mark, value):
    _, of_lines = ships([{mark: value}, {}])
    assert of_lines == [LINE_MARKS[mark], "merchant"]


@pytest.mark.parametrize("mark", LINE_MARKS)
@pytest.mark.parametrize("value", [*NO, *ODD])
def test_a_mark_of_a_line_that_says_no_or_nothing_readable(ships, mark, value):
    _, of_lines = ships([{}, {mark: value}])
    assert of_lines == ["merchant", "merchant" if value in NO else "unknown"]


def test_a_line_that_another_merchant_ships_no_more_is_ours_again(ships):
    assert ships([{"distribute_status": "cancel"}, {"distribute_status": "distribute"}])[1] == ["merchant", "unknown"]


def test_an_order_is_ours_as_soon_as_one_line_is(ships):
    assert ships([{"is_sh_ship": True}, {}]) == ("merchant", ["platform", "merchant"])
    assert ships([{"is_service_order": True}, {"is_sh_ship": "true"}]) == ("platform", ["nobody", "platform"])


@pytest.mark.parametrize("mark", ["is_sh_ship", "is_force_dc"])
def test_the_lines_say_which_of_them_the_platform_ships(ships, mark):
    assert ships([{mark: True}, {mark: False}], **{mark: True})[1] == ["platform", "merchant"]
    assert ships([{mark: True}, {}], **{mark: True})[1] == ["platform", "platform"]
    assert ships([{mark: False}, {mark: False}], **{mark: True})[1] == ["unknown", "unknown"]
    assert ships([{mark: True}, {mark: False}], **{mark: "perhaps"})[1] == ["platform", "merchant"]


def test_the_code_of_a_warehouse_alone_decides_nothing(ships):
    assert ships([{"store_code": "CAINIAO-1"}, {"store_code": "OWN-7"}], store_code="X") == (
        "merchant",
        ["merchant", "merchant"],
    )


@pytest.mark.parametrize(
    ("kind", "ships_by"),
    [
        *((kind, "merchant") for kind in sorted(describe.GOODS_TYPES - describe.COD_TYPES - {"step"})),
        *((kind, "nobody") for kind in sorted(describe.NO_GOODS_TYPES)),
        ("o2o_offlinetrade", "unknown"),
        ("waimai", "unknown"),
        ("FIXED", "unknown"),
        ("type_of_tomorrow", "unknown"),
    ],
)
def test_types_of_trades(ships, kind, ships_by):
    assert ships(type=kind)[0] == ships_by


@pytest.mark.parametrize(
    ("shipping", "ships_by"),
    [
        *((way, kind.value) for way, kind in describe.SHIPPING_BY.items()),
        (25, "merchant"),
        ("instant", "unknown"),
        ("teleport", "unknown"),
        ("EXPRESS", "unknown"),
        (None, "unknown"),
        ("", "unknown"),
        ({}, "unknown"),
        (True, "unknown"),
    ],
)
def test_ways_of_shipping(ships, shipping, ships_by):
    assert ships(shipping_type=shipping)[0] == ships_by


def test_a_lines_own_way_counts(ships):
    assert ships([{"shipping_type": "virtual"}, {}])[1] == ["nobody", "merchant"]
    assert ships([{"shipping_type": "express"}, {}], shipping_type="virtual")[1] == ["merchant", "nobody"]
    assert ships([{"shipping_type": "teleport"}, {}])[1] == ["unknown", "merchant"]


@pytest.mark.parametrize(
    ("marks", "ships_by"),
    [
        ({"o2o": "crm", "o2o_delivery": "inshop", "shop_pick": "1"}, "pickup"),
        ({"o2o": "crm", "o2o_delivery": "inshop"}, "pickup"),
        ({"o2o": "crm", "o2o_delivery": "online"}, "merchant"),
        ({"o2o": "crm", "o2o_delivery": "drone"}, "unknown"),
        ({"o2o": "crm"}, "unknown"),
        ({"o2o": "0"}, "merchant"),
        ({"o2o_delivery": "inshop"}, "pickup"),
        ({"rt_omni_send_type": "pickUp"}, "pickup"),
        ({"rt_omni_send_type": "tmall"}, "merchant"),
        ({"rt_omni_send_type": "storeSend"}, "unknown"),
        ({"receipt_type": "POSTAGE"}, "nobody"),
        ({"receipt_type": "OTHER", "receipt_rel_ids": {"string": ["1"]}}, "nobody"),
        ({"receipt_type": "OTHER", "receipt_rel_ids": ["1"]}, "nobody"),
        ({"receipt_type": "OTHER"}, "unknown"),
        ({"receipt_type": "ITEM", "receipt_rel_ids": ["1"]}, "unknown"),
        ({"is_force_wlb": True, "is_brand_sale": True}, "platform"),
        ({"is_force_wlb": True, "is_brand_sale": False}, "unknown"),
        ({"is_force_wlb": True}, "unknown"),
        ({"is_force_wlb": False, "is_brand_sale": True}, "merchant"),
        ({"is_force_wlb": "perhaps"}, "unknown"),
        ({"q_r_pay": True, "is_sh_ship": True}, "nobody"),
        ({"shop_pick": "1", "is_sh_ship": True}, "platform"),
        ({"shop_pick": "1", "is_sh_ship": "perhaps"}, "unknown"),
        ({"shop_pick": "1", "shipping_type": "virtual"}, "nobody"),
    ],
)
def test_marks_that_belong_together(ships, marks, ships_by):
    assert ships(**marks)[0] == ships_by


@pytest.mark.parametrize(
    ("status", "ships_by"),
    [
        *((status, "courier" if taken else "merchant") for status, taken in describe.COD_WITH_COURIER.items()),
        ("ON_THE_MOON", "unknown"),
        (None, "unknown"),
    ],
)
@pytest.mark.parametrize("kind", sorted(describe.COD_TYPES))
def test_cash_on_delivery(ships, kind, status, ships_by):
    assert ships(type=kind, cod_status=status)[0] == ships_by


def test_a_courier_has_what_was_shipped_and_that_is_no_news(ships):
    shipped = {"status": "WAIT_BUYER_CONFIRM_GOODS", "invoice_no": "SF1"}
    assert ships([shipped, {}], type="cod", cod_status="TAKEN_IN_SUCCESS")[1] == ["merchant", "courier"]


def test_only_cash_on_delivery_asks_for_its_state(ships):
    assert ships(cod_status="ACCEPTED_BY_COMPANY")[0] == "merchant"


GIFT = {"gift_item_id": "77", "gift_item_num": "1"}


@pytest.mark.parametrize(
    ("lines", "ships_by"),
    [
        ([{}, {}], "merchant"),
        ([{"is_service_order": True}, {}], "merchant"),
        ([{"is_sh_ship": True}, {"is_sh_ship": True}], "platform"),
        ([{"is_sh_ship": True}, {}], "unknown"),
        ([{"is_sh_ship": True, "refund_status": "SUCCESS"}, {}], "merchant"),
        ([{"is_service_order": True}, {"is_service_order": True}], "unknown"),
        ([{"refund_status": "SUCCESS"}, {"refund_status": "SUCCESS"}], "merchant"),
    ],
)
def test_a_gift_without_a_line_travels_with_the_others(ships, lines, ships_by):
    assert ships(lines, promotion_details=[GIFT])[1][-1] == ships_by


WORDS = st.sampled_from([None, "", *YES, *NO, *ODD, "express", "virtual", "inshop", "pickUp", "POSTAGE"])
DECIDING = [*MARKS, "shipping_type", "o2o", "o2o_delivery", "rt_omni_send_type", "receipt_type", "is_force_wlb"]


@given(st.dictionaries(st.sampled_from(DECIDING), WORDS), st.dictionaries(st.sampled_from([*LINE_MARKS]), WORDS))
def test_whatever_is_marked_no_line_is_ours_against_a_mark(ships, of_trade, of_line):
    """A line is ours only where not one of the marks says something else, or something that nobody can read."""
    _, (first, _) = ships([of_line, {}], **of_trade)
    if first != FulfilledBy.MERCHANT.value:
        return
    assert of_trade.get("shipping_type", "express") == "express"
    for name, value in of_line.items():
        assert value in NO, name
    for name in ("no_shipping", "q_r_pay", "shop_pick", "obs"):
        assert of_trade.get(name) in NO, name
