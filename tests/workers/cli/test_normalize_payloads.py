"""Further payloads of the kinds in `cases`: sums, services, gifts, refunds, promises, places, and shapes of JSON."""

import pytest

DONE, HELD, QUARANTINED = 0, 3, 4
WHO = {word[0]: word for word in ("merchant", "nobody", "pickup", "courier", "unknown")} | {"w": "platform"}
LEFT = {"status": "WAIT_BUYER_CONFIRM_GOODS", "consign_time": "2026-11-25 18:00:00"}
UNPAID = {"status": "WAIT_BUYER_PAY", "pay_time": None}
ZERO, NO_SHARE = {"divide_order_fee": "0.00"}, {"divide_order_fee": None}
PART = {"status": "SELLER_CONSIGNED_PART"}
# The id that the plain trade has; its lines follow it.
TID = 2105811697799960101
CLOCK = "2026-11-27T02:00:00Z"


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


def service(number=1, **changes):
    amounts = dict.fromkeys(("price", "total_fee", "payment"), "15.00")
    return {"oid": TID + 90 + number, "item_oid": TID + 1, "service_id": number, "num": 1, **amounts, **changes}


def serviced(services, payment, *lines, **changes):
    return trade(*lines, service_orders=services, payment=payment, **changes)


SERVICES = [
    case("two_and_freight", serviced({"service_order": [service(1), service(2)]}, "88.00", post_fee="8.00"), "mnn"),
    case("simplified", serviced([service(oid="77")], "65.00"), "mn"),
    case("one_object", serviced({"service_order": service()}, "65.00"), "mn"),
    *(case(f"none_as_{odd!r}", serviced(odd, "50.00"), "m") for odd in (None, "", {}, [], {"service_order": []})),
    case("refund_on_its_way", serviced([service(refund_id="9")], "65.00"), "mn"),
    case("left_the_sum", serviced([service()], "50.00"), "mn", "amount_mismatch"),
    case("total_only", serviced([service(payment=None)], "65.00"), "mn"),
    case("free", serviced([service(payment="0.00")], "50.00"), "mn"),
    case("in_the_payment_of_an_only_line", serviced([service()], "65.00", {**NO_SHARE, "payment": "65.00"}), "mn"),
    case("nothing_else", trade({"is_service_order": True}), "n"),
    case(
        "as_a_line_too", trade({}, {"outer_iid": "", "outer_sku_id": ""}, service_orders=[service(oid=TID + 2)]), "mn"
    ),
    case("goods_refunded", serviced([service()], "65.00", {"refund_status": "SUCCESS"}), "mn"),
]


def gift(number, **changes):
    return {"id": TID, "gift_item_id": str(700 + number), "gift_item_name": "杯", "gift_item_num": "1", **changes}


def gifted(*gifts, lines=({},), **changes):
    return trade(*lines, promotion_details={"promotion_detail": list(gifts)}, **changes)


