import copy
import json
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.platforms.taobao import describe
from adapters.platforms.taobao.trade import raw_order, read_facts, read_order
from domain.errors import Poison
from domain.normalize import inspect
from domain.order import LaneFacts, MemberLevel, OrderSource, OrderType, Pii, PlatformState

LINE = {
    "oid": 2900000000000000011,
    "num_iid": 600000000001,
    "sku_id": "5000001",
    "outer_iid": "TEE",
    "outer_sku_id": "TEE-L",
    "title": "棉质T恤 ",
    "num": 2,
    "price": "60.00",
    "payment": "120.00",
    "divide_order_fee": "100.00",
    "refund_status": "NO_REFUND",
    "status": "WAIT_SELLER_SEND_GOODS",
}
SOCKS = {
    **LINE,
    "oid": "2900000000000000012",
    "outer_sku_id": "",
    "outer_iid": "SOCK",
    "num": "1",
    "price": 20,
    "divide_order_fee": "20.00",
    "sku_id": None,
}
TRADE = {
    "tid": 2900000000000000010,
    "status": "WAIT_SELLER_SEND_GOODS",
    "type": "fixed",
    "shipping_type": "express",
    "created": "2026-11-22 09:00:00",
    "modified": "2026-11-22 09:10:00",
    "pay_time": "2026-11-22 09:01:00",
    "payment": "128.00",
    "total_fee": "140.00",
    "post_fee": "8.00",
    "buyer_nick": "测**",
    "buyer_open_uid": "AAEuid",
    "buyer_message": "周末配送 ",
    "seller_memo": "改发顺丰",
    "seller_flag": 3,
    "receiver_name": "测**",
    "receiver_mobile": "*******0001",
    "receiver_state": "浙江省",
    "receiver_city": "杭州市",
    "receiver_district": "西湖区",
    "receiver_town": "翠苑街道",
    "receiver_address": "文三路***  ",
    "receiver_zip": "310000 ",
    "oaid": "oaid-1",
    "orders": {"order": [LINE, SOCKS]},
}


def body(trade, **changed) -> bytes:
    changed_trade = {**copy.deepcopy(trade), **changed}
    return json.dumps({"trade_fullinfo_get_response": {"trade": changed_trade, "request_id": "r"}}).encode()


def read(**changed):
    return read_order(body(TRADE, **changed), "flagship")


def with_line(**changed):
    return read(orders={"order": [{**LINE, **changed}, SOCKS]})


def poison(text: bytes) -> Poison:
    with pytest.raises(Poison) as caught:
        read_order(text, "flagship")
    return caught.value


def test_a_whole_order():
    order = read()

    assert (order.key.platform, order.key.shop, order.key.platform_order_id) == (
        "taobao",
        "flagship",
        "2900000000000000010",
    )
    assert (order.state, order.order_type, order.buyer_id) == (PlatformState.TO_SHIP, OrderType.NORMAL, "AAEuid")
    assert order.created_at == datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
    assert order.paid_at == datetime(2026, 11, 22, 1, 1, tzinfo=UTC)
    assert (order.buyer_memo, order.seller_memo, order.seller_flag) == ("周末配送", "改发顺丰", 3)
    first, second = order.lines
    assert (first.line_id, first.product_id, first.platform_sku, first.sku, first.quantity, first.title) == (
        "2900000000000000011",
        "600000000001",
        "5000001",
        "TEE-L",
        2,
        "棉质T恤",
    )
    assert (second.sku, second.platform_sku, second.unit_price.minor) == ("SOCK", "", 2000)
    totals = order.totals
    assert (totals.goods.minor, totals.discount.minor, totals.freight.minor) == (14000, 2000, 800)
    assert (totals.payable.minor, totals.paid.minor, totals.payable.currency) == (12800, 12800, "CNY")
    assert inspect(order) == ()


def test_the_receiver_is_masked_and_its_token_stands_for_it():
    receiver = read().receiver

    assert (receiver.pii, receiver.merge_token) == (Pii.MASKED, "oaid-1")
    assert (receiver.province, receiver.city, receiver.district, receiver.town) == (
        "浙江省",
        "杭州市",
        "西湖区",
        "翠苑街道",
    )
    assert (receiver.detail, receiver.zip_code) == ("文三路***", "310000")


