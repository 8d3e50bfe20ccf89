"""After-sale cases of Pinduoduo: every state and kind of the tables, in listing and detail, and those beside them."""

import json
from datetime import UTC, datetime

import pytest

from adapters.after_sale import StopAnswer, StopReport
from adapters.platforms.pinduoduo import describe
from adapters.platforms.pinduoduo.cases import parts_of, read_case, read_case_page, read_time, stop_param
from domain.after_sale import CaseNeeds, CaseStage
from domain.cases import CaseKind
from domain.errors import Malformed
from domain.money import Money

SN = "190228-000000000000001"
NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
ROW = {
    "id": 1,
    "order_sn": SN,
    "after_sales_status": 2,
    "after_sales_type": 2,
    "updated_time": "1551612204",
    "refund_amount": "1",
    "goods_number": "1",
    "after_sale_reason": "不想要了",
}
DETAIL = {
    "id": 1,
    "order_sn": SN,
    "after_sales_status": 2,
    "after_sales_type": 1,
    "updated_time": "2019-03-03 19:23:24",
    "recreated_at": 1551612204000,
    "expire_time": 1551698604000,
    "refund_amount": 100,
    "goods_number": 1,
    "express_no": "",
    "shipping_status": 1,
}
STAGES = {
    **dict.fromkeys((2, 3, 14, 21), (CaseStage.REQUESTED, CaseNeeds.SELLER)),
    **dict.fromkeys((4, 5), (CaseStage.APPROVED, CaseNeeds.PLATFORM)),
    6: (CaseStage.REQUESTED, CaseNeeds.BUYER),
    **dict.fromkeys((7, 15, 18, 22, 27, 31), (CaseStage.APPROVED, CaseNeeds.BUYER)),
    8: (CaseStage.REQUESTED, CaseNeeds.PLATFORM),
    10: (CaseStage.REFUNDED, CaseNeeds.NOBODY),
    **dict.fromkeys((9, 12, 17, 24), (CaseStage.REJECTED, CaseNeeds.NOBODY)),
    **dict.fromkeys((11, 13), (CaseStage.WITHDRAWN, CaseNeeds.NOBODY)),
    **dict.fromkeys((16, 25), (CaseStage.EXCHANGED, CaseNeeds.NOBODY)),
    **dict.fromkeys((32, 33), (CaseStage.APPROVED, CaseNeeds.SELLER)),
}


def listed(*rows, total=None):
    body = {
        "refund_increment_get_response": {
            "refund_list": list(rows),
            "total_count": len(rows) if total is None else total,
        }
    }
    return read_case_page(json.dumps(body).encode(), NOW, 1)


def one(**changed):
    return listed({**ROW, **changed}).rows[0]


def detail(**changed):
    return read_case(json.dumps({**DETAIL, **changed}).encode(), f"{SN}:{changed.get('id', 1)}")


@pytest.mark.parametrize("status", range(36))
def test_every_state_and_those_beside_them(status):
    expected = STAGES.get(status, (CaseStage.UNKNOWN, CaseNeeds.UNKNOWN))
    for case in (one(after_sales_status=status), detail(after_sales_status=status)):
        assert (case.stage, case.needs, case.source_state) == (*expected, str(status))
        assert case.is_unknown == (status not in STAGES)


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (1, CaseKind.REFUND_ONLY),
        (2, CaseKind.RETURN_REFUND),
        (3, CaseKind.EXCHANGE),
        (4, CaseKind.RESHIP),
        (5, CaseKind.REPAIR),
    ],
)
def test_listing_and_detail_count_kinds_from_different_numbers(number, kind):
    assert one(after_sales_type=number + 1).kind is kind
    assert detail(after_sales_type=number).kind is kind


@pytest.mark.parametrize("number", [0, 1, 7, "", None, "refund"])
def test_a_kind_outside_the_table_is_unknown(number):
    assert one(after_sales_type=number).kind is CaseKind.UNKNOWN_CASE


def test_a_refund_before_shipping_shows_in_the_detail():
    assert detail(shipping_status=0).kind is CaseKind.PRE_SHIP
    assert detail(shipping_status=0, after_sales_type=2).kind is CaseKind.RETURN_REFUND
    assert detail(shipping_status=None).kind is CaseKind.REFUND_ONLY


