"""Text messages to buyers through Tencent Cloud SMS, ``SendSms`` of 2021-01-11.

Source: Tencent Cloud's signature v3 guide and API pages; error names as in its public Python client.

- Is telling idempotent? No: there is no token for it, and `SessionContext` only comes back. After an unclear
  end the message counts as perhaps sent, so `InternalError`, which Tencent's own client would repeat, is
  an unknown outcome here.
- Limits: 3,000 calls a second; per number what the console says. One number for each call, so that each message has its
  own answer.
- Final errors: `FAULTS`; errors about one buyer's number only: `UNREACHABLE` and `TOO_SOON`. HTTP 200 says nothing; the
  error envelope and then the number's own code are read.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

import msgspec

from adapters.foreign import code_of
from adapters.http_client import HttpClient, Request
from adapters.payload import Fields, read_answer
from adapters.plugin import ChannelKind, credential
from adapters.ports import Notice
from adapters.vectors import Row, Sign, Signature, secret_of
from domain.errors import FulfilmentError, Malformed, Misconfigured, Refused, Throttled, UnknownOutcome, keep_evidence
from domain.outcomes import Later
from domain.phone import Unreachable
from domain.tracking import SHIPPED, event_name
from infra.config import settings
from infra.process.clock import Clock

NAME = "tencent-sms"
ACTION, VERSION, SERVICE = "SendSms", "2021-01-11", "sms"
ALGORITHM = "TC3-HMAC-SHA256"
CONTENT_TYPE = "application/json; charset=utf-8"
SIGNED_HEADERS = ("content-type", "host", "x-tc-action")
DEFAULT_REGION = "ap-guangzhou"
_OPTIONS = ("sdk_app_id", "sign_name")
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9.]{0,63}", re.ASCII)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_FLOW_CONTROL_S, _DAY_LIMIT_S, _QUIET_HOURS_S = 1.0, 3600.0, 1800.0

Fault = tuple[type[FulfilmentError], str]

# Matched by the longest prefix of a code. Misconfigured is only for faults of the whole account: keys, permission and
# balance. A wrong sign name, template or parameter is the fault of that message, and so is an unknown code.
FAULTS: Mapping[str, Fault] = {
    "AuthFailure": (Misconfigured, "credentials_rejected"),
    "AuthFailure.SignatureExpire": (Misconfigured, "timestamp_invalid"),
    "AuthFailure.SignatureFailure": (Misconfigured, "signature_invalid"),
    "UnauthorizedOperation": (Misconfigured, "permission_denied"),
    "FailedOperation.InsufficientBalanceInSmsPackage": (Misconfigured, "balance_empty"),
    "FailedOperation.SignatureIncorrectOrUnapproved": (Refused, "sign_name_rejected"),
    "FailedOperation.TemplateIncorrectOrUnapproved": (Refused, "template_rejected"),
    "FailedOperation.TemplateParamSetNotMatchApprovedTemplate": (Refused, "template_rejected"),
    "FailedOperation.MarketingSendTimeConstraint": (Throttled, "quiet_hours"),
    "RequestLimitExceeded": (Throttled, "flow_control"),
    "LimitExceeded.AppDailyLimit": (Throttled, "day_limit"),
    "InternalError": (UnknownOutcome, "provider_failed"),
}
_WAIT_S = {"quiet_hours": _QUIET_HOURS_S, "flow_control": _FLOW_CONTROL_S, "day_limit": _DAY_LIMIT_S}
UNREACHABLE: Mapping[str, str] = {
    "InvalidParameterValue.IncorrectPhoneNumber": "phone_invalid",
    "FailedOperation.PhoneNumberInBlacklist": "phone_blocked",
    "LimitExceeded.PhoneNumberDailyLimit": "phone_limited",
    "LimitExceeded.PhoneNumberSameContentDailyLimit": "phone_limited",
}
# Seconds until the same buyer may get another message.
TOO_SOON: Mapping[str, float] = {
    "LimitExceeded.DeliveryFrequencyLimit": 60.0,
    "LimitExceeded.PhoneNumberThirtySecondLimit": 30.0,
    "LimitExceeded.PhoneNumberOneHourLimit": 3600.0,
}


def sign(body: bytes, headers: Mapping[str, str], timestamp: int, secret: bytes, service: str = SERVICE) -> str:
    """The ``Signature`` of a POST to ``/`` without a query; `headers` are those signed, by lower-case name."""
    lines = "".join(f"{name}:{headers[name].lower()}\n" for name in sorted(headers))
    canonical = f"POST\n/\n\n{lines}\n{';'.join(sorted(headers))}\n{hashlib.sha256(body).hexdigest()}"
    day = day_of(timestamp)
    scope = f"{day}/{service}/tc3_request"
    text = f"{ALGORITHM}\n{timestamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = b"TC3" + secret
    for part in (day, service, "tc3_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def day_of(timestamp: int) -> str:
    """The signature's day is counted in UTC."""
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d")


def connect(channel: settings.Channel, http: HttpClient, clock: Clock) -> "TencentSms":
    """Credentials `secret_id` and `secret_key`.

    Options `sdk_app_id`, `sign_name` and `template_id`; `template_params`: names of `Notice.content` in the
    template's order, ``waybill`` if absent; `region`. `template_id` is the text about a shipped package; each other
    event of the channel needs one of its own, as `template_id_signed`. Raises Misconfigured ``option_missing``.
    """
    credential(channel, "secret_id")
    credential(channel, "secret_key")
    for name in (*_OPTIONS, *(_template_of(event_name(event)) for event in channel.events)):
        if not channel.options.get(name):
            facts = {"account": channel.account, "option": name}
            raise Misconfigured("option_missing", f"{channel.account} lacks the option {name}", facts)
    return TencentSms(channel, http, clock)


