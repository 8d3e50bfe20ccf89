import json
from datetime import UTC, datetime

import pytest

from adapters.platforms.douyin import describe
from adapters.platforms.douyin.cases import read_case, read_case_page
from domain.after_sale import CaseNeeds, CaseStage
from domain.cases import CaseKind
from domain.money import Money
from tests.adapters.platforms.douyin.conftest import PARENT

END = datetime.fromtimestamp(1795311000, UTC)
INFO = {
    "aftersale_id": "140000000000000001",
    "aftersale_order_type": 1,
    "aftersale_type": 2,
    "aftersale_status": 6,
    "related_id": PARENT,
    "apply_time": 1795309200,
    "update_time": 1795309800,
    "status_deadline": 1795485600,
    "aftersale_status_to_final_time": 0,
    "refund_status": 1,
    "refund_amount": 8900,
    "refund_post_amount": 100,
    "aftersale_num": 2,
    "arbitrate_status": 0,
    "return_logistics_code": "",
    "aftersale_sub_type": 0,
}
DETAIL_NAMES = {
    "aftersale_id": "after_sale_id",
    "aftersale_order_type": "after_sale_order_type",
    "aftersale_type": "after_sale_type",
    "aftersale_status": "after_sale_status",
    "aftersale_sub_type": "after_sale_sub_type",
    "refund_amount": "refund_total_amount",
    "aftersale_num": "after_sale_apply_count",
}
# A real case of a test shop, as a service provider prints it; its numbers are replaced.
PRINTED = {
    "aftersale_info": {
        "aftersale_status_to_final_time": 1731986642,
        "aftersale_id": "140000000000000001",
        "aftersale_order_type": 1,
        "aftersale_type": 1,
        "aftersale_status": 12,
        "related_id": "6900000000000000001",
        "apply_time": 1731986326,
        "update_time": 1731986645,
        "status_deadline": 0,
        "refund_amount": 1,
        "refund_post_amount": 0,
        "aftersale_num": 1,
        "refund_type": 0,
        "arbitrate_status": 0,
        "return_logistics_code": "",
        "refund_status": 3,
        "aftersale_sub_type": 0,
        "order_logistics": [{"tracking_no": "SF0000000000001", "company_code": "shunfeng"}],
    },
    "order_info": {
        "shop_order_id": "6900000000000000001",
        "related_order_info": [{"sku_order_id": "6900000000000000001", "product_id": 3600000000000000000}],
    },
}


def listed(*infos, order=PARENT):
    items = [{"aftersale_info": info, "order_info": {"shop_order_id": order}} for info in infos]
    body = json.dumps({"code": 10000, "data": {"items": items, "total": len(items)}}).encode()
    return read_case_page(body, END).rows


def detailed(info, lines=(PARENT,), service=0, **logistics):
    renamed = {DETAIL_NAMES.get(name, name): value for name, value in info.items()}
    renamed["after_sale_id"] = int(info["aftersale_id"])
    tree = {
        "process_info": {
            "after_sale_info": renamed,
            "arbitrate_info": {"arbitrate_status": service},
            "logistics_info": {way: {"tracking_no": number} for way, number in logistics.items()},
        },
        "order_info": {"shop_order_id": int(PARENT), "sku_order_infos": [{"sku_order_id": int(one)} for one in lines]},
    }
    return read_case(json.dumps({"code": 10000, "data": tree}).encode(), info["aftersale_id"])


def test_a_case_says_the_same_in_listing_and_detail():
    [case] = listed(INFO)
    assert (case.platform_order_id, case.line_ids) == (PARENT, (PARENT,))
    assert (case.kind, case.stage, case.needs) == (CaseKind.PRE_SHIP, CaseStage.REQUESTED, CaseNeeds.SELLER)
    assert (case.amount, case.freight, case.quantity) == (Money(8900, "CNY"), Money(100, "CNY"), 2)
    assert (case.version, case.source_state, case.source_kind, case.fault) == ("1795309800", "6/1", "2/1/0", "")
    assert case.decide_by == datetime.fromtimestamp(1795485600, UTC)
    assert detailed(INFO) == case


