import pytest

from adapters.payload import Fields
from adapters.platforms.douyin import describe
from adapters.platforms.douyin.lines import LineRefund, refund_of
from domain.errors import Poison
from domain.order import FulfilledBy, PlatformState
from tests.adapters.platforms.douyin.conftest import PARENT

SECOND = "6917100000000000002"
NONE, OPEN, OVER, UNKNOWN = (
    LineRefund(False, False, False),
    LineRefund(True, False, False),
    LineRefund(False, True, False),
    LineRefund(False, False, True),
)


def info(status, kind=2, money=1):
    told = {"after_sale_status": status, "after_sale_type": kind, "refund_status": money}
    return {"after_sale_info": {name: value for name, value in told.items() if value is not None}}


@pytest.mark.parametrize(
    ("row", "refund"),
    [
        (info(0, 0, 0), NONE),
        (info(0, None, None), NONE),
        (info(6), OPEN),
        (info(7, 0), OPEN),
        (info(11, 0), OPEN),
        (info(8, 7, 0), OPEN),
        (info(27), OPEN),
        (info(29, 0), OPEN),
        # Withdrawn or failed: the money is shown as waiting for ever.
        (info(28), NONE),
        (info(28, 2, 4), NONE),
        (info(12, 2, 3), OVER),
        (info(12, 2, 2), OVER),
        (info(51, 4, 0), OVER),
        (info(53, 0, 3), OVER),
        # Paid back at once, while the goods are still to come back.
        (info(7, 0, 3), OVER),
        (info(13, 3, 0), NONE),
        (info(14, 3, 0), NONE),
        (info(6, 6), NONE),
        (info(12, 6, 3), NONE),
        ({}, UNKNOWN),
        ({"after_sale_info": {}}, UNKNOWN),
        (info(None), UNKNOWN),
        (info(None, 6), UNKNOWN),
        (info(0, 0, 2), UNKNOWN),
    ],
)
def test_what_a_line_says_of_its_refund(row, refund):
    assert refund_of(Fields(row), PlatformState.TO_SHIP) == refund


@pytest.mark.parametrize("row", [{}, info(0, 0, 0), info(6), info(12, 2, 3)])
def test_a_closed_line_is_over_whatever_else_it_says(row):
    assert refund_of(Fields(row), PlatformState.CLOSED) == OVER


@pytest.mark.parametrize(
    "row",
    [
        *(info(int(status) + step) for status in describe.CASE_STATES for step in (-1, 1)
          if str(int(status) + step) not in {*describe.CASE_STATES, "0"}),
        info(6, 9),
        info(6, -1),
        info(6, 2, 6),
        info("退款中"),
    ],
)  # fmt: skip
def test_a_number_beside_the_tables_is_never_guessed(row):
    with pytest.raises(Poison) as caught:
        refund_of(Fields(row), PlatformState.TO_SHIP)
    assert caught.value.code == "status_unknown"
    assert "退款中" not in str(caught.value.facts)


def parcel(number, *parts, company="shunfeng"):
    rows = [{"sku_order_id": line, "product_count": count} for line, count in parts]
    return {"tracking_no": number, "company": company, "product_info": rows}


def test_pieces_that_have_left_are_counted_by_parcel(read):
    order = read(
        ({"order_status": 101, "main_status": 101}, {}),
        order_status=101,
        main_status=101,
        logistics_info=[parcel("SF1", (PARENT, 1)), parcel("", (SECOND, 1))],
    )
    assert [(line.shipped, line.waybill) for line in order.lines] == [(1, "SF1"), (0, "")]


def test_a_line_that_has_left_whole_needs_no_count(read):
    order = read(
        ({"order_status": 3, "main_status": 3}, {}),
        order_status=101,
        main_status=101,
        logistics_info=[parcel("SF1", (PARENT, 1)), parcel("SF2", (PARENT, 1))],
    )
    assert [(line.shipped, line.waybill) for line in order.lines] == [(2, "SF1"), (0, "")]


