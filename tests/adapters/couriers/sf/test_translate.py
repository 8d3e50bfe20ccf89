import json
from dataclasses import replace

import pytest

from adapters.couriers.sf.translate import build_create, read_envelope, read_shipment
from adapters.payload import Fields
from adapters.ports import Booking
from domain.errors import Malformed, Refused
from domain.order import Address, Pii

PERSON = Address("甲", "13800000001", "河南省", "", "济源市", "沁园街道", "1号")
BOOKING = Booking("R-1", PERSON, PERSON, (("T恤", 1),), 500)


@pytest.mark.parametrize("pii", [Pii.MASKED, Pii.CIPHER, Pii.ABSENT])
def test_a_hidden_receiver_is_refused_before_the_call(account, pii):
    with pytest.raises(Refused) as caught:
        build_create(replace(BOOKING, receiver=replace(PERSON, pii=pii)), account())
    assert caught.value.code == "receiver_masked"


def test_a_district_under_its_province_is_its_own_city(account):
    contact = build_create(BOOKING, account())["contactInfoList"][1]

    assert (contact["city"], contact["county"], contact["address"]) == ("济源市", "济源市", "沁园街道1号")


@pytest.mark.parametrize(
    ("phone", "field"), [("13800000001", "mobile"), ("18877771111-123", "mobile"), ("029-0000000", "tel")]
)
def test_a_virtual_number_with_extension_is_a_mobile(account, phone, field):
    contact = build_create(replace(BOOKING, receiver=replace(PERSON, phone=phone)), account())["contactInfoList"][1]

    assert contact[field] == phone


@pytest.mark.parametrize(("service", "product"), [("", 2), ("express", 1), ("standard", 2), ("231", 231)])
def test_products(account, service, product):
    assert build_create(replace(BOOKING, service=service), account())["expressTypeId"] == product


def test_a_refusal_that_quotes_the_receiver_is_kept_without_the_quote():
    quoting = "收件人 甲,13800000001,沁园街道 1号 不可达"
    inner = json.dumps({"success": False, "errorCode": "8196", "errorMsg": quoting})
    body = json.dumps({"apiResultCode": "A1000", "apiResultData": inner}).encode()
    with pytest.raises(Refused) as refused:
        read_envelope(body, is_idempotent=False)
    assert refused.value.message == "the courier blocks this phone number (code 8196)"
    assert refused.value.facts == {"courier_code": "8196"}


def test_a_waybill_number_that_is_none_is_not_taken():
    answer = Fields({"orderId": "r", "waybillNoInfoList": [{"waybillNo": "甲 13800000001"}]}, "", Malformed)
    with pytest.raises(Malformed, match="waybillNo"):
        read_shipment(answer, "r")


SHOWN = {
    "orderId": "R-1",
    "filterResult": 2,
    "waybillNoInfoList": [{"waybillType": 1, "waybillNo": "SF1"}],
    "returnExtraInfoList": [{"attrName": "orderStatus", "attrVal": "normal"}],
}
UNSAID = [
    [],
    None,
    [{"attrName": "orderStatus_v2", "attrVal": "normal"}],
    [{"attrName": "orderStatus", "attrVal": None}],
    [{"attrName": "orderStatus", "attrVal": ""}],
]


def shipment(**changed):
    return Fields({**SHOWN, **changed}, "msgData", Malformed)


@pytest.mark.parametrize("extras", UNSAID)
def test_a_shipment_that_is_shown_lives_unless_the_answer_says_otherwise(extras):
    """The extension list is optional, and a look-up of a cancelled shipment is answered with an error."""
    assert read_shipment(shipment(returnExtraInfoList=extras), "R-1").alive


def test_a_state_of_the_shipment_that_cannot_be_read_is_no_answer():
    with pytest.raises(Malformed):
        read_shipment(shipment(returnExtraInfoList=[{"attrName": "orderStatus", "attrVal": "perhaps"}]), "R-1")


@pytest.mark.parametrize("field", ["orderId", "waybillNoInfoList"])
@pytest.mark.parametrize("value", [None, "", "gone"])
def test_an_answer_without_reference_or_number_is_none(field, value):
    with pytest.raises(Malformed):
        read_shipment(shipment(**{field: value}), "R-1")


@pytest.mark.parametrize("value", [None, ""])
def test_without_a_filter_result_the_number_says_that_the_order_was_taken(value):
    assert read_shipment(shipment(filterResult=value), "R-1").number == "SF1"
    with pytest.raises(Malformed):
        read_shipment(shipment(filterResult="perhaps"), "R-1")


@pytest.mark.parametrize("inner", [{}, {"success": None}, {"success": "perhaps"}, {"success": True, "errorCode": ""}])
def test_an_answer_that_does_not_say_that_it_worked_did_not(inner):
    told = {"errorCode": "S0000", "msgData": SHOWN, **inner}
    body = json.dumps({"apiResultCode": "A1000", "apiResultData": json.dumps(told)}).encode()
    with pytest.raises(Malformed):
        read_envelope(body, is_idempotent=False)


@pytest.mark.parametrize("code", ["A1001", "A9999"])
def test_the_gateway_refuses_one_request(code):
    body = json.dumps({"apiResultCode": code, "apiErrorMsg": "", "apiResultData": ""}).encode()
    with pytest.raises((Refused, Malformed)):
        read_envelope(body, is_idempotent=False)


@pytest.mark.parametrize("code", ["8057", "8179", "8256", "1010", "8191", "9999"])
def test_a_business_code_is_the_order_s(code):
    inner = {"success": False, "errorCode": code, "errorMsg": "x"}
    body = json.dumps({"apiResultCode": "A1000", "apiErrorMsg": "", "apiResultData": json.dumps(inner)}).encode()
    with pytest.raises(Refused):
        read_envelope(body, is_idempotent=False)


def test_a_service_that_a_route_names_wrongly_is_the_order_s(account):
    with pytest.raises(Refused, match="service_unknown"):
        build_create(replace(BOOKING, service="by balloon"), account())


@pytest.mark.parametrize(
    ("province", "country"),
    [
        ("河南省", "CN"),
        ("香港特别行政区", "852"),
        ("香港", "852"),
        ("澳门特别行政区", "853"),
        ("台湾省", "886"),
    ],
)
def test_a_contact_names_the_country_or_region_as_the_courier_writes_it(account, province, country):
    there = replace(BOOKING, receiver=replace(PERSON, province=province))
    contacts = build_create(there, account())["contactInfoList"]
    assert [contact["country"] for contact in contacts] == ["CN", country]


def test_an_address_abroad_is_not_sent_to_the_mainland(account):
    with pytest.raises(Refused) as caught:
        build_create(replace(BOOKING, receiver=replace(PERSON, province="海外")), account())
    assert caught.value.code == "country_unknown"