GIFTS = [
    case("two", gifted(gift(1), gift(2)), "mmm", "sku_unmapped"),
    case("one_object", trade(promotion_details={"promotion_detail": gift(1)}), "mm", "sku_unmapped"),
    case("simplified", trade(promotion_details=[gift(1, gift_item_id=701, gift_item_num=3)]), "mm", "sku_unmapped"),
    *(case(f"none_as_{odd!r}", gifted(gift(1, gift_item_id=odd)), "m") for odd in (None, "", "0", 0)),
    case("no_pieces", gifted(gift(1, gift_item_num="0")), "m"),
    unreadable("pieces_in_words", gifted(gift(1, gift_item_num="一")), "field_invalid"),
    case(
        "as_a_line_too",
        gifted(gift(1), lines=({}, cost("0.00", is_free_gift=True, num_iid=701)), payment="50.00", total_fee="50.00"),
        "mm",
    ),
    case(
        "line_without_a_sku",
        trade({}, cost("0.00", is_free_gift="true", outer_iid=None, outer_sku_id=None), payment="50.00"),
        "mm",
        "sku_unmapped",
    ),
    case("of_what_the_platform_ships", gifted(gift(1), lines=({"is_sh_ship": True},)), "ww"),
    case("of_a_closed_order", gifted(gift(1), lines=({"refund_status": "SUCCESS"},)), "mm"),
]
TAXED = {"order_tax_fee": "4.55", "payment": "54.55"}
SUMS = [
    case(
        "thirds",
        trade(*({**NO_SHARE, "part_mjz_discount": part} for part in ("3.33", "3.33", "3.34")), payment="140.00"),
        "mmm",
    ),
    case("one_share_missing", trade({**NO_SHARE, "part_mjz_discount": "10.00"}, {}, payment="90.00"), "mm"),
    case("only_line_with_freight", trade({**NO_SHARE, "payment": "58.00"}, payment="58.00", post_fee="8.00"), "m"),
    case(
        "promotion_that_no_line_has",
        trade(NO_SHARE, NO_SHARE, payment="80.00", discount_fee="20.00"),
        "mm",
        "amount_mismatch",
    ),
    case(
        "price_lowered_by_hand",
        trade({**NO_SHARE, "adjust_fee": "-5.00", "total_fee": "45.00", "payment": "45.00"}, {}, payment="95.00"),
        "mm",
    ),
    case("price_raised_by_hand", trade(cost("57.50", price="50.00", adjust_fee="7.50"), payment="57.50"), "m"),
    case("a_fen_lost", trade(*[cost("33.33")] * 3, payment="100.00", total_fee="99.99"), "mmm"),
    case("two_fen_lost", trade(*[cost("33.33")] * 3, payment="100.01", total_fee="99.99"), "mmm", "amount_mismatch"),
    case("credit_card", trade(credit_card_fee="50.00"), "m"),
    case("insured_freight", trade(has_yfx=True, yfx_fee="0.60"), "m"),
    case("tax_beside", trade(**TAXED), "m"),
    case("tax_inside", trade(cost("54.55"), **TAXED), "m"),
    case("tax_of_an_only_line", trade({**NO_SHARE, "payment": "54.55"}, **TAXED), "m"),
    case("tax_included", trade({"sub_order_tax_fee": "4.55"}, order_tax_fee="4.55"), "m"),
    case("tax_in_part", trade(order_tax_fee="4.55", payment="52.00"), "m", "amount_mismatch"),
    case("numbers", trade(cost(50), {**cost(50.0), "num": "1"}, payment=100.0, total_fee=100, post_fee=0), "mm"),
    unreadable("grouped", trade(payment="1,050.00"), "field_invalid"),
    unreadable("exponent", trade(payment="5e1"), "field_invalid"),
    unreadable("half_a_fen", trade(payment="50.005"), "field_invalid"),
    unreadable("below_zero", trade(payment="-50.00"), "field_invalid"),
    case("many_pieces", trade(cost("50000000.00", num=1000000, price="50.00"), payment="50000000.00"), "m"),
    unreadable("too_many_pieces", trade({"num": 1000001}), "field_invalid"),
    unreadable("no_pieces", trade({"num": 0}), "field_invalid"),
    unreadable("half_a_piece", trade({"num": 1.5}), "field_invalid"),
]
AGREES, RETURNS = ({"refund_status": "WAIT_SELLER_AGREE"}, {"refund_status": "WAIT_BUYER_RETURN_GOODS"})
CLOSED_EARLY = {"status": "TRADE_CLOSED_BY_TAOBAO"}
REFUNDED = {"refund_status": "SUCCESS", "status": "TRADE_CLOSED"}
STATES = [
    case("all_closed_early", trade(CLOSED_EARLY, CLOSED_EARLY), "mm"),
    case("all_refunded", trade(REFUNDED, REFUNDED, status="TRADE_CLOSED"), "mm"),
    case("one_closed_early_one_refunded", trade(CLOSED_EARLY, REFUNDED), "mm"),
    case("closed_early_with_an_odd_refund", trade({**CLOSED_EARLY, **AGREES}, {}, payment="50.00"), "mm"),
    case("refunded_and_open", trade({"refund_status": "SUCCESS"}, {}, payment="100.00"), "mm"),
    case("closed_line_without_a_sku", trade({**REFUNDED, "outer_iid": "", "outer_sku_id": ""}, {}), "mm"),
    case("agreed", trade(RETURNS, {}), "mm", "refund_requested"),
    case("refused", trade({}, {"refund_status": "SELLER_REFUSE_BUYER"}), "mm", "refund_requested"),
    case("withdrawn", trade({"refund_status": "CLOSED"}, {}), "mm"),
    case("no_word", trade({"refund_status": ""}), "m", "refund_unknown"),
    unreadable("word_of_tomorrow", trade({"refund_status": "WAIT_BUYER_REDO"}), "status_unknown"),
    case("price_protected", trade({**AGREES, "special_refund_type": "priceProtect"}), "m"),
    case("refund_of_the_unpaid", trade({**ZERO, **AGREES}, **UNPAID), "m"),
    *(
        case(f"{mark}_{value!r}", trade(**{mark: value}), "m", "platform_hold")
        for mark, value in (("top_hold", "1"), ("forbid_consign", 1), ("team_buy_hold", True), ("ofp_hold", "Y"))
    ),
    *(case(f"top_hold_{value!r}", trade(top_hold=value), "m") for value in (0, "0", False, None, "")),
    case("group", trade({}, {}, status="PAID_FORBID_CONSIGN", team_buy_hold=1), "mm", "platform_hold"),
    case("group_with_a_refund", trade(AGREES, status="PAID_FORBID_CONSIGN"), "m", "refund_requested", "platform_hold"),
    case(
        "by_whole_group_of_lines",
        trade({"status": "PAID_FORBID_CONSIGN"}, {}, status="PAID_FORBID_CONSIGN"),
        "mm",
        "platform_hold",
    ),
    unreadable("state_of_tomorrow", trade(status="WAIT_FOR_RAIN"), "status_unknown"),
]
SHAPES = [
    unreadable("no_lines", trade(orders={"order": []}), "field_missing"),
    unreadable("null_lines", trade(orders=None), "field_missing"),
    unreadable("an_empty_line", trade(orders=[{}]), "field_missing"),
    unreadable("a_null_line", trade(orders={"order": [None]}), "field_invalid"),
    case("ids_as_text", trade({"oid": str(TID + 1), "num_iid": "600", "sku_id": 5}, tid=str(TID), tid_str=None), "m"),
    unreadable("ids_as_fractions", trade(tid=2.1058e18, tid_str=None), "field_invalid"),
    unreadable("one_id_twice", trade({}, {"oid": TID + 1, "oid_str": str(TID + 1)}), "field_invalid"),
    case("id_of_a_line_as_text_alone", trade({"oid": None}), "m"),
    case("ids_rounded_on_their_way", trade({"oid": TID - 1}, {"oid": TID - 1}), "mm"),
    case("same_sku_by_other_names", trade({}, {"outer_sku_id": "", "outer_iid": "SKU-A"}), "mm"),
    case("nul_in_a_sku", trade({"outer_sku_id": "SKU-A\x00"}), "m"),
    case("nul_in_an_id", trade(tid_str=f"{TID}\x00"), "m"),
    case("half_a_character", trade(buyer_message="好\ud83d"), "m"),
    case("marks_and_blanks", trade(receiver_name="\u202e张\u200b三\u3000", buyer_message="\ufeff\r\n\t"), "m"),
    case("nothing_but_blanks", trade(receiver_address=" \t ", oaid=""), "m", "address_missing"),
    case("no_city", trade(receiver_city="", receiver_district="济源市"), "m"),
]


