"""What the sandbox's Pinduoduo refuses, and how it shows an order."""

import hashlib
import json

import pytest

from domain.order import OrderKey
from domain.references import reference
from sandbox.limit import CallLimit, OverLimitError, Says
from sandbox.lost import AnswerLostError
from sandbox.pdd_orders import order_sn

NUMBER, OTHER = "SF1400000000000", "SF1400000007919"
LIST, READ, SEND = "pdd.order.number.list.increment.get", "pdd.order.information.get", "pdd.logistics.online.send"


def signed(name, secrets, token, now, params, **system):
    """A call as the vendor's signing guide describes it, written apart from both sides' signers."""
    form = {
        "type": name,
        "client_id": secrets.app_key,
        "access_token": token,
        "timestamp": str(int(now)),
        "data_type": "JSON",
        "version": "V1",
        **{key: value if isinstance(value, str) else json.dumps(value) for key, value in params.items()},
        **{key: value for key, value in system.items() if key != "sign"},
    }
    glued = "".join(key + form[key] for key in sorted(form))
    text = f"{secrets.app_secret}{glued}{secrets.app_secret}".encode()
    sign = hashlib.md5(text, usedforsecurity=False).hexdigest().upper()
    return {**form, "sign": system.get("sign", sign)}


@pytest.fixture
def call(secrets, now):
    """The content of an answer, or the number of a refusal."""

    def do_call(world, name, params, at=None, token=None, **system):
        at = now if at is None else at
        form = signed(name, secrets, token or secrets.session_of("shop-1"), at, params, **system)
        told = json.loads(world.pinduoduo.answer(form, at))
        if "error_response" in told:
            return told["error_response"]["error_code"]
        return next(iter(told.values())) if len(told) == 1 else told

    return do_call


@pytest.fixture
def ready(to_ship, world):
    """The first trade that may be shipped."""
    return to_ship(world)[0]


@pytest.fixture
def ship(call):
    def write(world, trade, number=NUMBER, **more):
        params = {"order_sn": order_sn(trade), "logistics_id": 44, "tracking_number": number, **more}
        return call(world, SEND, params)

    return write


def listing(now, **changed):
    window = {"start_updated_at": int(now) - 1900, "end_updated_at": int(now) - 200}
    filters = {"order_status": 5, "refund_status": 5, "is_lucky_flag": 0}
    return {**window, **filters, "page": 1, "page_size": 100, **changed}


def cases_of(now, **changed):
    window = {"start_updated_at": int(now) - 1700, "end_updated_at": int(now)}
    return {**window, "after_sales_status": 2, "after_sales_type": 1, "page": 1, "page_size": 100, **changed}


@pytest.mark.parametrize(
    ("system", "number"),
    [
        ({"sign": "0" * 32}, 20004),
        ({"client_id": "other"}, 10002),
        ({"timestamp": "1"}, 10000),
        ({"timestamp": "soon"}, 10000),
        ({"data_type": "XML"}, 10000),
        ({"version": "V2"}, 10000),
        ({"empty": ""}, 10000),
        ({"token": "nobody's"}, 10019),
    ],
)
def test_a_call_must_be_signed_and_whole(world, call, ready, system, number):
    assert call(world, READ, {"order_sn": order_sn(ready)}, **system) == number


def test_an_unknown_method_is_withdrawn(world, call):
    assert call(world, "pdd.nothing.get", {}) == 50012


@pytest.mark.parametrize(
    "changed",
    [
        {"start_updated_at": 1_790_000_000 - 2100},
        {"start_updated_at": 1_790_000_000 - 100},
        {"end_updated_at": 1_790_000_000 - 179, "start_updated_at": 1_790_000_000 - 400},
        {"page": 0},
        {"page_size": 101},
        {"page_size": 0},
        {"order_status": 4},
        {"refund_status": 6},
        {"start_updated_at": "yesterday"},
    ],
)
def test_a_listing_that_the_platform_does_not_take(world, call, now, changed):
    assert call(world, LIST, listing(now, **changed)) == 10001