def test_one_refund_in_listing_and_detail_is_the_same_sum():
    assert one().amount == detail().amount == Money(100, "CNY")
    assert one().changed_at == detail().changed_at == datetime(2019, 3, 3, 11, 23, 24, tzinfo=UTC)
    assert one().case_id == detail().case_id == f"{SN}:1"


def test_the_deadline_is_the_seller_s_alone():
    assert detail().decide_by == datetime(2019, 3, 4, 11, 23, 24, tzinfo=UTC)
    assert detail(after_sales_status=7).decide_by is None
    assert detail(expire_time=None).decide_by is None


def test_no_text_of_the_buyer_is_kept():
    assert "不想要了" not in repr(one())


def test_a_row_that_cannot_be_read_stops_no_other():
    rows = listed("row", {**ROW, "id": None}, {**ROW, "order_sn": "?"}, ROW, total=4).rows
    assert [row.case_id for row in rows][3] == f"{SN}:1"
    assert all(row.is_unknown and row.fault.endswith(":refund_id") for row in rows[:3])
    assert [row.platform_order_id for row in rows] == ["", SN, "", SN]
    assert rows == listed("row", {**ROW, "id": None}, {**ROW, "order_sn": "?"}, ROW, total=4).rows


def test_what_cannot_be_read_of_a_case_is_noted():
    case = one(refund_amount="viel", updated_time="str")
    assert (case.amount, case.changed_at, case.fault) == (None, NOW, "field_invalid:updated_time")
    assert detail(updated_time="str").changed_at == datetime(2019, 3, 3, 11, 23, 24, tzinfo=UTC)
    with pytest.raises(Malformed):
        detail(updated_time="str", recreated_at=None)


def test_another_case_is_malformed():
    for wrong in (f"{SN}:2", f"{SN[:-1]}2:1"):
        with pytest.raises(Malformed):
            read_case(json.dumps(DETAIL).encode(), wrong)


def test_an_enveloped_detail_is_read_too():
    body = json.dumps({"refund_information_get_response": DETAIL}).encode()
    assert read_case(body, f"{SN}:1") == detail()


@pytest.mark.parametrize("text", ["1551612204", "1551612204000", "2019-03-03 19:23:24"])
def test_times_in_all_their_forms(text):
    assert read_time(text) == datetime(2019, 3, 3, 11, 23, 24, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "0", "-1", "str", "99999999999", "1", "2019-03-03"])
def test_texts_that_are_no_time(text):
    with pytest.raises(ValueError, match=r".*"):
        read_time(text)


def test_a_page_must_count_its_rows():
    with pytest.raises(Malformed):
        read_case_page(b'{"refund_increment_get_response": {"refund_list": []}}', NOW, 1)


def test_more_pages_follow_while_rows_are_left():
    assert not listed(ROW).has_next
    assert listed(ROW, total=describe.PAGE_SIZE + 1).has_next


@pytest.mark.parametrize(
    ("answer", "code", "expected"),
    [
        (StopAnswer.STOPPED, "stopped", {"status": "SUCCESS"}),
        (StopAnswer.NOT_STOPPED, "handed_over", {"status": "FAIL", "fail_reason_code": 1002}),
        (StopAnswer.NOT_STOPPED, "not_yet", {"status": "FAIL", "fail_reason_code": 1003}),
    ],
)
def test_the_answer_about_goods(answer, code, expected):
    report = StopReport(
        case_id=f"{SN}:7000000001",
        platform_order_id=SN,
        line_ids=(),
        answer=answer,
        code=code,
        at=NOW,
        amount=Money(1990, "CNY"),
    )
    assert stop_param(report) == {
        "refund_id": 7000000001,
        "tid": SN,
        "operate_time": 1795312800000,
        "msg": code,
        "refund_fee": 1990,
        **expected,
    }


def test_the_id_of_a_case_has_its_order():
    assert parts_of(f"{SN}:17") == (SN, "17")
    assert parts_of("17") == ("", "17")