def said(got):
    code, order = got
    if code == QUARANTINED:
        return code, order.removeprefix("orderlane: ").partition(":")[0]
    return code, [line["fulfilled_by"] for line in order["lines"]], [hold["code"] for hold in order["holds"]]


@pytest.mark.parametrize(("tree", "expected"), SERVICES + GIFTS + SUMS)
def test_sums_services_and_gifts(dry, plain_trade, tree, expected):
    lines, changes = tree
    assert said(dry(plain_trade(*lines, **changes))) == expected


@pytest.mark.parametrize(("tree", "expected"), STATES + SHAPES)
def test_states_and_shapes(dry, plain_trade, tree, expected):
    lines, changes = tree
    assert said(dry(plain_trade(*lines, **changes))) == expected


PAID_TWICE = {"type": "step", "step_trade_status": "FRONT_PAID_FINAL_PAID"}


@pytest.mark.parametrize(
    ("tree", "ship_by"),
    [
        (trade({"estimate_con_time": "2026-11-26 24:00:00"}, {}), "2026-11-26T16:00:00Z"),
        (trade({"estimate_con_time": "2026-11-28"}, {"estimate_con_time": "2026年11月27日"}), "2026-11-27T15:59:59Z"),
        (trade({"estimate_con_time": "付款后3天内"}), "2026-11-28T02:00:00Z"),
        (trade({"estimate_con_time": "付款后 30 天内发货"}), "2026-12-25T02:00:00Z"),
        (trade({"estimate_con_time": "付款后三天内"}), "2026-11-28T02:00:00Z"),
        (trade({"estimate_con_time": "7-15天内发货"}), "2026-12-10T02:00:00Z"),
        (trade({"estimate_con_time": "12月10日前发货"}), "2026-12-10T15:59:59Z"),
        (trade({"estimate_con_time": "2026-11-20 12:00:00"}), "2026-11-20T04:00:00Z"),
        (trade({"estimate_con_time": "2026-12-10 23:59:59.0"}), "2026-12-10T15:59:59Z"),
        (trade({"estimate_con_time": "2026.12.10"}), "2026-12-10T15:59:59Z"),
        (trade({"estimate_con_time": None, "delivery_time": ""}, send_time="", est_con_time=None), CLOCK),
        (trade({**CLOSED_EARLY, "estimate_con_time": "2026-11-26 12:00:00"}, {}, payment="50.00"), CLOCK),
        (trade({**LEFT, "estimate_con_time": "2026-11-26 12:00:00"}, {}, **PART), CLOCK),
        (trade(**PAID_TWICE, send_time="2_15"), "2026-12-10T02:00:00Z"),
        (trade(**PAID_TWICE, send_time="1_2026-12-10"), "2026-12-10T15:59:59Z"),
        (trade(**PAID_TWICE, send_time="2026-12-10 24:00:00"), "2026-12-10T16:00:00Z"),
        (trade(**PAID_TWICE, send_time=""), CLOCK),
        (trade(type="cod", cod_status="NEW_CREATED", send_time="48小时内发货"), CLOCK),
        (trade(shipping_type="virtual", send_time="2026-12-10"), None),
        (trade(ZERO, **UNPAID), None),
    ],
)
def test_promises(dry, plain_trade, tree, ship_by):
    lines, changes = tree
    assert dry(plain_trade(*lines, **changes))[1]["ship_by"] == ship_by


