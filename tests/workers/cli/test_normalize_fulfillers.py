"""Further payloads of the kinds in `cases`: who is said to ship what, and what is held."""

import pytest

DONE, HELD, QUARANTINED = 0, 3, 4
WHO = {word[0]: word for word in ("merchant", "nobody", "pickup", "courier", "unknown")} | {"w": "platform"}
ELSEWHERE, UNKNOWN = "shipped_elsewhere", "fulfiller_unknown"
LEFT = {"status": "WAIT_BUYER_CONFIRM_GOODS", "consign_time": "2026-11-25 18:00:00"}
UNPAID = {"status": "WAIT_BUYER_PAY", "pay_time": None}
ZERO, NO_SHARE = {"divide_order_fee": "0.00"}, {"divide_order_fee": None}
PART = {"status": "SELLER_CONSIGNED_PART"}


def cost(yuan, **changes):
    """A line that costs so much."""
    return {**dict.fromkeys(("price", "total_fee", "divide_order_fee", "payment"), yuan), **changes}


def trade(*lines, **changes):
    """Changes of the lines of a plain trade, and of the trade itself."""
    return lines, changes


def case(name, tree, who, *holds):
    """`who`: one letter of `WHO` for each line."""
    return pytest.param(tree, (HELD if holds else DONE, [WHO[letter] for letter in who], list(holds)), id=name)


def unreadable(name, tree, fault):
    return pytest.param(tree, (QUARANTINED, fault), id=name)


PART_SHIPPED = [
    case("without_a_number", trade(LEFT, {}, **PART), "mm", ELSEWHERE),
    case("by_its_number_alone", trade({"invoice_no": "SF1"}, {}, **PART), "mm", ELSEWHERE),
    case("both", trade(LEFT, LEFT, **PART), "mm", ELSEWHERE),
    case(
        "both_by_two_numbers",
        trade({**LEFT, "invoice_no": "SF1"}, {**LEFT, "invoice_no": "YT2"}, status="WAIT_BUYER_CONFIRM_GOODS"),
        "mm",
        ELSEWHERE,
    ),
    case("one_by_two_numbers", trade({**LEFT, "invoice_no": "SF1,SF2"}, {}, **PART), "mm", ELSEWHERE),
    case(
        "one_of_three_and_one_refunded",
        trade(LEFT, {"refund_status": "SUCCESS", "status": "TRADE_CLOSED"}, {}, **PART),
        "mmm",
        ELSEWHERE,
    ),
    case("no_line_says_which", trade({}, {}, **PART), "mm", ELSEWHERE),
    case("some_pieces_of_a_line", trade({"num": 3, **PART}, **PART), "m", ELSEWHERE),
    case("only_the_virtual_line", trade({**LEFT, "shipping_type": "virtual"}, {}, **PART), "nm"),
    case("only_the_platforms_line", trade({**LEFT, "is_sh_ship": True}, {}, **PART), "wm"),
    case("and_over", trade(LEFT, LEFT, status="TRADE_FINISHED"), "mm"),
    case(
        "with_a_refund_of_what_left",
        trade({**LEFT, "refund_status": "WAIT_SELLER_AGREE"}, {}, **PART),
        "mm",
        ELSEWHERE,
        "refund_requested",
    ),
]


def step(said, status="WAIT_SELLER_SEND_GOODS", **changes):
    return trade(type="step", step_trade_status=said, status=status, **changes)


