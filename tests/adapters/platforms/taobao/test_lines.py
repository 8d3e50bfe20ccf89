"""What a trade shows of each line: what has left, what became of refunds, what has no sub-order."""

import json

import pytest

from adapters.platforms.taobao.answers import read_status
from adapters.platforms.taobao.lines import is_sub_order
from domain.errors import Poison
from domain.order import PlatformState

SHIPPED = {"status": "WAIT_BUYER_CONFIRM_GOODS", "invoice_no": "SF1200000000001", "logistics_company": "顺丰速运"}
GIFT = {"gift_item_id": "77", "gift_item_name": "杯", "gift_item_num": "1"}
SERVICE = {"oid": 90, "payment": "0.00"}


def test_a_part_that_has_left_is_shown_by_line(read):
    order = read([SHIPPED, {}], status="SELLER_CONSIGNED_PART")
    assert order.state is PlatformState.PART_SHIPPED
    assert [(line.shipped, line.waybill) for line in order.lines] == [(1, "SF1200000000001"), (0, "")]


@pytest.mark.parametrize(
    ("shown", "shipped"),
    [
        ({}, 0),
        ({"status": "WAIT_BUYER_CONFIRM_GOODS"}, 3),
        ({"status": "TRADE_BUYER_SIGNED"}, 3),
        ({"status": "TRADE_FINISHED"}, 3),
        ({"status": "SELLER_CONSIGNED_PART"}, 3),
        ({"invoice_no": "SF1"}, 3),
        ({"invoice_no": 12345}, 3),
        ({"consign_time": "2026-11-22 10:00:00"}, 3),
        ({"invoice_no": "", "consign_time": None}, 0),
        ({"invoice_no": " ", "consign_time": " "}, 0),
        ({"consign_time": "0000-00-00 00:00:00"}, 0),
        ({"consign_time": "1970-01-01 08:00:00"}, 0),
        ({"consign_time": "yesterday"}, 3),
        ({"consign_time": {}}, 3),
        ({"status": "TRADE_CLOSED"}, 0),
        ({"status": "TRADE_CLOSED", "invoice_no": "SF1"}, 3),
        ({"status": "PAID_FORBID_CONSIGN"}, 0),
        ({"status": None}, 0),
    ],
)
def test_a_line_has_left_by_its_state_its_number_or_its_time(read, shown, shipped):
    assert read([{"num": 3, **shown}, {}]).lines[0].shipped == shipped


@pytest.mark.parametrize(("status", "shipped"), [("WAIT_BUYER_CONFIRM_GOODS", 1), ("SELLER_CONSIGNED_PART", 0)])
def test_a_line_without_a_state_has_that_of_a_trade_that_left_whole(read, status, shipped):
    line = read([{"status": None}, {}], status=status).lines[0]
    assert (line.shipped, line.refund_unknown) == (shipped, True)


@pytest.mark.parametrize("special", ["priceProtect", "cashBack", "PRICEPROTECT"])
@pytest.mark.parametrize("refund", ["WAIT_SELLER_AGREE", "SELLER_REFUSE_BUYER", "SUCCESS", "CLOSED", "NO_REFUND"])
def test_compensation_holds_and_stops_nothing(read, special, refund):
    line = read([{"special_refund_type": special, "refund_status": refund}, {}]).lines[0]
    assert (line.refund_open, line.refunded, line.refund_unknown) == (False, False, False)


@pytest.mark.parametrize(
    ("special", "refund", "flags"),
    [
        ("priceProtect", "WAIT_BUYER_RETURN_GOODS", (False, False, True)),
        ("priceProtect", "WAIT_SELLER_CONFIRM_GOODS", (False, False, True)),
        ("priceProtect", None, (False, False, True)),
        ("somethingNew", "SUCCESS", (False, False, True)),
        ("somethingNew", "WAIT_SELLER_AGREE", (False, False, True)),
        ("somethingNew", "NO_REFUND", (False, False, False)),
        ({}, "SUCCESS", (False, False, True)),
        ("", "SUCCESS", (False, True, False)),
        (None, "WAIT_SELLER_AGREE", (True, False, False)),
    ],
)
def test_what_is_not_known_as_compensation_may_be_anything(read, special, refund, flags):
    line = read([{"special_refund_type": special, "refund_status": refund}, {}]).lines[0]
    assert (line.refund_open, line.refunded, line.refund_unknown) == flags


def test_a_closed_line_is_out_whatever_its_refund_was(read):
    line = read([{"special_refund_type": "priceProtect", "refund_status": "SUCCESS", "status": "TRADE_CLOSED"}]).lines[
        0
    ]
    assert line.refunded


def test_gifts_go_with_the_last_of_the_lines(read):
    gone = {"refund_status": "SUCCESS"}
    assert [line.refunded for line in read([gone, {}], promotion_details=[GIFT]).lines] == [True, False, False]
    assert [line.refunded for line in read([gone, gone], promotion_details=[GIFT]).lines] == [True, True, True]


def test_lines_without_a_sub_order_are_known_by_their_ids(read):
    order = read(promotion_details=[GIFT], service_orders=[SERVICE])
    assert [is_sub_order(line.line_id) for line in order.lines] == [True, True, False, False]
    assert len({line.line_id for line in order.lines}) == 4


def test_the_text_of_an_id_counts_before_its_number(read, trade):
    """On their way through a language of doubles, numbers of nineteen digits become each other."""
    rounded = [{"oid": 10, "oid_str": "11"}, {"oid": 10, "oid_str": "12"}]
    services = [{**SERVICE, "oid": 10, "oid_str": "90"}]
    assert [line.line_id for line in read(rounded, service_orders=services).lines] == ["11", "12", "service:90"]
    status = read_status(json.dumps({"trade": trade([{**one, **SHIPPED} for one in rounded])}).encode())
    assert status.line_ids == ("11", "12")
    assert [shipment.line_ids for shipment in status.shipments] == [("11", "12")]


@pytest.mark.parametrize(
    ("services", "fault"),
    [
        ([SERVICE, SERVICE], "service_orders[0].oid"),
        ([{"payment": "1.00"}], "service_orders[0].oid"),
        ([{"oid": 90}], "service_orders[0].total_fee"),
        ([{"oid": 90, "payment": "free"}], "service_orders[0].payment"),
        ([{"oid": 90, "payment": "1.00", "num": 0}], "service_orders[0].num"),
        ([7], "service_orders[0]"),
    ],
)
def test_services_that_cannot_be_read_are_named(read, services, fault):
    with pytest.raises(Poison) as caught:
        read(service_orders=services)
    assert caught.value.facts["field"] == f"trade.{fault}"


def test_an_unknown_refund_of_a_service_is_never_guessed(read):
    with pytest.raises(Poison) as caught:
        read(service_orders=[{**SERVICE, "refund_status": "PERHAPS"}])
    assert caught.value.code == "status_unknown"


@pytest.mark.parametrize("status", ["WAIT_BUYER_PAY", "TRADE_NO_CREATE_PAY"])
def test_a_presale_of_which_nothing_is_paid_is_an_unpaid_order(read, status):
    step = {"type": "step", "step_trade_status": "FRONT_NOPAID_FINAL_NOPAID", "pay_time": None}
    order = read(status=status, **step)
    assert (order.balance_open, order.totals.paid.minor) == (False, 0)
    # The two fields contradict each other: nothing goes.
    assert read(status="WAIT_SELLER_SEND_GOODS", **step).balance_open