def test_a_plain_and_an_absent_receiver():
    assert read(receiver_name="甲", receiver_mobile="1", receiver_address="x").receiver.pii is Pii.PLAIN
    nobody = read(receiver_name="", receiver_mobile=None, receiver_address=" ").receiver
    assert nobody.pii is Pii.ABSENT
    landline = read(receiver_mobile="", receiver_phone="029-0000000").receiver
    assert landline.phone == "029-0000000"


def test_a_district_directly_under_its_province_has_no_city():
    order = read(receiver_city="", receiver_district="济源市")

    assert (order.receiver.city, order.receiver.district) == ("", "济源市")


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("TRADE_NO_CREATE_PAY", "unpaid"),
        ("WAIT_BUYER_PAY", "unpaid"),
        ("PAY_PENDING", "unpaid"),
        ("WAIT_PRE_AUTH_CONFIRM", "unpaid"),
        ("PAID_FORBID_CONSIGN", "hold"),
        ("WAIT_SELLER_SEND_GOODS", "to_ship"),
        ("SELLER_CONSIGNED_PART", "part_shipped"),
        ("WAIT_BUYER_CONFIRM_GOODS", "shipped"),
        ("TRADE_BUYER_SIGNED", "shipped"),
        ("TRADE_FINISHED", "done"),
        ("TRADE_CLOSED", "closed"),
        ("TRADE_CLOSED_BY_TAOBAO", "closed"),
    ],
)
def test_states(status, state):
    assert read(status=status).state == state


@pytest.mark.parametrize("status", ["TRADE_TELEPORTED", "wait_buyer_pay", "WAIT_SELLER_SEND_GOODS2"])
def test_an_unknown_status_is_never_guessed(status):
    error = poison(body(TRADE, status=status))

    assert (error.code, error.facts["field"]) == ("status_unknown", "status")


@pytest.mark.parametrize("mark", describe.HOLD_MARKS)
@pytest.mark.parametrize("value", [1, "1", True, "true"])
def test_hold_marks(mark, value):
    assert read(**{mark: value}).platform_hold
    assert not read(**{mark: 0}).platform_hold


def test_paid_but_shipping_forbidden_is_a_hold():
    assert read(status="PAID_FORBID_CONSIGN").platform_hold


@pytest.mark.parametrize(
    ("refund", "is_open", "done"),
    [
        ("NO_REFUND", False, False),
        ("CLOSED", False, False),
        ("", False, False),
        (None, False, False),
        ("WAIT_SELLER_AGREE", True, False),
        ("WAIT_BUYER_RETURN_GOODS", True, False),
        ("WAIT_SELLER_CONFIRM_GOODS", True, False),
        ("SELLER_REFUSE_BUYER", True, False),
        ("SUCCESS", False, True),
    ],
)
def test_refunds(refund, is_open, done):
    line = with_line(refund_status=refund).lines[0]

    assert (line.refund_open, line.refunded) == (is_open, done)


def test_a_line_closed_by_itself_is_not_shipped():
    assert with_line(status="TRADE_CLOSED").lines[0].refunded


@pytest.mark.parametrize("name", ["refund_status", "status"])
def test_unknown_line_statuses_are_never_guessed(name):
    line = {**LINE, name: "PERHAPS"}
    assert poison(body(TRADE, orders={"order": [line]})).code == "status_unknown"


@pytest.mark.parametrize(
    ("step", "is_open"),
    [
        ("FRONT_NOPAID_FINAL_NOPAID", True),
        ("FRONT_PAID_FINAL_NOPAID", True),
        ("FRONT_PAID_FRONT_FORFEITED", True),
        ("FRONT_PAID_FINAL_PAID", False),
    ],
)
def test_presale(step, is_open):
    order = read(type="step", step_trade_status=step, step_paid_fee="30.00")

    assert (order.order_type, order.balance_open) == (OrderType.PRESALE, is_open)
    assert order.totals.paid.minor == (3000 if is_open else 12800)


def test_presale_without_or_with_an_unknown_step_is_not_guessed():
    assert poison(body(TRADE, type="step")).code == "field_missing"
    assert poison(body(TRADE, type="step", step_trade_status="HALF")).code == "status_unknown"


@pytest.mark.parametrize("mark", ["new_presell", "general_new_presell"])
def test_presale_in_one_payment(mark):
    order = read(**{mark: True})
    assert (order.order_type, order.balance_open) == (OrderType.PRESALE, False)


def test_cash_on_delivery_is_unpaid_until_paid():
    order = read(type="cod", pay_time=None)

    assert (order.order_type, order.paid_at, order.totals.paid.minor) == (OrderType.COD, None, 0)