PRESALES = [
    case("nothing_created", step("FRONT_NOPAID_FINAL_NOPAID", "TRADE_NO_CREATE_PAY", pay_time=None), "m"),
    case(
        "deposit_paid",
        step("FRONT_PAID_FINAL_NOPAID", "WAIT_BUYER_PAY", step_paid_fee="10.00"),
        "m",
        "presale_balance_open",
    ),
    case("deposit_lost", step("FRONT_PAID_FRONT_FORFEITED", "TRADE_CLOSED_BY_TAOBAO"), "m"),
    case(
        "deposit_lost_and_not_closed", step("FRONT_PAID_FRONT_FORFEITED", "WAIT_BUYER_PAY"), "m", "presale_balance_open"
    ),
    case("all_paid", step("FRONT_PAID_FINAL_PAID", step_paid_fee="50.00"), "m"),
    case("all_paid_and_forbidden", step("FRONT_PAID_FINAL_PAID", "PAID_FORBID_CONSIGN"), "m", "platform_hold"),
    unreadable("state_missing", step(None), "field_missing"),
    unreadable("state_of_tomorrow", step("FRONT_PAID_MIDDLE_NOPAID"), "status_unknown"),
    case(
        "said_by_another_type",
        trade(step_trade_status="FRONT_PAID_FINAL_NOPAID", step_paid_fee="10.00"),
        "m",
        "presale_balance_open",
    ),
    case("of_something_virtual", step("FRONT_PAID_FINAL_NOPAID", "WAIT_BUYER_PAY", shipping_type="virtual"), "n"),
]
UNPAID_SHARES = [
    case("one_line", trade(ZERO, **UNPAID), "m"),
    case("card_from_abroad", trade(ZERO, ZERO, status="PAY_PENDING"), "mm"),
    case(
        "pre_authorized",
        trade(ZERO, type="pre_auth_type", status="WAIT_PRE_AUTH_CONFIRM", payment="0.00", pay_time=None),
        "m",
    ),
    case("reduced", trade(ZERO, ZERO, payment="80.00", **UNPAID), "mm"),
    case("null", trade(NO_SHARE, NO_SHARE, payment="80.00", **UNPAID), "mm"),
    case("closed_unpaid", trade(ZERO, status="TRADE_CLOSED_BY_TAOBAO", pay_time=None), "m"),
    case("paid_and_still_zero", trade(ZERO, ZERO), "mm", "amount_mismatch"),
    case("nothing_to_pay", trade(ZERO, payment="0.00"), "m"),
]


def cod(said="NEW_CREATED", /, *lines, **changes):
    return trade(*lines, **{"type": "cod", "cod_status": said, "pay_time": None, **changes})


