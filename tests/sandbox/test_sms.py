import json

import pytest

from sandbox.signatures import tc3_signature

SIGNED = "content-type;host;x-tc-action"
SCOPE = "2026-09-21/sms/tc3_request"


@pytest.fixture
def text(world, secrets, now):
    """Send one signed call; keywords replace parts of its content, `headers` what was sent after signing."""

    def send(headers=None, at=now, signed=SIGNED, secret=None, **content):
        body = json.dumps(
            {
                "PhoneNumberSet": ["+8613800000001"],
                "SmsSdkAppId": secrets.sms_app_id,
                "SignName": "示例店铺",
                "TemplateId": "1",
                "TemplateParamSet": ["SF1"],
                "SessionContext": "evt-1",
                **content,
            }
        ).encode()
        sent = {
            "content-type": "application/json; charset=utf-8",
            "host": "127.0.0.1:1",
            "x-tc-action": "SendSms",
            "x-tc-version": "2021-01-11",
            "x-tc-timestamp": str(int(at)),
            "x-tc-region": "ap-guangzhou",
        }
        signature = tc3_signature(
            body,
            sent,
            signed=signed,
            timestamp=sent["x-tc-timestamp"],
            scope=SCOPE,
            secret=secret or secrets.sms_secret_key,
        )
        sent["authorization"] = (
            f"TC3-HMAC-SHA256 Credential={secrets.sms_secret_id}/{SCOPE}, SignedHeaders={signed}, Signature={signature}"
        )
        return json.loads(world.texts.answer({**sent, **(headers or {})}, body, now))["Response"]

    return send


def codes(response):
    return [status["Code"] for status in response["SendStatusSet"]]


def test_a_repetition_is_a_second_message(world, text):
    assert [codes(text()) for _ in range(2)] == [["Ok"], ["Ok"]]
    assert [(row.event_id, row.params) for row in world.ledger.texted] == [("evt-1", ("SF1",))] * 2
    assert "13800000001" not in repr(world.ledger.texted)


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"secret": "other"}, "AuthFailure.SignatureFailure"),
        ({"headers": {"host": "elsewhere"}}, "AuthFailure.SignatureFailure"),
        ({"headers": {"authorization": ""}}, "AuthFailure.InvalidAuthorization"),
        ({"signed": "host"}, "AuthFailure.InvalidAuthorization"),
        ({"headers": {"x-tc-version": "2019-07-11"}}, "InvalidAction"),
        ({"headers": {"x-tc-region": ""}}, "MissingParameter"),
        ({"SmsSdkAppId": "1"}, "UnauthorizedOperation.SmsSdkAppIdVerifyFail"),
        ({"PhoneNumberSet": []}, "LimitExceeded.PhoneNumberCountLimit"),
        ({"PhoneNumberSet": 1}, "InvalidParameter"),
    ],
)
def test_a_call_that_is_refused_sends_nothing(world, text, how, code):
    assert text(**how)["Error"]["Code"] == code
    assert world.ledger.texted == []


@pytest.mark.parametrize(("seconds", "is_taken"), [(299, True), (301, False), (-301, False)])
def test_five_minutes_of_clock(text, now, seconds, is_taken):
    assert ("SendStatusSet" in text(at=now + seconds)) is is_taken


def test_each_number_has_its_own_answer(world, text):
    world.texts.answers_for["13800000002"] = "FailedOperation.PhoneNumberInBlacklist"
    numbers = ["+8613800000001", "+8613800000002", "13800000003"]
    assert codes(text(PhoneNumberSet=numbers)) == [
        "Ok",
        "FailedOperation.PhoneNumberInBlacklist",
        "InvalidParameterValue.IncorrectPhoneNumber",
    ]
    assert len(world.ledger.texted) == 1
    assert codes(text(SignName="")) == ["FailedOperation.SignatureIncorrectOrUnapproved"]


def test_the_witness_sees_a_message_that_goes_to_somebody_else(world, text, sf, booking):
    _, result = sf(world, "EXP_RECE_CREATE_ORDER", booking(world))
    waybill = result["msgData"]["waybillNoInfoList"][0]["waybillNo"]
    mobile = world.waybills.by_number[waybill].booking.receiver_mobile

    text(TemplateParamSet=[waybill], PhoneNumberSet=[f"+86{mobile}"])
    assert world.ledger.alarms == []
    text(TemplateParamSet=[waybill])
    assert [(alarm.kind, alarm.number) for alarm in world.ledger.alarms] == [("text_misdirected", waybill)]