def test_nothing_arrived_for_an_unpaid_trade():
    assert read(status="WAIT_BUYER_PAY", pay_time=None).totals.paid.minor == 0


def one_line(**changed):
    line = {**LINE, "payment": "128.00", **changed}
    return read(orders={"order": [line]}, total_fee="120.00", payment="128.00")


def test_the_payment_of_an_only_line_carries_the_freight():
    assert one_line(divide_order_fee=None).lines[0].paid.minor == 12000
    assert inspect(one_line(divide_order_fee="")) == ()
    assert one_line(divide_order_fee="120.00").lines[0].paid.minor == 12000


def test_the_payment_of_one_of_several_lines_does_not():
    assert with_line(divide_order_fee=None).lines[0].paid.minor == 12000


def test_a_raised_price_is_no_negative_discount():
    order = read(total_fee="100.00")

    assert (order.totals.goods.minor, order.totals.discount.minor) == (12000, 0)
    assert inspect(order) == ()


def test_sums_that_do_not_add_up_are_left_to_the_rules():
    order = read(payment="323.58", total_fee="488.00")

    assert [finding.code for finding in inspect(order)] == ["amount_mismatch"]


def test_gift_lines_and_promised_gifts():
    free = {**SOCKS, "is_free_gift": True, "price": "0.00", "divide_order_fee": "0.00"}
    promotions = [
        {"promotion_name": "满赠", "gift_item_id": "700000000001", "gift_item_name": "帆布袋", "gift_item_num": "2"},
        {"promotion_name": "满减", "discount_fee": "10.00"},
        {"gift_item_id": 600000000001, "gift_item_num": 1},
    ]
    order = read(orders={"order": [LINE, free]}, promotion_details={"promotion_detail": promotions})

    assert [(line.is_gift, line.quantity) for line in order.lines] == [(False, 2), (True, 1), (True, 2)]
    promised = order.lines[2]
    assert (promised.line_id, promised.sku, promised.title) == ("gift:1:700000000001", "", "帆布袋")


@pytest.mark.parametrize(
    ("promise", "expected"),
    [
        ("2026-11-24 18:00:00", datetime(2026, 11, 24, 10, 0, tzinfo=UTC)),
        ("2026-11-24", datetime(2026, 11, 24, 15, 59, 59, tzinfo=UTC)),
        ("2026年11月24日前发货", datetime(2026, 11, 24, 15, 59, 59, tzinfo=UTC)),
        ("付款后3天内发货", datetime(2026, 11, 25, 1, 1, tzinfo=UTC)),
        ("付款后48小时内", datetime(2026, 11, 24, 1, 1, tzinfo=UTC)),
        ("尽快发货", None),
        ("2026-13-45", None),
        ("", None),
    ],
)
def test_ship_by(promise, expected):
    assert with_line(estimate_con_time=promise).ship_by == expected


def test_the_earliest_promise_counts():
    early, late = {**LINE, "estimate_con_time": "2026-11-23 10:00:00"}, {**SOCKS, "estimate_con_time": "2026-11-30"}
    assert read(orders={"order": [late, early]}).ship_by == datetime(2026, 11, 23, 2, 0, tzinfo=UTC)


@pytest.mark.parametrize("tid", [2900000000000000010, "2900000000000000010", " 2900000000000000010 "])
def test_the_id_is_a_text_however_it_came(tid):
    assert read(tid=tid).key.platform_order_id == "2900000000000000010"


def test_the_id_as_text_wins():
    assert read(tid=2.9e18, tid_str="2900000000000000010").key.platform_order_id == "2900000000000000010"


@pytest.mark.parametrize("tid", [True, -1, "12a", 1.5, [], "1" * 33])
def test_an_id_that_is_none(tid):
    assert poison(body(TRADE, tid=tid)).code == "field_invalid"


@pytest.mark.parametrize(
    "wrap",
    [
        lambda trade: {"trade_fullinfo_get_response": {"trade": trade}},
        lambda trade: {"trade": trade, "request_id": "r"},
        lambda trade: trade,
        lambda trade: {"trade": {**trade, "orders": trade["orders"]["order"]}},
    ],
    ids=["enveloped", "simplified", "bare", "lists unwrapped"],
)
def test_every_envelope_gives_the_same_order(wrap):
    assert read_order(json.dumps(wrap(TRADE)).encode(), "flagship") == read()


def test_a_single_object_instead_of_a_list():
    assert read(orders={"order": LINE}).lines == read(orders={"order": [LINE]}).lines