STAGES = {
    6: (CaseStage.REQUESTED, CaseNeeds.SELLER),
    7: (CaseStage.APPROVED, CaseNeeds.BUYER),
    11: (CaseStage.RETURNING, CaseNeeds.SELLER),
    8: (CaseStage.RECEIVED, CaseNeeds.SELLER),
    13: (CaseStage.RECEIVED, CaseNeeds.BUYER),
    12: (CaseStage.REFUNDED, CaseNeeds.NOBODY),
    14: (CaseStage.EXCHANGED, CaseNeeds.NOBODY),
    27: (CaseStage.REQUESTED, CaseNeeds.BUYER),
    29: (CaseStage.REQUESTED, CaseNeeds.BUYER),
    28: (CaseStage.WITHDRAWN, CaseNeeds.NOBODY),
    51: (CaseStage.REFUNDED, CaseNeeds.NOBODY),
    53: (CaseStage.REFUNDED, CaseNeeds.NOBODY),
}
KINDS = {
    0: CaseKind.RETURN_REFUND,
    1: CaseKind.REFUND_ONLY,
    2: CaseKind.PRE_SHIP,
    3: CaseKind.EXCHANGE,
    4: CaseKind.PRE_SHIP,
    5: CaseKind.PRE_SHIP,
    6: CaseKind.COMPENSATION,
    7: CaseKind.RESHIP,
    8: CaseKind.REPAIR,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", STAGES)
def test_each_state_of_each_kind(kind, status):
    [case] = listed({**INFO, "aftersale_type": kind, "aftersale_status": status})
    stage, needs = STAGES[status]
    if kind in {3, 7, 8} and stage is CaseStage.REFUNDED:
        stage = CaseStage.EXCHANGED
    assert (case.kind, case.stage, case.needs) == (KINDS[kind], stage, needs)
    assert not case.is_unknown
    assert (case.decide_by is not None) is (needs is CaseNeeds.SELLER)


BESIDE = sorted({one + step for one in STAGES for step in (-1, 1)} - STAGES.keys() | {0, 255})


@pytest.mark.parametrize("status", [*BESIDE, "售后成功", None])
def test_a_state_beside_the_table_is_unknown(status):
    [case] = listed({**INFO, "aftersale_status": status})
    assert (case.stage, case.needs, case.is_unknown) == (CaseStage.UNKNOWN, CaseNeeds.UNKNOWN, True)
    assert "售后" not in case.source_state
    assert case.decide_by is not None, "a deadline of a case that nobody understands is the seller's"


@pytest.mark.parametrize("kind", [-1, 9, 8001, None, "退款"])
def test_a_kind_beside_the_table_is_unknown(kind):
    [case] = listed({**INFO, "aftersale_type": kind})
    assert (case.kind, case.is_unknown) == (CaseKind.UNKNOWN_CASE, True)


def test_a_case_of_the_whole_order_names_no_line():
    for order_type in (2, -1, 9, None):
        [case] = listed({**INFO, "aftersale_order_type": order_type})
        assert case.line_ids == ()
    assert detailed({**INFO, "aftersale_order_type": 2}, lines=(PARENT, "11")).line_ids == ()


def test_a_refused_case_is_over_once_it_is_closed_for_good():
    final = {**INFO, "aftersale_status_to_final_time": 1795310000}
    for status in (27, 29):
        [case] = listed({**final, "aftersale_status": status})
        assert (case.stage, case.needs) == (CaseStage.REJECTED, CaseNeeds.NOBODY)


@pytest.mark.parametrize(
    ("status", "service", "stage", "needs"),
    [
        (6, 1, CaseStage.REQUESTED, CaseNeeds.PLATFORM),
        (27, 4, CaseStage.REQUESTED, CaseNeeds.SELLER),
        (27, 5, CaseStage.REQUESTED, CaseNeeds.BUYER),
        (28, 3, CaseStage.REJECTED, CaseNeeds.NOBODY),
        (28, 255, CaseStage.WITHDRAWN, CaseNeeds.NOBODY),
        (12, 1, CaseStage.REFUNDED, CaseNeeds.NOBODY),
    ],
)
def test_the_platform_s_service(status, service, stage, needs):
    info = {**INFO, "aftersale_status": status, "arbitrate_status": service}
    [case] = listed(info)
    assert (case.stage, case.needs) == (stage, needs)
    again = detailed({**INFO, "aftersale_status": status}, service=service)
    assert (again.stage, again.needs) == (stage, needs)


def test_parcels_back_and_out():
    [case] = listed({**INFO, "return_logistics_code": "SF1000000000007"})
    assert case.return_waybill == "SF1000000000007"
    case = detailed(INFO, **{"return": "SF1", "exchange": "", "resend": "SF2"})
    assert (case.return_waybill, case.resend_waybill) == ("SF1", "SF2")
    assert listed({**INFO, "return_logistics_code": "张三 送回"})[0].return_waybill == ""


@pytest.mark.parametrize("name", sorted(INFO))
def test_a_field_that_cannot_be_read_stops_no_case(name):
    good = {**INFO, "aftersale_id": "2"}
    first, second = listed({**INFO, name: {"a": [1]}}, good)
    assert second.case_id == "2"
    assert first.changed_at <= END
    if name == "aftersale_id":
        assert (first.platform_order_id, first.is_unknown) == (PARENT, True)
        assert listed({**INFO, name: {"a": [1]}})[0].case_id == first.case_id


def test_a_case_without_an_order_that_can_be_read_is_unknown():
    [case] = listed(INFO, order="none of yours")
    assert (case.platform_order_id, case.kind, case.stage) == ("", CaseKind.UNKNOWN_CASE, CaseStage.REQUESTED)


def test_a_printed_case():
    body = json.dumps({"code": 10000, "data": {"items": [PRINTED], "total": 35, "page": 1, "size": 1}}).encode()
    page = read_case_page(body, END)
    [case] = page.rows
    assert page.has_more
    assert (case.kind, case.stage, case.amount) == (CaseKind.REFUND_ONLY, CaseStage.REFUNDED, Money(1, "CNY"))
    assert (case.line_ids, case.decide_by, case.version) == (("6900000000000000001",), None, "1731986645")


def test_every_code_of_the_tables_is_asked_for():
    assert {str(status) for status in STAGES} == describe.CASE_STATES.keys()
    assert {str(kind) for kind in KINDS} == describe.CASE_KINDS.keys()