def test_a_listing_shows_the_newest_first_and_counts_or_says_whether_more_follow(world, call, now):
    counted = call(world, LIST, listing(now, page_size=5))
    followed = call(world, LIST, listing(now, page_size=5, use_has_next=True))
    assert counted["order_sn_list"] == followed["order_sn_list"]
    times = [row["updated_at"] for row in counted["order_sn_list"]]
    assert times == sorted(times, reverse=True)
    assert counted["total_count"] > 5
    assert "has_next" not in counted
    assert followed["has_next"] is True
    assert "total_count" not in followed
    last = -(-counted["total_count"] // 5)
    assert call(world, LIST, listing(now, page=last, page_size=5, use_has_next=True))["has_next"] is False


def test_a_receiver_is_there_only_while_the_order_waits(world, call, ready, ship):
    def shown():
        return call(world, READ, {"order_sn": order_sn(ready)})["order_info"]

    before = shown()
    assert before["receiver_name"].startswith("~")
    assert "*" in before["receiver_name_mask"]
    assert ship(world, ready) == {"is_success": True, "request_id": "p00000000002"}
    after = shown()
    assert (after["order_status"], after["tracking_number"], after["logistics_id"]) == (2, NUMBER, 44)
    assert {after[name] for name in after if name.startswith("receiver")} == {""}
    assert after["open_address_id"] == before["open_address_id"]


def test_orders_of_another_shop_or_day_are_unknown(world, call, ready):
    for number in ("1", "990101-1", "000101-" + str(ready.order.tid)):
        assert call(world, READ, {"order_sn": number}) == 50001


def test_shipments_that_are_refused(world, ready, ship, do, to_ship):
    assert ship(world, ready, number="?") == 50001
    assert ship(world, ready, logistics_id=7) == 50001
    assert ship(world, ready, redelivery_type=2) == 50001
    do(world, do="change_order", tid=str(ready.order.tid), marks={"top_hold": 1})
    assert ship(world, ready) == 50001
    do(world, do="change_order", tid=str(ready.order.tid), marks={"top_hold": 0})
    do(world, do="ask_refund", tid=str(ready.order.tid))
    assert ship(world, ready) == 50001
    do(world, do="withdraw_refund", tid=str(ready.order.tid))
    assert ship(world, ready)["is_success"]
    assert ship(world, ready) == 50001
    assert ship(world, ready, number=OTHER) == 50001
    assert len(world.ledger.write_backs) == 1


def test_further_parcels_follow_the_first(world, call, ready, ship):
    name = "pdd.order.upload.extra.logistics"
    more = {"order_sn": order_sn(ready), "extra_track_type": 1}
    track = {**more, "extra_track_list": [{"shipping_id": 44, "tracking_number": OTHER}]}
    assert call(world, name, track) == 50001
    ship(world, ready)
    assert call(world, name, {**track, "extra_track_type": 4}) == 10001
    assert call(world, name, track)["success"]
    assert call(world, name, track) == 50001
    assert call(world, READ, {"order_sn": order_sn(ready)})["order_info"]["extra_delivery_list"] == [
        {"logistics_id": 44, "tracking_number": OTHER}
    ]


def test_a_decryption_wants_a_report_and_the_order_s_own_text(world, call, ready, now):
    number = order_sn(ready)
    cipher = call(world, READ, {"order_sn": number})["order_info"]["receiver_phone"]
    asked = {"data_list": [{"data_tag": number, "encrypted_data": cipher}]}
    assert call(world, "pdd.open.decrypt.batch", asked) == 50001
    report = {"order_sn_list": [number], "waybill_type": "2"}
    assert call(world, "pdd.open.waybill.type.report", {**report, "waybill_type": "3"}) == 10001
    assert call(world, "pdd.open.waybill.type.report", report)["is_success"]
    [row] = call(world, "pdd.open.decrypt.batch", asked)["data_decrypt_list"]
    assert (row["error_code"], row["decrypted_data"].isdigit()) == (0, True)
    wrong = {"data_list": [{"data_tag": number, "encrypted_data": "~other~"}]}
    [row] = call(world, "pdd.open.decrypt.batch", wrong)["data_decrypt_list"]
    assert (row["error_code"], row["decrypted_data"]) == (130010, "")
    assert call(world, "pdd.open.decrypt.batch", {"data_list": asked["data_list"] * 101}) == 10001
    world.pinduoduo.in_cloud = False
    assert call(world, "pdd.open.decrypt.batch", asked)["data_decrypt_list"]
    assert call(world, "pdd.open.decrypt.batch", asked, at=now + 9) == 70031
    assert call(world, "pdd.open.decrypt.batch", asked, at=now + 20)["data_decrypt_list"]


def test_a_case_is_listed_by_one_status_and_read_by_both_ids(world, call, ready, do, now):
    do(world, do="ask_refund", tid=str(ready.order.tid))
    listed = call(world, "pdd.refund.list.increment.get", cases_of(now))
    [row] = [one for one in listed["refund_list"] if one["order_sn"] == order_sn(ready)]
    assert (row["after_sales_status"], row["after_sales_type"]) == (2, 2)
    for changed in ({"after_sales_status": 10}, {"after_sales_type": 3}):
        found = call(world, "pdd.refund.list.increment.get", cases_of(now, **changed))["refund_list"]
        assert row not in found
    assert call(world, "pdd.refund.list.increment.get", cases_of(now, start_updated_at=1)) == 10001
    ids = {"after_sales_id": row["id"], "order_sn": row["order_sn"]}
    detail = call(world, "pdd.refund.information.get", ids)
    assert (detail["after_sales_type"], detail["refund_amount"]) == (1, round(float(row["refund_amount"]) * 100))
    assert call(world, "pdd.refund.information.get", {**ids, "after_sales_id": 1}) == 50001
    assert call(world, "pdd.refund.information.get", {"after_sales_id": row["id"]}) == 10001


def test_success_about_goods_pays_once(world, call, ready, do, now):
    name = "pdd.rdc.pddgenius.sendgoods.cancel"
    do(world, do="ask_refund", tid=str(ready.order.tid))
    case = min(id_ for id_, one in world.book.cases.by_id.items() if one.tid == ready.order.tid)
    param = {"refund_id": case, "tid": order_sn(ready), "status": "SUCCESS", "operate_time": int(now * 1000)}
    assert call(world, name, {"param": {**param, "status": "FAIL"}}) == 10001
    assert call(world, name, {"param": {**param, "status": "MAYBE"}}) == 10001
    world.pinduoduo.mood.drop_answers = 1
    with pytest.raises(AnswerLostError):
        call(world, name, {"param": param})
    world.pinduoduo.mood.refuse_answers = 1
    assert call(world, name, {"param": param}) == 50001
    assert world.ledger.stops_told == []
    assert call(world, name, {"param": param})["result"]["result_data"]["refund_id"] == case
    assert call(world, name, {"param": param}) == 50001
    shown = call(world, READ, {"order_sn": order_sn(ready)})["order_info"]
    assert (shown["refund_status"], shown["after_sales_status"]) == (4, 10)


def test_success_while_a_parcel_lives_is_an_alarm(world, call, ready, do, sf, booking):  # noqa: PLR0917 - fixtures
    key = OrderKey("pdd", ready.order.shop, order_sn(ready))
    sf(world, "EXP_RECE_CREATE_ORDER", booking(world, reference(key, 1, 1)))
    do(world, do="ask_refund", tid=str(ready.order.tid))
    case = min(id_ for id_, one in world.book.cases.by_id.items() if one.tid == ready.order.tid)
    param = {"refund_id": case, "tid": order_sn(ready), "status": "SUCCESS", "operate_time": 1}
    call(world, "pdd.rdc.pddgenius.sendgoods.cancel", {"param": param})
    assert [alarm.kind for alarm in world.ledger.alarms] == ["paid_while_it_travels"]


def test_a_limit_is_said_in_its_own_words_or_in_http_s(world, call, now):
    world.pinduoduo.limit = CallLimit(0, Says.CODE)
    assert call(world, LIST, listing(now)) == 70031
    world.pinduoduo.limit = CallLimit(0, Says.HTTP, 7)
    with pytest.raises(OverLimitError):
        call(world, LIST, listing(now))


def test_companies_have_the_platform_s_numbers(world, call):
    rows = call(world, "pdd.logistics.companies.get", {})["logistics_companies"]
    assert {"id": 44, "code": "SF", "logistics_company": "顺丰速运", "available": 1} in rows