CASH = "cash_on_delivery"
CASH_ON_DELIVERY = [
    *(
        case(status, cod(status), "m", CASH)
        for status in ("REJECTED_BY_COMPANY", "RECIEVE_TIMEOUT", "CANCELED", "TAKEN_IN_FAILED", "TAKEN_TIMEOUT")
    ),
    *(
        case(status, cod(status), "c")
        for status in ("WAITING_TO_BE_SENT", "ACCEPTED_BY_COMPANY", "TAKEN_IN_SUCCESS", "SIGN_IN")
    ),
    case("unknown_state", cod("ON_THE_WAY"), "u", UNKNOWN, CASH),
    case("state_missing", cod(None), "u", UNKNOWN, CASH),
    case("fee_of_the_seller", cod(payment="58.00", post_fee="8.00", cod_fee="5.00", seller_cod_fee="5.00"), "m", CASH),
    case(
        "fee_freight_and_discount",
        cod(
            "NEW_CREATED",
            *(cost("40.00", price="50.00", part_mjz_discount="10.00"),),
            payment="53.00",
            post_fee="8.00",
            buyer_cod_fee="5.00",
            cod_fee="5.00",
        ),
        "m",
        CASH,
    ),
    case(
        "fee_in_the_payment_of_an_only_line",
        cod("NEW_CREATED", {**NO_SHARE, "payment": "63.00"}, payment="63.00", post_fee="8.00", buyer_cod_fee="5.00"),
        "m",
        CASH,
    ),
    case("fee_that_nobody_names", cod(payment="55.00"), "m", CASH, "amount_mismatch"),
    case("paid_beforehand_perhaps", cod(pay_time="2026-11-25 10:05:00"), "m", CASH),
    case("of_the_mall", cod(type="b2c_cod"), "m", CASH),
    case("signed", cod("SIGN_IN", LEFT, status="TRADE_BUYER_SIGNED"), "m", ELSEWHERE, CASH),
    case("over", cod("SIGN_IN", LEFT, status="TRADE_FINISHED"), "m"),
    case("closed", cod("CANCELED", status="TRADE_CLOSED"), "m"),
    case("held_by_the_platform", cod(top_hold=1), "m", "platform_hold", CASH),
]
VIRTUAL = [
    case("one_of_two_lines", trade({"shipping_type": "virtual"}, {}), "nm"),
    *(
        case(kind, trade(type=kind), "n")
        for kind in ("eticket", "ec", "game_equipment", "hotel_trade", "auto_delivery")
    ),
    case("automatic_unpaid", trade(ZERO, type="auto_delivery", **UNPAID), "n"),
    case("no_shipping_as_text", trade(no_shipping="true"), "n"),
    case("paid_by_code", trade(q_r_pay=True), "n"),
    case("refund_asked", trade({"refund_status": "WAIT_SELLER_AGREE"}, shipping_type="virtual"), "n"),
    case("forbidden", trade(shipping_type="virtual", status="PAID_FORBID_CONSIGN"), "n"),
    case("without_a_receiver", trade(type="ec", receiver_name="", receiver_state=None, oaid=None), "n"),
    case("sent_by_message", trade(LEFT, shipping_type="virtual", status="WAIT_BUYER_CONFIRM_GOODS"), "n"),
    case("difference_of_freight", trade(receipt_type="POSTAGE"), "n"),
    *(
        case(kind, trade(type=kind), "u", UNKNOWN)
        for kind in ("netcn_trade", "insurance_plus", "o2o_offlinetrade", "waimai")
    ),
]
PLATFORM = [
    case("by_every_line", trade({"is_sh_ship": "true"}, {"is_sh_ship": 1}), "ww"),
    case("by_one_line", trade({"is_sh_ship": True}, {"is_sh_ship": False}, is_sh_ship=False), "wm"),
    case("warehouse_of_the_platform", trade({"is_force_dc": True}, {}), "wm"),
    case("with_a_virtual_one", trade({"is_sh_ship": True}, {"shipping_type": "virtual"}, {}), "wnm"),
    case("refund_of_its_line", trade({"is_sh_ship": True, "refund_status": "WAIT_SELLER_AGREE"}, {}), "wm"),
    case("forced", trade(is_force_wlb="true", is_brand_sale="true"), "w"),
    case("forced_perhaps", trade(is_force_wlb=True, is_brand_sale=None), "u", UNKNOWN),
    case("code_of_a_warehouse", trade({"store_code": "CAINIAO-1"}), "m"),
    case("contradiction", trade({"is_sh_ship": False}, {"is_sh_ship": False}, is_sh_ship=True), "uu", UNKNOWN),
    case("resold", trade({"is_daixiao": True}, {}), "um", UNKNOWN),
    case("resold_between_firms", trade({"b2b_daixiao": "1"}, {}), "um", UNKNOWN),
    case("given_to_another_shipper", trade({"distribute_status": "distribute"}, {}), "um", UNKNOWN),
    case("taken_back_from_another_shipper", trade({"distribute_status": "cancel"}, {}), "mm"),
]
STORE = "orderType:STORE_DELIVER,allocationCode:127876895,targetType:STORE,orderState:X_SHOP_HANDLED;"
IN_A_SHOP = [
    case("marked_alone", trade(shop_pick="1"), "p"),
    case("booked", trade(obs="1"), "p"),
    case("guided", trade(o2o="crm", o2o_delivery="inshop"), "p"),
    case("guided_and_sent", trade(o2o="crm", o2o_delivery="online"), "m"),
    case("guided_and_nobody_says", trade(o2o="crm", o2o_delivery=""), "u", UNKNOWN),
    case("all_channels_collected", trade(rt_omni_send_type="pickUp"), "p"),
    case("all_channels_by_a_store", trade(rt_omni_send_type="storeSend"), "u", UNKNOWN),
    case("all_channels_by_us", trade(rt_omni_send_type="tmall"), "m"),
    case("not_picked_up", trade(shop_pick="0", o2o=""), "m"),
    case("by_a_rider", trade(shipping_type="instant"), "u", UNKNOWN),
    case("unpaid", trade(ZERO, shop_pick="1", **UNPAID), "p"),
    case("allocated_to_a_store", trade(omnichannel_param=STORE), "u", UNKNOWN),
    case("not_to_be_handled", trade(nr_no_handle="1"), "u", UNKNOWN),
    case("sold_in_a_store", trade(nr_offline="1"), "u", UNKNOWN),
]


def said(got):
    code, order = got
    if code == QUARANTINED:
        return code, order.removeprefix("orderlane: ").partition(":")[0]
    return code, [line["fulfilled_by"] for line in order["lines"]], [hold["code"] for hold in order["holds"]]


@pytest.mark.parametrize(
    ("tree", "expected"), [*PART_SHIPPED, *PRESALES, *UNPAID_SHARES, *CASH_ON_DELIVERY, *VIRTUAL, *PLATFORM, *IN_A_SHOP]
)
def test_who_ships_what(dry, plain_trade, tree, expected):
    lines, changes = tree
    assert said(dry(plain_trade(*lines, **changes))) == expected


def test_what_left_of_three_lines_is_named(dry, plain_trade):
    _, order = dry(plain_trade({**LEFT, "invoice_no": "SF1,SF2"}, {"num": 2}, {**LEFT, "num": 3}, **PART))
    assert [(line["shipped"], line["waybill"]) for line in order["lines"]] == [(1, "SF1"), (0, ""), (3, "")]
    assert order["holds"][0]["facts"]["lines"] == f"{order['lines'][0]['line_id']},{order['lines'][2]['line_id']}"
