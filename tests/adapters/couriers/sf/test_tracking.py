"""Routes of parcels, as a look-up answers and as a push tells: codes become words, texts stay outside."""

import json
from datetime import UTC, datetime

import pytest

from adapters.couriers.sf.tracking import build_routes, calls_of, read_push, read_routes
from adapters.payload import Fields
from adapters.ports import Tracked
from domain.errors import FulfilmentError, Malformed, Refused
from domain.tracking import ParcelKind, ParcelStage, fold

NUMBER = "SF1000000000001"
K = ParcelKind


def route(code, at="2026-12-01 10:00:00", remark="", first="", secondary=""):
    named = {"opCode": code, "acceptTime": at, "remark": remark, "acceptAddress": "杭州市"}
    return {**named, "firstStatusCode": first, "secondaryStatusCode": secondary}


def looked_up(*routes, number=NUMBER, **more):
    answer = {"routeResps": [{"mailNo": number, "routes": list(routes), **more}]}
    return read_routes(Fields(answer, "", Malformed), [NUMBER])[NUMBER]


def pushed(*routes):
    body = {"Body": {"WaybillRoute": [{"id": "1", "mailno": NUMBER, "orderid": "R", **one} for one in routes]}}
    return read_push(json.dumps(body).encode())[NUMBER]


def reason(code, why, at="2026-12-01 10:00:00", remark=""):
    return {"opCode": code, "reasonCode": why, "acceptTime": at, "remark": remark}


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *((code, K.COLLECTED) for code in ("50", "54", "43")),
        *((code, K.DEPARTED) for code in ("30", "36", "302", "304", "305")),
        ("31", K.AT_HUB),
        *((code, K.OUT_FOR_DELIVERY) for code in ("44", "204", "634", "630")),
        *((code, K.AT_LOCKER) for code in ("125", "130", "218", "642")),
        *((code, K.DELIVERED) for code in ("80", "8000")),
        *((code, K.ATTEMPT_FAILED) for code in ("70", "33")),
        *((code, K.RETURNING) for code in ("99", "631")),
        ("648", K.FORWARDED),
        *((code, K.OTHER) for code in ("51", "607607", "", "八十", "126")),
    ],
)
def test_every_code_has_a_word_or_changes_nothing(code, kind):
    [event] = looked_up(route(code))
    assert event.kind is kind


def test_an_event_is_kept_with_its_codes_and_its_instant_and_without_its_text():
    [event] = looked_up(route("204", remark="派件人:王小五,电话:13700000000", first="3", secondary="301"))
    assert (event.code, event.detail) == ("204", "3/301")
    assert event.at == datetime(2026, 12, 1, 2, tzinfo=UTC)
    assert "1370" not in repr(event)
    assert "王" not in repr(event)


@pytest.mark.parametrize(
    ("code", "first", "kind"), [("44", "2", K.DEPARTED), ("44", "3", K.OUT_FOR_DELIVERY), ("33", "5", K.OTHER)]
)
def test_some_codes_mean_another_thing_with_their_first_status(code, first, kind):
    assert looked_up(route(code, first=first))[0].kind is kind


@pytest.mark.parametrize(
    ("code", "why", "kind"),
    [
        ("8000", "6", K.LOST),
        ("8000", "2", K.LOST),
        ("8000", "", K.DELIVERED),
        ("70", "46", K.OTHER),
        ("70", "83", K.AT_LOCKER),
        ("70", "85", K.AT_LOCKER),
        ("70", "1", K.ATTEMPT_FAILED),
        ("99", "2", K.RETURNING),
        ("99", "", K.RETURNING),
        ("99", "7", K.FORWARDED),
    ],
)
def test_the_reason_of_a_push_says_what_a_code_means(code, why, kind):
    [event] = pushed(reason(code, why))
    assert event.kind is kind
    assert event.code == (f"{code}+{why}" if why else code)


def test_the_detail_of_a_signing_is_no_second_signing():
    events = looked_up(route("50", at="2026-12-01 09:00:00"), route("80"), route("8000"))
    parcel = fold([*events])
    assert (parcel.stage, parcel.delivered_at) == (ParcelStage.DELIVERED, datetime(2026, 12, 1, 2, tzinfo=UTC))


def test_a_drop_into_a_locker_of_its_own_is_no_signing_and_neither_is_its_detail():
    dropped = looked_up(route("80", remark="已存放至顺丰自助柜", first="4", secondary="401"), route("8000"))
    assert {event.kind for event in dropped} == {K.AT_LOCKER}
    taken_out = looked_up(route("80", remark="顺丰自助柜"), route("80", at="2026-12-01 18:00:00", remark="已签收"))
    assert [event.kind for event in taken_out] == [K.AT_LOCKER, K.DELIVERED]


@pytest.mark.parametrize(
    ("remark", "kind"),
    [
        ("快件已拦截成功,正在退回", K.INTERCEPTED),
        ("召回成功", K.INTERCEPTED),
        ("拦截失败,快件继续派送", K.INTERCEPT_FAILED),
        ("派送中无法拦截", K.INTERCEPT_FAILED),
        ("客户来电咨询", K.OTHER),
    ],
)
def test_the_text_of_an_event_without_a_meaning_tells_of_an_interception(remark, kind):
    assert looked_up(route("777", remark=remark))[0].kind is kind
    assert pushed(reason("777", "", remark=remark))[0].kind is kind
    assert looked_up(route("80", remark=remark))[0].kind is K.DELIVERED, "a code that means something wins"


def test_no_routes_yet_is_no_error_and_a_reason_is_one():
    assert looked_up() == ()
    refused = looked_up(reasonCode="1", reasonRemark="手机号 1380 不匹配")
    assert isinstance(refused, Refused)
    assert "1380" not in str(refused)


def test_a_number_that_the_answer_leaves_out_is_unknown_and_not_without_events():
    left_out = looked_up(route("50"), number="SF1000000000009")
    assert isinstance(left_out, Malformed)


def test_what_cannot_be_read_of_one_parcel_is_the_error_of_that_parcel():
    rows = [{"mailNo": "SF1", "routes": [route("50", at="yesterday")]}, {"mailNo": "SF2", "routes": [route("50")]}]
    found = read_routes(Fields({"routeResps": rows}, "", Malformed), ["SF1", "SF2"])
    assert isinstance(found["SF1"], FulfilmentError)
    assert [event.kind for event in found["SF2"]] == [K.COLLECTED]


def test_ten_numbers_a_call_and_one_phone_a_call():
    numbers = [f"SF{number}" for number in range(12)]
    calls = calls_of([*(Tracked(number, "0571-8800 1234") for number in numbers), Tracked("SF99", "13800005678")])
    assert [(end, len(asked)) for end, asked in calls] == [("1234", 10), ("1234", 2), ("5678", 1)]
    content = build_routes(["SF1"], "1234")
    assert (content["trackingNumber"], content["checkPhoneNo"], content["trackingType"]) == (["SF1"], "1234", "1")
    assert "checkPhoneNo" not in build_routes(["SF1"], "")


@pytest.mark.parametrize("body", [b"", b"{}", b'{"Body": {"WaybillRoute": [{"mailno": "SF 1"}]}}'])
def test_a_push_that_cannot_be_read_is_refused_whole(body):
    with pytest.raises(Malformed):
        read_push(body)
