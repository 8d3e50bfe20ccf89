"""Refund cases of the platform, and what the seller's answers about goods do."""

import json

import pytest

from domain.order import OrderKey
from domain.references import reference
from sandbox.control import pull
from sandbox.refunds import AnswerLostError
from sandbox.waybills import Booked

LIST, GET = "taobao.refunds.receive.get", "taobao.refund.get"
ANSWER = "taobao.rdc.aligenius.sendgoods.cancel"
FIELDS = "refund_id,tid,oid,status,modified,refund_version,refund_fee,order_status,reason,cs_status"


@pytest.fixture
def trade(world, to_ship):
    return next(iter(to_ship(world)))


@pytest.fixture
def lever(world, now):
    def move(at=now, **command):
        return pull(world, json.dumps(command).encode(), at)

    return move


@pytest.fixture
def cases(world, top, now):
    def read(at=now):
        start, end = (f"2026-09-{day:02d} 00:00:00" for day in (21, 22))
        answer = top(world, LIST, fields=FIELDS, start_modified=start, end_modified=end, page_size="100")
        return answer["refunds_receive_get_response"]["refunds"]["refund"]

    return read


@pytest.fixture
def answer(world, top):
    def tell(case, status):
        param = {"refund_id": case.refund_id, "tid": case.tid, "oid": case.oid, "status": status}
        told = top(world, ANSWER, shop=world.book.trades[case.tid].order.shop, param=json.dumps(param))
        return told["rdc_aligenius_sendgoods_cancel_response"]["result"]["success"]

    return tell


@pytest.fixture
def asked(world, trade, lever):
    lever(do="ask_refund", tid=str(trade.order.tid))
    return world.book.cases.of_line(trade.line_ids[0])


def test_a_refund_that_is_asked_is_a_case_that_moves_with_its_line(world, trade, lever, asked):
    assert (asked.status, asked.version) == ("WAIT_SELLER_AGREE", 1)
    lever(do="withdraw_refund", tid=str(trade.order.tid))
    assert (asked.status, asked.version) == ("CLOSED", 2)
    lever(do="ask_refund", tid=str(trade.order.tid))
    again = world.book.cases.of_line(trade.line_ids[0])
    assert again.refund_id != asked.refund_id
    assert asked.status == "CLOSED"


def test_an_order_that_is_closed_with_its_money_is_a_case_that_is_refunded_at_first_sight(world, trade, lever):
    lever(do="close_order", tid=str(trade.order.tid))
    assert world.book.cases.of_line(trade.line_ids[0]).status == "SUCCESS"


def test_the_listing_shows_asked_fields_and_the_detail_more(world, top, trade, asked, cases):
    row = next(row for row in cases() if row["refund_id"] == asked.refund_id)
    assert row.keys() == set(FIELDS.split(",")) - {"cs_status"}
    detail = top(world, GET, fields=f"{FIELDS},refund_remind_timeout", refund_id=str(asked.refund_id))
    shown = detail["refund_get_response"]["refund"]
    assert shown["refund_remind_timeout"]["exist_timeout"] is True
    assert {name: shown[name] for name in row} == row


def test_success_pays_at_once_and_only_once(world, trade, asked, answer):
    assert answer(asked, "SUCCESS") is True
    assert (asked.status, trade.refunds[asked.oid]) == ("SUCCESS", "SUCCESS")
    assert asked.oid in trade.closed
    assert answer(asked, "SUCCESS") is False
    assert [told.status for told in world.ledger.stops_told] == ["SUCCESS"]
    assert not world.platform.desk.told_twice()


def test_fail_leaves_the_case_to_the_seller(world, trade, asked, answer):
    assert answer(asked, "FAIL") is True
    assert (asked.status, trade.closed) == ("WAIT_SELLER_AGREE", {})


def test_answers_can_be_lost_dropped_and_refused(world, asked, answer, lever):
    lever(do="set_answers", refuse=1)
    assert answer(asked, "FAIL") is False
    lever(do="set_answers", drop=1)
    with pytest.raises(AnswerLostError):
        answer(asked, "SUCCESS")
    assert asked.status == "WAIT_SELLER_AGREE"
    lever(do="set_answers", lose=1)
    with pytest.raises(AnswerLostError):
        answer(asked, "SUCCESS")
    assert asked.status == "SUCCESS"


def test_a_case_can_show_what_it_is_not(world, top, asked, cases, lever):
    lever(do="change_case", tid=str(asked.tid), shows={"status": "WAIT_FOR_IT", "refund_fee": None})
    row = next(row for row in cases() if row["refund_id"] == asked.refund_id)
    assert row["status"] == "WAIT_FOR_IT"
    assert "refund_fee" not in row
    lever(do="change_case", tid=str(asked.tid), shows={"dispute_type": "PRICE_PROTECTION"})
    refused = top(world, GET, fields=FIELDS, refund_id=str(asked.refund_id))
    assert refused["error_response"]["sub_code"] == "isv.change-refund-top-api"


@pytest.mark.parametrize("param", ["", "x", "{}", '{"refund_id": 1, "tid": 2, "status": "SUCCESS"}'])
def test_an_answer_about_nothing_is_an_invalid_argument(world, top, param):
    assert top(world, ANSWER, param=param)["error_response"]["code"] == 41


def test_the_witness_sees_money_promised_for_goods_that_travel(world, trade, asked, answer, now):
    mine = reference(OrderKey("taobao", trade.order.shop, str(trade.order.tid)), 1, 1)
    waybill = world.waybills.book(Booked(mine, "", "", "", "", ()), now)
    waybill.is_alive, waybill.is_collected = False, True
    answer(asked, "SUCCESS")
    assert [(one.kind, one.number) for one in world.ledger.alarms] == [("paid_while_it_travels", waybill.number)]
