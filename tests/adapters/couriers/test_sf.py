import base64
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.couriers.sf import translate as sf
from adapters.payload import Fields
from adapters.ports import Booking
from domain.errors import Malformed, Misconfigured, Refused
from domain.order import Address, Pii
from infra.config.secret import Secret
from infra.config.settings import Courier
from sandbox.signatures import java_url_encode, sf_digest

PERSON = Address("甲", "13800000001", "河南省", "", "济源市", "沁园街道", "1号")
BOOKING = Booking("R-1", PERSON, PERSON, (("T恤", 1),), 500)


def account(**options) -> Courier:
    named = {"partner_id": "P", "check_word": "W", "monthly_card": "7551234567"}
    return Courier(
        name="main",
        courier="sf",
        endpoint="http://127.0.0.1:1/",
        credentials={name: Secret(value) for name, value in named.items()},
        options=options,
    )


def test_the_java_encoder_keeps_the_asterisk_and_encodes_the_tilde():
    assert sf.java_url_encode("A*1~2 (张)-_.!'") == "A*1%7E2+%28%E5%BC%A0%29-_.%21%27"


texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts, texts)
def test_an_independent_implementation_agrees(body, word):
    assert sf.java_url_encode(body) == java_url_encode(body)
    assert sf.sign(body, "1793500800123", word) == sf_digest(body, "1793500800123", word)


def test_the_variant_without_encoding_is_an_option():
    plain = base64.b64encode(hashlib.md5(b"{~}1000W").digest()).decode()  # noqa: S324 - the vendor's protocol
    assert sf.sign("{~}", "1000", "W", without_url_encoding=True) == plain
    now = datetime(2026, 11, 22, tzinfo=UTC).timestamp()
    default = sf.build_call(account(), sf.SEARCH, "{~}", "id", now, is_idempotent=True)
    bare = sf.build_call(account(sign_without_url_encoding="true"), sf.SEARCH, "{~}", "id", now, is_idempotent=True)
    assert default.body != bare.body


def test_half_an_emoji_can_be_signed():
    assert sf.sign("\ud83d", "1", "W")


@pytest.mark.parametrize("pii", [Pii.MASKED, Pii.CIPHER, Pii.ABSENT])
def test_a_hidden_receiver_is_refused_before_the_call(pii):
    with pytest.raises(Refused) as caught:
        sf.build_create(replace(BOOKING, receiver=replace(PERSON, pii=pii)), account())
    assert caught.value.code == "receiver_masked"


def test_a_district_under_its_province_is_its_own_city():
    contact = sf.build_create(BOOKING, account())["contactInfoList"][1]

    assert (contact["city"], contact["county"], contact["address"]) == ("济源市", "济源市", "沁园街道1号")


@pytest.mark.parametrize(
    ("phone", "field"), [("13800000001", "mobile"), ("18877771111-123", "mobile"), ("029-0000000", "tel")]
)
def test_a_virtual_number_with_extension_is_a_mobile(phone, field):
    contact = sf.build_create(replace(BOOKING, receiver=replace(PERSON, phone=phone)), account())["contactInfoList"][1]

    assert contact[field] == phone


@pytest.mark.parametrize(("service", "product"), [("", 2), ("express", 1), ("standard", 2), ("231", 231)])
def test_products(service, product):
    assert sf.build_create(replace(BOOKING, service=service), account())["expressTypeId"] == product


async def test_wrong_options_are_found_when_connecting(open_door, clock):
    door = await open_door()
    for options in ({"service": "pigeon"}, {"pay_method": "9"}):
        with pytest.raises(Misconfigured):
            sf.connect(account(**options), door, clock)


@pytest.mark.parametrize("code", sorted(sf.GATEWAY_FAULTS))
@pytest.mark.parametrize("is_idempotent", [True, False])
def test_every_gateway_code_ends_in_its_class(code, is_idempotent):
    body = f'{{"apiResultCode":"{code}","apiErrorMsg":"x","apiResultData":""}}'.encode()
    kind, name = sf.GATEWAY_FAULTS[code]
    if is_idempotent and kind is sf.UnknownOutcome:
        kind = sf.Transient

    with pytest.raises(kind) as caught:
        sf.read_envelope(body, is_idempotent=is_idempotent)

    assert (type(caught.value), caught.value.code) == (kind, name)