class TencentSms:
    """See `adapters.ports.Notifier`."""

    is_idempotent = False
    needs_mobile = True

    def __init__(self, channel: settings.Channel, http: HttpClient, clock: Clock) -> None:
        self._channel = channel
        self._http = http
        self._clock = clock

    async def notify(self, notice: Notice) -> Unreachable | Later | None:
        content = build_message(self._channel, notice)
        now_s = int(self._clock.utcnow().timestamp())
        request = build_call(self._channel, msgspec.json.encode(content), now_s, is_idempotent=self.is_idempotent)
        response = await self._http.send(request)
        try:
            return read_sent(response.body, notice.event_id)
        except FulfilmentError as error:
            keep_evidence(error, response.body)
            raise


def build_message(channel: settings.Channel, notice: Notice) -> dict[str, object]:
    """The body of a ``SendSms`` call for one notice. Raises Misconfigured: ``template_param_unknown`` for a template
    parameter that `Notice.content` lacks, and ``option_missing`` for an event without a template.
    """
    names = channel.options.get("template_params", "waybill").split()
    unknown = [name for name in names if name not in notice.content]
    if unknown:
        facts = {"account": channel.account, "param": unknown[0]}
        raise Misconfigured("template_param_unknown", f"known are: {', '.join(sorted(notice.content))}", facts)
    template = _template_of(notice.event)
    if not channel.options.get(template):
        facts = {"account": channel.account, "option": template}
        raise Misconfigured("option_missing", f"{channel.account} lacks the option {template}", facts)
    return {
        "PhoneNumberSet": [f"+86{notice.mobile}"],
        "SmsSdkAppId": channel.options["sdk_app_id"],
        "SignName": channel.options["sign_name"],
        "TemplateId": channel.options[template],
        "TemplateParamSet": [notice.content[name] for name in names],
        "SessionContext": notice.event_id,
    }


def _template_of(event: str) -> str:
    """The option that holds the template of an event."""
    return "template_id" if event == event_name(SHIPPED) else f"template_id_{event.removeprefix(event_name(''))}"


def build_call(channel: settings.Channel, body: bytes, timestamp: int, *, is_idempotent: bool) -> Request:
    """A signed call. The number is in the body, which the HTTP client neither logs nor keeps."""
    parts = urlsplit(channel.endpoint)
    host = parts.netloc.removesuffix(_DEFAULT_PORTS.get(parts.scheme, ""))
    signed = {"content-type": CONTENT_TYPE, "host": host, "x-tc-action": ACTION}
    signature = sign(body, signed, timestamp, credential(channel, "secret_key").reveal().encode())
    scope = f"{credential(channel, 'secret_id').reveal()}/{day_of(timestamp)}/{SERVICE}/tc3_request"
    headers = {
        "Content-Type": CONTENT_TYPE,
        "X-TC-Action": ACTION,
        "X-TC-Version": VERSION,
        "X-TC-Timestamp": str(timestamp),
        "X-TC-Region": channel.options.get("region", DEFAULT_REGION),
        "Authorization": f"{ALGORITHM} Credential={scope}, SignedHeaders={';'.join(SIGNED_HEADERS)}, "
        f"Signature={signature}",
    }
    return Request("POST", channel.endpoint, ACTION, is_idempotent, headers, body)


def read_sent(body: bytes, event_id: str) -> Unreachable | Later | None:
    """None when the provider accepted the message. Raises what `FAULTS` says, Malformed, or Refused ``sms_refused``."""
    response = Fields(read_answer(body), "", Malformed).child("Response")
    if response.has("Error"):
        raise _fault(response.child("Error").text("Code"))
    statuses = response.listed("SendStatusSet")
    if len(statuses) != 1:
        response.missing("SendStatusSet")
    status = statuses[0]
    if status.text("SessionContext") != event_id:
        raise Malformed("answer_not_ours", "the answer speaks of another message")
    code = status.text("Code")
    if code == "Ok":
        return None
    if code in UNREACHABLE:
        return Unreachable(UNREACHABLE[code])
    if code in TOO_SOON:
        return Later("buyer_told_too_often", after_s=TOO_SOON[code])
    raise _fault(code)


def _fault(code: str) -> FulfilmentError:
    """The provider's words may quote the number, so its code alone is kept."""
    shown = code_of(code, _CODE)
    facts = {"provider_code": shown}
    known = max((begin for begin in FAULTS if code.startswith(begin)), key=len, default="")
    kind, name = FAULTS.get(known, (Refused, "sms_refused"))
    if kind is Throttled:
        return Throttled(name, facts=facts, after_s=_WAIT_S[name])
    return kind(name, f"the provider says {shown}" if shown else "the provider refused", facts)


def _row(row: Row) -> Signature:
    params = row["params"]
    known = {"content-type": params["content-type"], "host": params["host"], "x-tc-action": params.get("action") or ""}
    signed = {name: known[name] for name in params["signed_headers"].split(";")}
    body, timestamp = row["body"].encode(), int(row["timestamp"])
    return Signature(sign(body, signed, timestamp, secret_of(row), params["service"]))


SIGNERS: Mapping[str, Sign] = {ALGORITHM: _row}

KIND = ChannelKind(NAME, connect, SIGNERS)