ABROAD = {"receiver_name": "张三", "receiver_mobile": "13900000001", "receiver_address": "人民路 1 号", "oaid": ""}


@pytest.mark.parametrize(
    ("place", "code", "holds"),
    [
        ({"receiver_state": "香港"}, DONE, []),
        ({"receiver_state": "中国香港"}, DONE, []),
        ({"receiver_state": "澳門特別行政區", "receiver_city": "澳门半岛"}, DONE, []),
        ({"receiver_state": "臺灣省", "receiver_city": "台中市"}, DONE, []),
        ({"receiver_state": "香港特别行政区", "receiver_city": "", "receiver_district": "沙田区"}, DONE, []),
        ({"receiver_state": "广东省", "receiver_country": "中国"}, DONE, []),
        ({"receiver_state": "广东省", "receiver_country": ""}, DONE, []),
        ({"receiver_state": "海外", "receiver_city": "海外", "receiver_district": "日本"}, HELD, ["address_missing"]),
        (
            {"receiver_state": "东京都", "receiver_city": "新宿区", "receiver_country": "日本"},
            HELD,
            ["address_missing"],
        ),
    ],
)
def test_places(dry, plain_trade, place, code, holds):
    got, order = dry(plain_trade(**ABROAD | place))
    assert (got, [hold["code"] for hold in order["holds"]]) == (code, holds)


def test_every_gift_has_its_pieces(dry, plain_trade):
    gifts = [gift(1), gift(2, gift_item_num=3), gift(1)]
    _, order = dry(plain_trade(promotion_details=gifts))
    pieces = [(line["product_id"], line["quantity"]) for line in order["lines"][1:]]
    assert pieces == [("701", 1), ("702", 3), ("701", 1)]


def test_the_text_of_an_id_counts_before_its_number(dry, plain_trade):
    _, order = dry(plain_trade({"oid": TID - 1}, {"oid": TID - 1}))
    assert [line["line_id"] for line in order["lines"]] == [str(TID + 1), str(TID + 2)]


@pytest.mark.parametrize("wrapped", [lambda subs: subs, lambda subs: {"order": subs}, lambda subs: {"order": subs[0]}])
def test_lines_in_whatever_list_they_come(dry, plain_trade, wrapped):
    subs = plain_trade()["trade_fullinfo_get_response"]["trade"]["orders"]["order"]
    assert said(dry(plain_trade(orders=wrapped(subs)))) == (DONE, ["merchant"], [])


EMPTY = [None, {}, "", [], {"code": None, "msg": None, "sub_code": None, "sub_msg": ""}]


@pytest.mark.parametrize("empty", EMPTY)
def test_an_error_that_says_nothing_is_none(dry, plain_trade, empty):
    whole = plain_trade()
    answer = whole["trade_fullinfo_get_response"]
    inside = {"trade_fullinfo_get_response": {**answer, "error_response": empty}}
    shapes = [whole, answer, answer["trade"], {"trade_get_response": answer}]
    for payload in [inside, *({**shape, "error_response": empty} for shape in shapes)]:
        assert said(dry(payload)) == (DONE, ["merchant"], [])


@pytest.mark.parametrize("error", [{"code": 7}, {"code": 15, "sub_code": "isv.x"}, "Remote service error"])
def test_an_error_that_says_something_is_one(dry, plain_trade, error):
    assert said(dry({**plain_trade(), "error_response": error})) == (QUARANTINED, "payload_is_error")


@pytest.mark.parametrize("empty", EMPTY)
def test_an_answer_without_a_trade_names_what_is_missing(dry, empty):
    for payload in (
        {"error_response": empty},
        {"trade_fullinfo_get_response": None, "error_response": empty},
        {"trade_fullinfo_get_response": {"trade": None}, "error_response": empty},
    ):
        assert said(dry(payload)) == (QUARANTINED, "field_missing")
