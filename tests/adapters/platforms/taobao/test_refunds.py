"""Every word of TOP's refund tables, each word that is in none, and rows that cannot be read."""

import json
from datetime import UTC, datetime

import pytest

from adapters.after_sale import StopAnswer, StopReport
from adapters.platforms.taobao import describe
from adapters.platforms.taobao.refunds import read_case, read_page, stop_param
from domain.after_sale import AFTER_SALE_KINDS
from domain.cases import CaseKind
from domain.errors import Malformed
from domain.money import Money

END = datetime(2026, 11, 22, 1, 30, tzinfo=UTC)
ROW = {
    "refund_id": 7390000000000000001,
    "tid": 2900000000000000001,
    "oid": 2900000000000000011,
    "modified": "2026-11-22 09:10:00",
    "status": "WAIT_SELLER_AGREE",
    "order_status": "WAIT_SELLER_SEND_GOODS",
    "dispute_type": "REFUND",
    "refund_phase": "onsale",
    "refund_version": "17",
    "has_good_return": False,
    "refund_fee": "12.50",
    "num": 2,
}


def page(*rows, **more):
    body = {"refunds_receive_get_response": {"refunds": {"refund": list(rows)}, "total_results": len(rows), **more}}
    return read_page(json.dumps(body).encode(), END, use_has_next=False)


def one(**changed):
    [case] = page({name: value for name, value in {**ROW, **changed}.items() if value is not None}).rows
    return case


def detail(**changed):
    refund = {name: value for name, value in {**ROW, **changed}.items() if value is not None}
    return read_case(json.dumps({"refund_get_response": {"refund": refund}}).encode(), "7390000000000000001")


def test_a_case_in_our_words():
    case = one()
    assert (case.case_id, case.platform_order_id, case.line_ids) == (
        "7390000000000000001",
        "2900000000000000001",
        ("2900000000000000011",),
    )
    assert (case.kind, case.stage, case.needs) == ("pre_ship", "requested", "seller")
    assert (case.amount, case.quantity, case.version) == (Money(1250, "CNY"), 2, "17")
    assert case.changed_at == datetime(2026, 11, 22, 1, 10, tzinfo=UTC)
    assert (case.source_state, case.source_kind) == (
        "WAIT_SELLER_AGREE",
        "REFUND/onsale/false/WAIT_SELLER_SEND_GOODS",
    )
    assert (case.fault, case.decide_by, case.is_unknown) == ("", None, False)


@pytest.mark.parametrize(
    ("status", "stage", "needs"),
    [
        ("WAIT_SELLER_AGREE", "requested", "seller"),
        ("WAIT_BUYER_RETURN_GOODS", "approved", "buyer"),
        ("WAIT_SELLER_CONFIRM_GOODS", "returning", "seller"),
        ("SELLER_REFUSE_BUYER", "requested", "buyer"),
        ("SUCCESS", "refunded", "nobody"),
        ("CLOSED", "withdrawn", "nobody"),
        ("WAIT_SELLER_CONSIGN_GOOGDS", "received", "seller"),
        ("WAIT_BUYER_CONFIRM_REDO_SEND_GOODS", "received", "buyer"),
        ("WAIT_SELLER_CONSIGN_GOODS", "unknown", "unknown"),
        ("success", "unknown", "unknown"),
        ("", "unknown", "unknown"),
        (None, "unknown", "unknown"),
        (7, "unknown", "unknown"),
        ({"status": "SUCCESS"}, "unknown", "unknown"),
    ],
)
def test_each_state_and_none_that_is_in_no_table(status, stage, needs):
    case = one(status=status)
    assert (case.stage, case.needs) == (stage, needs)
    assert case.is_unknown == (stage == "unknown")


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({}, "pre_ship"),
        ({"order_status": "SELLER_CONSIGNED_PART"}, "refund_only"),
        ({"order_status": None}, "refund_only"),
        ({"refund_phase": "aftersale"}, "refund_only"),
        ({"dispute_type": "REFUND_AND_RETURN"}, "return_refund"),
        ({"has_good_return": True}, "return_refund"),
        ({"dispute_type": None, "has_good_return": "true"}, "return_refund"),
        ({"dispute_type": None}, "pre_ship"),
        ({"dispute_type": None, "has_good_return": None}, "unknown_case"),
        ({"dispute_type": None, "has_good_return": "perhaps"}, "unknown_case"),
        ({"dispute_type": "TMALL_EXCHANGE"}, "exchange"),
        ({"dispute_type": "TAOBAO_EXCHANGE"}, "exchange"),
        ({"dispute_type": "REPAIR"}, "repair"),
        ({"dispute_type": "RESHIPPING"}, "reship"),
        ({"dispute_type": "OTHERS"}, "unknown_case"),
        ({"dispute_type": "REFUNDS"}, "unknown_case"),
        ({"dispute_type": ["REFUND"]}, "unknown_case"),
        ({"tid": None}, "unknown_case"),
        ({"tid": "x"}, "unknown_case"),
    ],
)
def test_each_kind_and_none_that_is_in_no_table(changed, kind):
    assert one(**changed).kind == kind