def test_a_parcel_without_a_count_may_hold_all_of_the_line(read):
    part = {"tracking_no": "SF1", "company": "shunfeng", "product_info": [{"sku_order_id": PARENT}]}
    order = read(order_status=101, main_status=101, logistics_info=[part])
    assert order.lines[0].shipped == 2


def test_lines_without_numbers_of_their_own_have_the_order_s_state(read):
    bare = {"order_status": None, "main_status": None}
    order = read((bare, bare), order_status=3, main_status=3, logistics_info=[{"tracking_no": "SF1"}])
    assert [(line.shipped, line.waybill) for line in order.lines] == [(2, "SF1"), (1, "SF1")]


def test_gifts_and_codes(read):
    order = read(
        (
            {"given_product_type": "MASTER", "code": "", "out_sku_id": "778"},
            {"given_product_type": "FREE", "master_sku_order_id_list": [PARENT], "pay_amount": 0, "code": ""},
        ),
        pay_amount=6300,
    )
    assert [(line.is_gift, line.sku) for line in order.lines] == [(False, "778"), (True, "")]
    assert order.lines[1].paid.minor == 0


def test_two_lines_with_one_number_are_refused(read):
    with pytest.raises(Poison) as caught:
        read(({}, {"order_id": PARENT}))
    assert (caught.value.code, caught.value.facts["field"]) == ("field_invalid", "order.sku_order_list[1].order_id")


def test_an_order_without_lines_is_refused(read):
    with pytest.raises(Poison) as caught:
        read(sku_order_list=None)
    assert caught.value.facts["field"] == "order.sku_order_list"


OURS, NOBODY, PLATFORM, PICKUP, WHO = (
    FulfilledBy.MERCHANT,
    FulfilledBy.NOBODY,
    FulfilledBy.PLATFORM,
    FulfilledBy.PICKUP,
    FulfilledBy.UNKNOWN,
)


@pytest.mark.parametrize(
    ("line", "ships"),
    [
        ({}, OURS),
        *(({"order_type": kind}, OURS) for kind in (0, 1)),
        *(({"order_type": kind}, NOBODY) for kind in (2, 4, 5, 6)),
        *(({"order_type": kind}, WHO) for kind in (3, 7, "x", {})),
        *(({"trade_type": kind}, OURS) for kind in (0, 1, 2, 3, 4, 5, 11, 13, 16, 102)),
        ({"trade_type": 103}, NOBODY),
        *(({"trade_type": kind}, WHO) for kind in (6, 7, 8, 9, 10, 12, 18, 101, 104)),
        ({"goods_type": 1}, NOBODY),
        ({"goods_type": 2}, WHO),
        ({"goods_type": None, "receive_type": None, "trade_type": None}, OURS),
        ({"receive_type": 0}, OURS),
        ({"receive_type": 2}, PICKUP),
        ({"receive_type": 3}, WHO),
        ({"inventory_list": [{}]}, OURS),
        ({"inventory_list": [{"warehouse_type": 0}]}, OURS),
        ({"inventory_list": [{"warehouse_type": 2}]}, PLATFORM),
        ({"inventory_list": [{"warehouse_type": 1}]}, WHO),
        ({"sku_yun_warehouse_info": [{"sku_id": "1", "current_business_stage": 2}]}, PLATFORM),
        ({"sku_yun_warehouse_info": [{}]}, OURS),
        ({"biz": 21}, WHO),
        ({"store_info": {"store_id": "88"}}, WHO),
        ({"store_info": {"store_id": "0"}}, OURS),
        ({"goods_type": 1, "trade_type": 18}, WHO),
    ],
)
def test_who_ships_a_line(read, line, ships):
    order = read((line, {}))
    assert order.lines[0].fulfilled_by is ships
    assert order.lines[1].fulfilled_by is OURS


def test_an_order_without_its_type_is_shipped_by_nobody_knows_whom(read):
    order = read(({"order_type": None}, {"order_type": 0}), order_type=None)
    assert [line.fulfilled_by for line in order.lines] == [WHO, OURS]