def test_a_refusal_that_quotes_the_receiver_is_kept_without_the_quote():
    quoting = "收件人 甲,13800000001,沁园街道 1号 不可达"
    inner = json.dumps({"success": False, "errorCode": "8196", "errorMsg": quoting})
    body = json.dumps({"apiResultCode": "A1000", "apiResultData": inner}).encode()
    with pytest.raises(Refused) as refused:
        sf.read_envelope(body, is_idempotent=False)
    assert refused.value.message == "the courier blocks this phone number (code 8196)"
    assert refused.value.facts == {"courier_code": "8196"}


@pytest.mark.parametrize("code", [*sf.GATEWAY_FAULTS, *sf.BUSINESS_FAULTS])
def test_every_known_fault_has_a_sentence_of_ours(code):
    assert (sf.GATEWAY_FAULTS | sf.BUSINESS_FAULTS)[code][1] in sf.PHRASES


def test_a_waybill_number_that_is_none_is_not_taken():
    answer = sf.Fields({"orderId": "r", "waybillNoInfoList": [{"waybillNo": "甲 13800000001"}]}, "", Malformed)
    with pytest.raises(Malformed, match="waybillNo"):
        sf.read_shipment(answer, "r")


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
    assert sf.read_shipment(shipment(returnExtraInfoList=extras), "R-1").alive


def test_a_state_of_the_shipment_that_cannot_be_read_is_no_answer():
    with pytest.raises(Malformed):
        sf.read_shipment(shipment(returnExtraInfoList=[{"attrName": "orderStatus", "attrVal": "perhaps"}]), "R-1")


@pytest.mark.parametrize("field", ["orderId", "waybillNoInfoList"])
@pytest.mark.parametrize("value", [None, "", "gone"])
def test_an_answer_without_reference_or_number_is_none(field, value):
    with pytest.raises(Malformed):
        sf.read_shipment(shipment(**{field: value}), "R-1")


@pytest.mark.parametrize("value", [None, ""])
def test_without_a_filter_result_the_number_says_that_the_order_was_taken(value):
    assert sf.read_shipment(shipment(filterResult=value), "R-1").number == "SF1"
    with pytest.raises(Malformed):
        sf.read_shipment(shipment(filterResult="perhaps"), "R-1")


@pytest.mark.parametrize("inner", [{}, {"success": None}, {"success": "perhaps"}, {"success": True, "errorCode": ""}])
def test_an_answer_that_does_not_say_that_it_worked_did_not(inner):
    told = {"errorCode": "S0000", "msgData": SHOWN, **inner}
    body = json.dumps({"apiResultCode": "A1000", "apiResultData": json.dumps(told)}).encode()
    with pytest.raises(Malformed):
        sf.read_envelope(body, is_idempotent=False)


@pytest.mark.parametrize("code", ["A1001", "A9999"])
def test_the_gateway_refuses_one_request(code):
    body = json.dumps({"apiResultCode": code, "apiErrorMsg": "", "apiResultData": ""}).encode()
    with pytest.raises((Refused, Malformed)):
        sf.read_envelope(body, is_idempotent=False)


@pytest.mark.parametrize("code", sorted(sf.GATEWAY_FAULTS | sf.BUSINESS_FAULTS))
def test_only_what_belongs_to_the_contract_speaks_of_the_account(code):
    kind, name = (sf.GATEWAY_FAULTS | sf.BUSINESS_FAULTS)[code]
    of_contract = {"timestamp_invalid", "ip_not_allowed", "permission_denied", "signature_invalid"}
    assert (kind is Misconfigured) == (name in of_contract | {"monthly_card_rejected"})


@pytest.mark.parametrize("code", ["8057", "8179", "8256", "1010", "8191", "9999"])
def test_a_business_code_is_the_order_s(code):
    inner = {"success": False, "errorCode": code, "errorMsg": "x"}
    body = json.dumps({"apiResultCode": "A1000", "apiErrorMsg": "", "apiResultData": json.dumps(inner)}).encode()
    with pytest.raises(Refused):
        sf.read_envelope(body, is_idempotent=False)


def test_a_service_that_a_route_names_wrongly_is_the_order_s():
    with pytest.raises(Refused, match="service_unknown"):
        sf.build_create(replace(BOOKING, service="by balloon"), account())


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
def test_a_contact_names_the_country_or_region_as_the_courier_writes_it(province, country):
    there = replace(BOOKING, receiver=replace(PERSON, province=province))
    contacts = sf.build_create(there, account())["contactInfoList"]
    assert [contact["country"] for contact in contacts] == ["CN", country]


def test_an_address_abroad_is_not_sent_to_the_mainland():
    with pytest.raises(Refused) as caught:
        sf.build_create(replace(BOOKING, receiver=replace(PERSON, province="海外")), account())
    assert caught.value.code == "country_unknown"
