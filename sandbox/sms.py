"""The text-message provider: Tencent Cloud's ``SendSms`` of 2021-01-11.

Source: Tencent Cloud API pages. Every failure is HTTP 200; one of the whole call stands in ``Response.Error``,
one of a number in its own `SendStatusSet` row. A repetition is a second message: nothing is dropped.

What the public pages leave open, chosen here: a signature over other headers than content type, host and
action, or over none of them, is ``AuthFailure.InvalidAuthorization``.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from sandbox.ledger import Alarm, Ledger, Texted
from sandbox.signatures import same, tc3_signature
from sandbox.spec import Secrets
from sandbox.waybills import WaybillBook

_CLOCK_S = 300
_NUMBERS_MAX = 200
_AUTHORIZATION = re.compile(
    r"TC3-HMAC-SHA256 Credential=(?P<id>[^/,]+)/(?P<scope>[^,]+), SignedHeaders=(?P<signed>[^,]+),"
    r" Signature=(?P<signature>[0-9a-f]{64})"
)
_SIGNED = {"content-type;host", "content-type;host;x-tc-action"}
_CHINESE = re.compile(r"\+861[3-9][0-9]{9}")


class _Asked(msgspec.Struct, rename="pascal"):
    """The fields of ``SendSms`` that are checked."""

    phone_number_set: tuple[str, ...]
    sms_sdk_app_id: str
    template_id: str
    sign_name: str = ""
    template_param_set: tuple[str, ...] = ()
    session_context: str = ""


class CallError(Exception):
    """The whole call is refused with this code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class SmsProvider:
    """One account with one application. `answers_for` gives a code for numbers to which nothing is sent."""

    def __init__(self, secrets: Secrets, waybills: WaybillBook, ledger: Ledger) -> None:
        self._secrets = secrets
        self._waybills = waybills
        self._ledger = ledger
        self.answers_for: dict[str, str] = {}

    def answer(self, headers: Mapping[str, str], body: bytes, now: float) -> bytes:
        """One call, checked, counted and carried out; header names in lower case."""
        self._ledger.calls["SendSms"] += 1
        request_id = f"s{self._ledger.calls['SendSms']:011x}"
        try:
            self._check_signature(headers, body, now)
            asked = self._read(headers, body)
            statuses = [self._send(number, asked, now) for number in asked.phone_number_set]
        except CallError as error:
            self._ledger.refuse("SendSms", error.code, now)
            return _response(request_id, {"Error": {"Code": error.code, "Message": error.code}})
        return _response(request_id, {"SendStatusSet": statuses})

    def _check_signature(self, headers: Mapping[str, str], body: bytes, now: float) -> None:
        shown = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
        timestamp = headers.get("x-tc-timestamp", "")
        if shown is None or shown["signed"] not in _SIGNED or not (timestamp.isascii() and timestamp.isdigit()):
            raise CallError("AuthFailure.InvalidAuthorization")
        if shown["id"] != self._secrets.sms_secret_id:
            raise CallError("AuthFailure.SecretIdNotFound")
        if abs(int(timestamp) - now) > _CLOCK_S:
            raise CallError("AuthFailure.SignatureExpire")
        try:
            expected = tc3_signature(
                body,
                headers,
                signed=shown["signed"],
                timestamp=timestamp,
                scope=shown["scope"],
                secret=self._secrets.sms_secret_key,
            )
        except KeyError:
            raise CallError("AuthFailure.InvalidAuthorization") from None
        if not same(expected, shown["signature"]):
            raise CallError("AuthFailure.SignatureFailure")

    def _read(self, headers: Mapping[str, str], body: bytes) -> _Asked:
        if headers.get("x-tc-action") != "SendSms" or headers.get("x-tc-version") != "2021-01-11":
            raise CallError("InvalidAction")
        if not headers.get("x-tc-region"):
            raise CallError("MissingParameter")
        try:
            asked = msgspec.json.decode(body, type=_Asked)
        except msgspec.DecodeError:
            raise CallError("InvalidParameter") from None
        if not 1 <= len(asked.phone_number_set) <= _NUMBERS_MAX:
            raise CallError("LimitExceeded.PhoneNumberCountLimit")
        if asked.sms_sdk_app_id != self._secrets.sms_app_id:
            raise CallError("UnauthorizedOperation.SmsSdkAppIdVerifyFail")
        return asked

    def _send(self, number: str, asked: _Asked, now: float) -> dict[str, Any]:
        code = self.answers_for.get(number.removeprefix("+86"), "")
        if not code and not asked.sign_name:
            code = "FailedOperation.SignatureIncorrectOrUnapproved"
        if not code and not _CHINESE.fullmatch(number):
            code = "InvalidParameterValue.IncorrectPhoneNumber"
        if not code:
            self._ledger.texted.append(Texted(asked.session_context, asked.template_param_set, now))
            self._witness(number, asked)
        return {
            "SerialNo": "" if code else f"2019:{len(self._ledger.texted)}",
            "PhoneNumber": number,
            "Fee": 0 if code else 1,
            "SessionContext": asked.session_context,
            "Code": code or "Ok",
            "Message": code or "send success",
            "IsoCode": "CN",
        }

    def _witness(self, number: str, asked: _Asked) -> None:
        """Check that a message about a waybill goes to the receiver of that package."""
        for param in asked.template_param_set:
            waybill = self._waybills.by_number.get(param)
            if waybill is not None and waybill.booking.receiver_mobile != number.removeprefix("+86"):
                self._ledger.alarms.append(Alarm("text_misdirected", 0, param))


def _response(request_id: str, content: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"Response": {**content, "RequestId": request_id}})
