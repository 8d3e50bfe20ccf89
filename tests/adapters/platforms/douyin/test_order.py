import json
from datetime import UTC, datetime

import pytest

from adapters.platforms.douyin.order import raw_order, read_facts, read_order
from domain.errors import Poison
from domain.money import Money
from domain.normalize import inspect
from domain.order import LaneFacts, OrderSource, OrderType, Pii, PlatformState
from tests.adapters.platforms.douyin.conftest import ORDER, PARENT, PLACE

PAYMENT = datetime.fromtimestamp(1795305600, UTC)


def at(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def test_a_plain_order(read):
    order = read()

    assert (order.key.platform, order.key.shop, order.key.platform_order_id) == ("douyin", "main", PARENT)
    assert (order.state, order.order_type, order.platform_hold, order.balance_open) == (
        PlatformState.TO_SHIP,
        OrderType.NORMAL,
        False,
        False,
    )
    assert (order.created_at, order.paid_at, order.updated_at) == (at(1795305500), PAYMENT, at(1795309800))
    assert (order.ship_by, order.ship_from) == (at(1795478400), None)
    assert (order.buyer_id, order.buyer_memo, order.seller_memo, order.seller_flag) == (
        "1@#buyer==",
        "快点",
        "老客户",
        3,
    )
    assert [(line.line_id, line.sku, line.quantity, line.paid.minor) for line in order.lines] == [
        (PARENT, "TEE-L", 2, 5500),
        ("6917100000000000002", "SOCK", 1, 1800),
    ]
    assert order.lines[0].product_id == "3473196049974326301"
    totals = order.totals
    assert [one.minor for one in (totals.goods, totals.discount, totals.freight, totals.payable, totals.paid)] == [
        8000,
        700,
        800,
        8100,
        8100,
    ]
    assert inspect(order) == ()


@pytest.mark.parametrize(
    ("status", "main", "state"),
    [
        (1, 1, PlatformState.UNPAID),
        (105, 105, PlatformState.HOLD),
        (103, 103, PlatformState.HOLD),
        (1, 103, PlatformState.HOLD),
        (2, 2, PlatformState.TO_SHIP),
        ("2", None, PlatformState.TO_SHIP),
        (2, 105, PlatformState.HOLD),
        (101, 101, PlatformState.PART_SHIPPED),
        (3, 3, PlatformState.SHIPPED),
        (5, 5, PlatformState.DONE),
        (4, 4, PlatformState.CLOSED),
        (4, 21, PlatformState.CLOSED),
        (4, 22, PlatformState.CLOSED),
        (5, 39, PlatformState.CLOSED),
    ],
)
def test_each_state(read, status, main, state):
    order = read(({"order_status": status, "main_status": main},), order_status=status, main_status=main)
    assert order.state is state
    assert order.platform_hold is (state is PlatformState.HOLD)


@pytest.mark.parametrize("name", ["order_status", "main_status"])
@pytest.mark.parametrize("number", [0, 6, 20, 23, 38, 40, 77, 100, 102, 104, 106, "待发货"])
def test_a_number_outside_the_table_is_never_guessed(read, name, number):
    for changed in ({name: number}, {}):
        with pytest.raises(Poison) as caught:
            read(({} if changed else {name: number},), **changed)
        assert (caught.value.code, caught.value.facts["field"]) == ("status_unknown", name)
        assert "待发货" not in str(caught.value.facts)


@pytest.mark.parametrize("name", ["order_id", "order_status", "pay_amount", "create_time", "update_time"])
def test_what_an_order_cannot_do_without_is_named(read, name):
    with pytest.raises(Poison) as caught:
        read(**{name: None})
    assert caught.value.code == "field_missing"
    if name != "order_id":
        assert caught.value.facts["field"] == f"order.{name}"


def test_zero_is_no_time_and_milliseconds_are_no_seconds(read):
    order = read(({"exp_ship_time": 0},), pay_time=0, exp_ship_time=0, order_status=1, main_status=1)
    assert (order.paid_at, order.ship_by, order.totals.paid) == (None, None, Money(0, "CNY"))
    with pytest.raises(Poison) as caught:
        read(pay_time=1795305600000)
    assert caught.value.facts["field"] == "order.pay_time"


def test_the_earliest_of_the_times_to_ship_by_counts_of_what_is_still_owed(read):
    assert read(({"exp_ship_time": 1795400000}, {"exp_ship_time": 0})).ship_by == at(1795400000)
    shipped = {"exp_ship_time": 1795300000, "order_status": 3, "main_status": 3}
    order = read((shipped, {"exp_ship_time": 1795500000}), exp_ship_time=0, order_status=101, main_status=101)
    assert order.ship_by == at(1795500000)


def test_a_booked_day_is_the_first_on_which_goods_may_leave(read):
    # 2026-11-25 15:00:00 in China.
    order = read(({"appointment_ship_time": 1795590000}, {}), appointment_ship_time=1795500000)
    assert order.ship_from == datetime(2026, 11, 24, 16, tzinfo=UTC)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_suggested_time_does_not_bind(read, number):
    assert read(recommend_start_ship_time=1795590000, recommend_end_ship_time=1795300000 + number).ship_from is None


def test_a_deposit_that_is_paid_leaves_a_balance_open(read):
    phases = [
        {"current_phase": 1, "pay_success": True, "phase_pay_amount": 1000},
        {"current_phase": 2, "pay_success": False, "phase_pay_amount": 7100},
    ]
    lines = ({"trade_type": 2, "order_status": 103, "main_status": 103},)
    order = read(lines, order_phase_list=phases, order_status=103, main_status=103, pay_time=0, pay_amount=6300)
    assert (order.order_type, order.balance_open, order.totals.paid.minor) == (OrderType.PRESALE, True, 1000)
    phases[1] |= {"pay_success": True}
    order = read(({"trade_type": 2}, {}), order_phase_list=phases)
    assert (order.order_type, order.balance_open, order.totals.paid.minor) == (OrderType.PRESALE, False, 8100)
    del phases[1]["pay_success"]
    assert read(order_phase_list=phases).balance_open, "what is not said is not paid"
    for phase in phases:
        phase["pay_success"] = False
    assert not read(order_phase_list=phases, order_status=1, main_status=1, pay_time=0).balance_open
    assert not read(order_phase_list=phases, order_status=4, main_status=4, pay_time=0).balance_open


@pytest.mark.parametrize(
    ("line", "changed", "facts"),
    [
        ({}, {}, (OrderSource.SHELF, OrderType.NORMAL)),
        ({"theme_type": "1"}, {}, (OrderSource.LIVE, OrderType.NORMAL)),
        ({"trade_type": 1}, {}, (OrderSource.GROUP, OrderType.NORMAL)),
        ({"trade_type": 1, "theme_type": 1}, {}, (OrderSource.LIVE, OrderType.NORMAL)),
        ({"pre_sale_type": 1}, {}, (OrderSource.SHELF, OrderType.PRESALE)),
        ({"pre_sale_type": 2}, {}, (OrderSource.SHELF, OrderType.PRESALE)),
        ({"trade_type": 2}, {}, (OrderSource.SHELF, OrderType.PRESALE)),
        ({}, {"pay_type": 0}, (OrderSource.SHELF, OrderType.COD)),
    ],
)
def test_lane_facts(read, order, line, changed, facts):
    found = read((line, {}), **changed)
    assert (found.source, found.order_type) == facts
    body = json.dumps({"shop_order_detail": order((line, {}), **changed)}).encode()
    assert read_facts(body) == LaneFacts(*facts, receiver_city="杭州市")


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b'{"order_id":"1","sku_order_list":7,"post_addr":7}'])
def test_a_payload_that_cannot_be_read_has_the_usual_facts(body):
    assert read_facts(body) == LaneFacts()