@pytest.mark.parametrize("name", ["status", "created", "modified", "payment", "total_fee", "orders"])
def test_missing_fields_are_named(name):
    error = poison(body({key: value for key, value in TRADE.items() if key != name}))

    assert (error.code, error.facts) == ("field_missing", {"field": f"trade.{name}"})


@pytest.mark.parametrize("name", ["oid", "num", "price"])
def test_missing_line_fields_are_named(name):
    line = {key: value for key, value in LINE.items() if key != name}

    assert poison(body(TRADE, orders={"order": [line]})).facts == {"field": f"trade.orders.order[0].{name}"}


@pytest.mark.parametrize(
    ("name", "value"),
    [("num", 0), ("num", -1), ("num", "2.5"), ("num", 10**7), ("price", "free"), ("price", "-1.00"), ("oid", [1])],
)
def test_unreadable_line_fields_are_named(name, value):
    error = poison(body(TRADE, orders={"order": [SOCKS, {**LINE, name: value}]}))

    assert (error.code, error.facts["field"]) == ("field_invalid", f"trade.orders.order[1].{name}")


def test_two_lines_with_one_id_are_refused():
    assert poison(body(TRADE, orders={"order": [LINE, LINE]})).facts["field"] == "trade.orders.order[1].oid"


def test_an_error_answer_is_no_order():
    assert poison(b'{"error_response":{"code":27,"msg":"Invalid session"}}').code == "payload_is_error"
    assert poison(json.dumps({"trade": TRADE, "error_response": "busy"}).encode()).code == "payload_is_error"


@pytest.mark.parametrize("nothing", [None, {}, "", [], {"code": None, "msg": "", "sub_code": None}])
def test_an_empty_error_beside_an_order_is_none(nothing):
    relayed = json.dumps({**json.loads(body(TRADE)), "error_response": nothing}).encode()

    assert read_order(relayed, "flagship") == read()
    assert read_facts(relayed) == read_facts(body(TRADE))
    assert raw_order(relayed).version == raw_order(body(TRADE)).version


@pytest.mark.parametrize("nothing", [b"null", b"{}"])
def test_an_empty_error_alone_is_no_order_either(nothing):
    assert poison(b'{"error_response":' + nothing + b"}").code == "field_missing"


@pytest.mark.parametrize("text", [b"[]", b"1", b"null", b'"x"'])
def test_json_that_is_no_object(text):
    assert poison(text).code == "payload_unreadable"


def test_errors_quote_no_content():
    error = poison(body(TRADE, payment="王小明 13800000001"))

    assert "王小明" not in f"{error} {error.facts}"


@contextmanager
def suppress_poison(codes):
    try:
        yield
    except Poison as error:
        if error.code not in codes:
            raise


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(list(LINE)), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*TRADE, "step_trade_status", "promotion_details", "trade_attr"]), ANY_JSON))
def test_any_change_ends_in_an_order_or_poison(changed):
    with suppress_poison({"field_missing", "field_invalid", "status_unknown"}):
        assert read(**changed).lines


def test_lane_facts():
    live = read_facts(body(TRADE, trade_attr='{"live":1,"vip":"plus"}'))
    assert live == LaneFacts(OrderSource.LIVE, OrderType.NORMAL, MemberLevel.PLUS, "杭州市")
    assert read_facts(body(TRADE, trade_from="WAP,LIVE")).source is OrderSource.LIVE
    assert read_facts(body(TRADE, trade_attr='{"vip":"vip"}')).member_level is MemberLevel.VIP
    assert read_facts(body(TRADE, trade_from="DELIVERY")).source is OrderSource.SHELF


@pytest.mark.parametrize("attr", ["{", "[]", "[" * 100_000, '{"live":"x"}', 7, "null", '{"vip":["plus"]}'])
def test_unreadable_tags_stop_no_order(attr):
    assert read(trade_attr=attr).source is OrderSource.SHELF


@pytest.mark.parametrize("text", [b"", b"<html>", b'{"error_response":{}}', b'{"trade":{"tid":1,"trade_from":[]}}'])
def test_an_unreadable_payload_has_the_default_facts(text):
    assert read_facts(text) == LaneFacts()


def test_the_version_is_of_the_content_alone():
    one = raw_order(body(TRADE))
    again = json.dumps({"request_id": "other", "trade": dict(reversed(TRADE.items()))}).encode()

    assert one.version == raw_order(again).version
    assert len(one.version) == 32
    assert one.version != raw_order(body(TRADE, seller_memo="x")).version
    assert one.body == body(TRADE)