def test_an_exchange_ends_with_goods():
    assert one(status="SUCCESS", dispute_type="TMALL_EXCHANGE").stage == "exchanged"


@pytest.mark.parametrize(
    ("changed", "stage", "needs"),
    [
        ({"cs_status": 2}, "requested", "platform"),
        ({"cs_status": "3"}, "requested", "platform"),
        ({"cs_status": 1}, "requested", "seller"),
        ({"cs_status": 6, "status": "CLOSED"}, "rejected", "nobody"),
        ({"cs_status": 3, "status": "SUCCESS"}, "refunded", "nobody"),
    ],
)
def test_the_platform_s_service_acts_or_has_decided(changed, stage, needs):
    case = detail(**changed)
    assert (case.stage, case.needs) == (stage, needs)


@pytest.mark.parametrize(
    ("remind", "at"),
    [
        ({"exist_timeout": True, "timeout": "2026-11-24 09:05:00"}, datetime(2026, 11, 24, 1, 5, tzinfo=UTC)),
        ({"exist_timeout": False, "timeout": "2026-11-24 09:05:00"}, None),
        ({"exist_timeout": True}, None),
        ({"exist_timeout": True, "timeout": "soon"}, None),
        (None, None),
        ("tomorrow", None),
    ],
)
def test_when_the_platform_decides_is_known_or_unknown(remind, at):
    assert detail(refund_remind_timeout=remind).decide_by == at


def test_a_trade_of_one_line_names_itself_as_line_and_none_names_all():
    assert one(oid=2900000000000000001).line_ids == ("2900000000000000001",)
    assert one(oid=0).line_ids == one(oid=None).line_ids == ()


def test_a_row_without_an_id_is_one_case_however_often_it_is_listed():
    [first, second] = page({**ROW, "refund_id": None}, ROW).rows
    [again, _] = page({**ROW, "refund_id": None}, ROW).rows
    assert first == again
    assert (first.case_id[:8], first.platform_order_id, first.is_unknown) == ("unnamed-", "2900000000000000001", True)
    assert second.kind is CaseKind.PRE_SHIP


@pytest.mark.parametrize("row", [None, 7, "x", [], {}, {"modified": "x"}])
def test_rows_that_are_no_rows_are_unknown_cases_and_stop_no_other(row):
    [odd, good] = page(row, ROW).rows
    assert (odd.kind, odd.platform_order_id, odd.changed_at) == ("unknown_case", "", END)
    assert good.case_id == "7390000000000000001"


def test_amounts_and_counts_that_cannot_be_read_are_unknown_and_named():
    case = one(refund_fee="12.5.0", num=0)
    assert (case.amount, case.quantity, case.fault) == (None, None, "field_invalid:refund_fee")
    assert one(refund_fee=None).amount is None


def test_a_page_that_does_not_say_how_many_there_are_is_no_page():
    with pytest.raises(Malformed):
        read_page(b'{"refunds_receive_get_response": {}}', END, use_has_next=False)


def test_no_text_of_a_person_is_asked_for():
    for fields in (describe.CASE_LIST_FIELDS, describe.CASE_FIELDS):
        assert not {"reason", "desc", "buyer_nick", "address", "title"} & set(fields.split(","))


def test_the_tables_use_the_kinds_of_platforms_only():
    assert set(describe.CASE_KINDS.values()) <= AFTER_SALE_KINDS


@pytest.mark.parametrize(("answer", "status"), [(StopAnswer.STOPPED, "SUCCESS"), (StopAnswer.NOT_STOPPED, "FAIL")])
def test_the_answer_about_goods_names_case_line_and_amount_in_fen(answer, status):
    report = StopReport(
        case_id="7",
        platform_order_id="10",
        line_ids=("11",),
        answer=answer,
        code="in_transit",
        at=END,
        amount=Money(1250, "CNY"),
    )
    assert json.loads(stop_param(report)) == {
        "refund_id": 7,
        "tid": 10,
        "oid": 11,
        "status": status,
        "operate_time": "2026-11-22 09:30:00",
        "msg": "in_transit",
        "refund_fee": 1250,
    }