def test_a_receiver_is_masked_and_known_by_its_token(read):
    receiver = read().receiver
    assert (receiver.name, receiver.phone, receiver.detail) == ("测**", "1********01", "文三路***")
    assert (receiver.province, receiver.city, receiver.district, receiver.town) == (
        "浙江省",
        "杭州市",
        "西湖区",
        "文新街道",
    )
    assert (receiver.pii, receiver.merge_token) == (Pii.MASKED, "#address-1")


def test_an_encrypted_receiver_passes_through_untouched(read):
    masks = dict.fromkeys(("mask_post_receiver", "mask_post_tel", "mask_post_addr"))
    receiver = read(**masks).receiver
    assert (receiver.name, receiver.phone, receiver.detail) == (
        ORDER["encrypt_post_receiver"],
        ORDER["encrypt_post_tel"],
        ORDER["post_addr"]["encrypt_detail"],
    )
    assert (receiver.pii, receiver.merge_token, receiver.city) == (Pii.CIPHER, "#address-1", "杭州市")


def test_a_plain_receiver_and_one_without_a_word(read):
    gone = dict.fromkeys(
        ("mask_post_receiver", "mask_post_tel", "mask_post_addr", "encrypt_post_receiver", "encrypt_post_tel")
    )
    plain = read(**gone, post_receiver="甲", post_tel="13800000001", post_addr={**PLACE, "detail": "1号"}).receiver
    assert (plain.name, plain.pii) == ("甲", Pii.PLAIN)
    stars = read(**gone, post_receiver="甲*", post_tel="138****0001", post_addr={**PLACE, "detail": "1号"}).receiver
    assert stars.pii is Pii.MASKED
    absent = read(**gone, post_addr=PLACE, open_address_id=None).receiver
    assert (absent.pii, absent.merge_token, absent.city) == (Pii.ABSENT, "", "杭州市")


def test_every_wrapping_gives_the_same_order(order, read):
    bare = order()
    wrapped = [
        bare,
        {"shop_order_detail": bare},
        {"code": 10000, "data": {"shop_order_detail": bare}},
        {"code": "10000", "data": {"total": 1, "shop_order_list": [bare]}},
    ]
    assert {repr(read_order(json.dumps(tree).encode(), "main")) for tree in wrapped} == {repr(read())}
    assert len({raw_order(json.dumps(tree).encode()).version for tree in wrapped}) == 1


@pytest.mark.parametrize(
    ("tree", "code"),
    [
        ({"code": 50002, "sub_code": "isv.business-failed:20015"}, "payload_is_error"),
        ({"code": 10000, "data": {}}, "field_missing"),
        ({"code": 10000}, "field_missing"),
        ({"shop_order_list": [{}, {}]}, "field_missing"),
        ({"shop_order_detail": []}, "field_missing"),
    ],
)
def test_a_payload_without_one_order(tree, code):
    with pytest.raises(Poison) as caught:
        read_order(json.dumps(tree).encode(), "main")
    assert caught.value.code == code


def test_a_letter_after_a_number_is_no_part_of_it(read):
    order = read(({"order_id": f"{PARENT}A"}, {}), order_id=f"{PARENT}A")
    assert (order.key.platform_order_id, order.lines[0].line_id) == (PARENT, PARENT)


def test_the_version_covers_the_order_and_nothing_around_it(order):
    def version(log_id, **changed):
        tree = {"code": 10000, "log_id": log_id, "data": {"shop_order_detail": order(**changed)}}
        return raw_order(json.dumps(tree).encode()).version

    assert version("1") == version("2") != version("1", update_time=1795309801)
