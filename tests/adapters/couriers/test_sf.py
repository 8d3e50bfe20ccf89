import base64
import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.couriers import sf
from adapters.ports import Booking
from domain.errors import Malformed, Misconfigured, Refused
from domain.order import Address, Pii
from infra.settings import Courier, Secret
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
        sf.read_envelope(body, is_idempotent=False, hidden=(PERSON.name, PERSON.phone, PERSON.town, PERSON.detail))
    assert refused.value.message == "收件人 ***,***,*** *** 不可达"


def answer(inner: dict | str, **outer) -> bytes:
    data = inner if isinstance(inner, str) else json.dumps(inner)
    return json.dumps({"apiResultCode": "A1000", "apiResultData": data, **outer}).encode()


@pytest.mark.parametrize("message", ["长" * 50_000, ["x"], {"a": 1}, None, 7, "\x00\x1b[31m"])
def test_a_refusal_keeps_its_meaning_whatever_its_words_are(message):
    with pytest.raises(Refused) as refused:
        sf.read_envelope(answer({"success": False, "errorCode": "8196", "errorMsg": message}), is_idempotent=False)
    assert refused.value.code == "phone_blocked"
    assert refused.value.message.isprintable()


@pytest.mark.parametrize("code", ["13812345678", "张三", "X" * 500])
def test_a_code_that_looks_like_none_is_not_repeated(code):
    with pytest.raises(Refused) as refused:
        sf.read_envelope(answer({"success": False, "errorCode": code}), is_idempotent=False)
    assert refused.value.facts == {"courier_code": "not_a_code"}


SHIPMENT = {"orderId": "R-1", "waybillNoInfoList": [{"waybillType": 1, "waybillNo": "SF1"}]}


def shipment(**changed):
    inner = {"success": True, "errorCode": "S0000", "msgData": {**SHIPMENT, **changed}}
    return sf.read_shipment(sf.read_envelope(answer(inner), is_idempotent=False), "R-1")


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
