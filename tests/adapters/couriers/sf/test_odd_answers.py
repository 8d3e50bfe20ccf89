"""Answers of SF that keep the envelope and say something odd in it."""

import json

import pytest

from adapters.couriers.sf.translate import read_envelope, read_shipment
from domain.errors import Malformed, Refused


def answer(inner: dict | str, **outer) -> bytes:
    data = inner if isinstance(inner, str) else json.dumps(inner)
    return json.dumps({"apiResultCode": "A1000", "apiResultData": data, **outer}).encode()


@pytest.mark.parametrize("message", ["长" * 50_000, ["x"], {"a": 1}, None, 7, "\x00\x1b[31m"])
def test_a_refusal_keeps_its_meaning_whatever_its_words_are(message):
    with pytest.raises(Refused) as refused:
        read_envelope(answer({"success": False, "errorCode": "8196", "errorMsg": message}), is_idempotent=False)
    assert refused.value.code == "phone_blocked"
    assert refused.value.message.isprintable()


@pytest.mark.parametrize("code", ["13812345678", "张三", "X" * 500])
def test_a_code_that_looks_like_none_is_not_repeated(code):
    with pytest.raises(Refused) as refused:
        read_envelope(answer({"success": False, "errorCode": code}), is_idempotent=False)
    assert refused.value.facts == {"courier_code": ""}


SHIPMENT = {"orderId": "R-1", "waybillNoInfoList": [{"waybillType": 1, "waybillNo": "SF1"}]}


def shipment(**changed):
    inner = {"success": True, "errorCode": "S0000", "msgData": {**SHIPMENT, **changed}}
    return read_shipment(read_envelope(answer(inner), is_idempotent=False), "R-1")


def test_extras_that_nobody_reads_cost_no_booking():
    extras = [{"attrName": ["x"], "attrVal": 1}, {"attrName": "other", "attrVal": "长" * 50_000}]
    assert shipment(returnExtraInfoList=extras).alive
    assert not shipment(returnExtraInfoList=[*extras, {"attrName": "orderStatus", "attrVal": "cancelled"}]).alive


@pytest.mark.parametrize(
    "changed",
    [
        {"waybillNoInfoList": [{"waybillType": 1, "waybillNo": "S" * 3_000}]},
        {"waybillNoInfoList": [{"waybillType": 1, "waybillNo": ["SF1"]}]},
        {"waybillNoInfoList": [7]},
        {"filterResult": "9" * 5_000},
        {"returnExtraInfoList": [{"attrName": "orderStatus", "attrVal": ["cancelled"]}]},
    ],
)
def test_a_booking_that_cannot_be_read_is_unclear_and_typed(changed):
    with pytest.raises(Malformed):
        shipment(**changed)
