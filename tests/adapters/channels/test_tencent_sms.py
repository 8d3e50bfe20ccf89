from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest
from msgspec import structs

from adapters.channels import tencent_sms
from adapters.ports import Notice
from domain.errors import Malformed, Misconfigured, Refused, Throttled, UnknownOutcome
from infra.config.secret import Secret
from infra.config.settings import Channel
from sandbox.signatures import tc3_signature

NOW_S = 1_795_312_800
OPTIONS = {"sdk_app_id": "1400000000", "sign_name": "示例店铺", "template_id": "100001"}
NOTICE = Notice(
    "evt-1", "package.shipped", datetime(2026, 11, 22, tzinfo=UTC), {"waybill": "SF1"}, mobile="13800000001"
)


def channel(endpoint="https://sms.tencentcloudapi.com", **options):
    credentials = {"secret_id": Secret("AKIDx"), "secret_key": Secret("demo-key")}
    return Channel(
        name="buyers", kind="tencent-sms", endpoint=endpoint, credentials=credentials, options={**OPTIONS, **options}
    )


def answer(code, context="evt-1"):
    status = {"Code": code, "SessionContext": context, "Message": "for +8613800000001"}
    return msgspec.json.encode({"Response": {"SendStatusSet": [status], "RequestId": "r"}})


def test_the_guide_s_example():
    """Tencent Cloud signature v3 guide, older edition: DescribeInstances."""
    body = rb'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}'
    headers = {"content-type": "application/json; charset=utf-8", "host": "cvm.tencentcloudapi.com"}
    signature = tencent_sms.sign(body, headers, 1551113065, b"Gu5t9xGARNpq86cd98joQYCN3EXAMPLE", "cvm")
    assert signature == "72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168"


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        ("https://sms.tencentcloudapi.com", "sms.tencentcloudapi.com"),
        ("https://sms.tencentcloudapi.com:443/", "sms.tencentcloudapi.com"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
    ],
)
def test_what_is_signed_is_what_is_sent(endpoint, host):
    request = tencent_sms.build_call(channel(endpoint), b"{}", NOW_S, is_idempotent=False)
    headers = {name.lower(): value for name, value in request.headers.items()} | {"host": host}
    expected = tc3_signature(
        b"{}",
        headers,
        signed="content-type;host;x-tc-action",
        timestamp=headers["x-tc-timestamp"],
        scope="2026-11-22/sms/tc3_request",
        secret="demo-key",
    )
    assert headers["authorization"].endswith(f"Signature={expected}")
    assert "Credential=AKIDx/2026-11-22/sms/tc3_request," in headers["authorization"]
    assert not request.is_idempotent


def test_the_template_s_parameters_stand_in_its_order():
    message = tencent_sms.build_message(channel(template_params="waybill event_shop"), with_content(event_shop="s1"))
    assert message["TemplateParamSet"] == ["SF1", "s1"]
    assert message["PhoneNumberSet"] == ["+8613800000001"]


def test_a_parameter_that_no_notice_has_is_the_account_s_fault():
    with pytest.raises(Misconfigured, match="template_param_unknown"):
        tencent_sms.build_message(channel(template_params="waybill name"), NOTICE)


@pytest.mark.parametrize("option", sorted(OPTIONS))
def test_a_missing_option_is_found_when_connecting(option):
    with pytest.raises(Misconfigured) as caught:
        tencent_sms.connect(channel(**{option: ""}), None, None)
    assert (caught.value.code, caught.value.facts["option"]) == ("option_missing", option)


@pytest.mark.parametrize(
    ("code", "kind", "name"),
    [
        ("AuthFailure.SecretIdNotFound", Misconfigured, "credentials_rejected"),
        ("AuthFailure.SignatureExpire", Misconfigured, "timestamp_invalid"),
        ("UnauthorizedOperation.SmsSdkAppIdVerifyFail", Misconfigured, "permission_denied"),
        ("FailedOperation.InsufficientBalanceInSmsPackage", Misconfigured, "balance_empty"),
        ("FailedOperation.TemplateIncorrectOrUnapproved", Refused, "template_rejected"),
        ("FailedOperation.TemplateParamSetNotMatchApprovedTemplate", Refused, "template_rejected"),
        ("FailedOperation.SignatureIncorrectOrUnapproved", Refused, "sign_name_rejected"),
        ("LimitExceeded.AppDailyLimit", Throttled, "day_limit"),
        ("RequestLimitExceeded.UinLimitExceeded", Throttled, "flow_control"),
        ("InternalError.SendAndRecvFail", UnknownOutcome, "provider_failed"),
        ("FailedOperation.SomethingNew", Refused, "sms_refused"),
    ],
)
def test_every_code_says_what_happens_next(code, kind, name):
    with pytest.raises(kind) as caught:
        tencent_sms.read_sent(answer(code), "evt-1")
    assert (type(caught.value), caught.value.code) == (kind, name)
    assert caught.value.facts == {"provider_code": code}
    assert "138" not in str(caught.value)


def test_an_answer_for_two_numbers_is_not_ours():
    two = msgspec.json.encode({"Response": {"SendStatusSet": [{"Code": "Ok"}, {"Code": "Ok"}]}})
    with pytest.raises(Malformed):
        tencent_sms.read_sent(two, "evt-1")


def test_the_number_does_not_show():
    assert "138" not in repr(NOTICE)
    assert "138" not in repr(tencent_sms.build_call(channel(), b"13800000001", NOW_S, is_idempotent=False))


def with_content(**more):
    return Notice(NOTICE.event_id, NOTICE.event, NOTICE.occurred_at, {**NOTICE.content, **more}, NOTICE.mobile)


def test_each_event_has_a_text_of_its_own():
    told = replace(NOTICE, event="package.signed")
    assert tencent_sms.build_message(channel(template_id_signed="100003"), told)["TemplateId"] == "100003"
    assert tencent_sms.build_message(channel(template_id_signed="100003"), NOTICE)["TemplateId"] == "100001"
    with pytest.raises(Misconfigured) as caught:
        tencent_sms.build_message(channel(), told)
    assert caught.value.facts["option"] == "template_id_signed"


def test_a_channel_of_more_events_is_connected_with_a_text_for_each_only():
    wanted = structs.replace(channel(template_id_signed="100003"), events=("shipped", "signed", "out_for_delivery"))
    with pytest.raises(Misconfigured) as caught:
        tencent_sms.connect(wanted, None, None)
    assert caught.value.facts["option"] == "template_id_out_for_delivery"
    tencent_sms.connect(structs.replace(wanted, events=("shipped", "signed")), None, None)
