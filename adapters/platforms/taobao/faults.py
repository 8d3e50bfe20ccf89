"""TOP's errors in our tree. Source: TOP error code pages; logistics sub-codes from its interface pages."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from adapters.china_time import CST
from adapters.foreign import code_of, sentence
from adapters.payload import Fields
from adapters.ports import NARROWER
from domain.errors import (
    Conflict,
    Facts,
    FulfilmentError,
    Malformed,
    Misconfigured,
    Refused,
    Throttled,
    Transient,
    UnknownOutcome,
)

CALL_LIMITS = frozenset({4, 5, 6, 7, 8})
_LIMIT_WAIT_S = 10.0
# The longest ban that is followed, so that a wrong number cannot stop a shop for weeks.
_BAN_MAX_S = 86_400.0
_SERVICE_UNAVAILABLE = 10
_FIRST_BUSINESS_CODE = 15
_BAN = re.compile(r"([0-9]{1,6})\s*(?:more\s+)?second", re.IGNORECASE)
_DAILY = re.compile(r"\bdaily\b|\bper day\b|\bone day\b|当天|每天|每日", re.IGNORECASE)

# Only these codes concern the account: token, permission, signature, app key and timestamp. In a call about one order
# even these are only an accusation, see `domain.gates`.
ACCOUNT_FAULTS = {
    **dict.fromkeys((26, 27), "session_expired"),
    **dict.fromkeys((11, 12, 13), "permission_denied"),
    **dict.fromkeys((24, 25), "signature_invalid"),
    **dict.fromkeys((28, 29), "app_key_invalid"),
    **dict.fromkeys((30, 31), "timestamp_invalid"),
}
# The gateway refuses this one request, most often an argument of it. It was not carried out, and never will be.
REQUEST_FAULTS = frozenset({9, 21, 22, 23, 32, 33, 34, 40, 41, 42, 43})

# The last part of the logistics service's sub-codes.
LOGISTICS_FAULTS: dict[str, tuple[type[FulfilmentError], str]] = {
    "B01": (Refused, "order_not_found"),
    "B02": (Refused, "order_state_wrong"),
    "B04": (Conflict, "already_shipped"),
    "B56": (Refused, "courier_code_unknown"),
    "B60": (Refused, "waybill_rejected"),
    "B150": (Transient, "platform_busy"),
    "B98": (Refused, "shipping_kind_wrong"),
    "P38": (Refused, "split_rejected"),
    "S01": (Refused, "shipment_rejected"),
    "CD01": (Refused, "resend_rejected"),
    "CD19": (Refused, "resend_rejected"),
    "CD25": (Refused, "split_rejected"),
    "CD27": (Refused, "split_rejected"),
}
# A listing that requests too much: the platform wants a pause and a shorter window. In a call about one order the code
# says only that this call failed.
_TOO_MUCH = "isv.trade-service-rejection"
_TOO_MUCH_WAIT_S = 180.0
# Our own sentences for these faults: the platform's texts may quote the buyer.
PHRASES = {
    "call_limit": "the platform limits the calls of the app",
    "listing_rejected": "the platform finds the listing too large: it is asked again later, for a shorter window",
    "session_expired": "the shop's authorization has ended: authorize the app again",
    "permission_denied": "the app may not call this interface",
    "signature_invalid": "the platform does not accept the signature: check the app secret",
    "app_key_invalid": "the platform does not accept the app key",
    "timestamp_invalid": "the platform finds the request's time wrong: check this machine's clock",
    "request_invalid": "the platform cannot read the request",
    "platform_failed": "the platform's system failed",
    "order_not_found": "the platform knows no such order",
    "order_state_wrong": "the order's state on the platform does not allow this",
    "already_shipped": "the platform shows the order as shipped",
    "courier_code_unknown": "the platform does not know the courier's code",
    "waybill_rejected": "the platform does not accept the waybill number",
    "platform_busy": "the platform is busy",
    "shipping_kind_wrong": "the platform ships this kind of goods in another way",
    "split_rejected": "the platform does not accept the split into packages",
    "shipment_rejected": "the platform does not accept the shipment",
    "resend_rejected": "the platform does not accept a changed waybill number",
    "case_elsewhere": "the platform tells of this case elsewhere: it is a compensation",
    "answer_rejected": "the platform does not accept the answer about the goods",
    "error_unknown": "the platform answered with an error that is not known",
}
_REFUSED = "the platform refused"
_COMPENSATION = "isv.change-refund-top-api"
_ORDER_UNKNOWN = ("trade-not-exist", "trade-not-found")


@dataclass(frozen=True, slots=True)
class TopError:
    """An `error_response`: `code` is the gateway's number, `sub_code` the service's own text code."""

    code: int
    sub_code: str
    text: str

    @property
    def tail(self) -> str:
        return self.sub_code.rpartition(":")[2]

    @property
    def facts(self) -> Facts:
        return {"code": self.code, "sub_code": code_of(self.sub_code)}

    def said(self, name: str) -> str:
        """Our sentence for `name`, with the platform's code."""
        return sentence(PHRASES, name, code_of(self.sub_code) or str(self.code), _REFUSED)


def read_error(fields: Fields) -> TopError:
    """Read an `error_response` object; an unreadable number becomes -1."""
    code = fields.text_or("code", "")
    text = fields.said("sub_msg") or fields.said("msg")
    number = int(code) if re.fullmatch(r"[0-9]{1,6}", code) else -1
    return TopError(number, fields.said("sub_code"), text)


def fault_of(error: TopError, *, is_read: bool, now: datetime, is_listing: bool = False) -> FulfilmentError:
    """The error of our tree for an error answer, with a sentence of ours. For a write that may have been carried out it
    is UnknownOutcome.

    `is_listing`: a page of changes was asked for.
    """
    facts = error.facts
    if error.code in CALL_LIMITS or error.sub_code.startswith("accesscontrol."):
        return Throttled("call_limit", error.said("call_limit"), facts, after_s=_ban_s(error, now))
    if error.sub_code == _TOO_MUCH and is_listing:
        narrower = {**facts, NARROWER: True}
        return Throttled("listing_rejected", error.said("listing_rejected"), narrower, after_s=_TOO_MUCH_WAIT_S)
    if error.code in ACCOUNT_FAULTS:
        code = ACCOUNT_FAULTS[error.code]
        return Misconfigured(code, error.said(code), facts)
    if error.code in REQUEST_FAULTS:
        return Refused("request_invalid", error.said("request_invalid"), facts)
    if error.code == _SERVICE_UNAVAILABLE or error.sub_code.startswith("isp.") or error.sub_code == _TOO_MUCH:
        return (Transient if is_read else UnknownOutcome)("platform_failed", error.said("platform_failed"), facts)
    kind, code = _business_fault(error)
    return kind(code, error.said(code), facts)


def _business_fault(error: TopError) -> tuple[type[FulfilmentError], str]:
    if error.tail in LOGISTICS_FAULTS:
        return LOGISTICS_FAULTS[error.tail]
    if error.sub_code == _COMPENSATION:
        return Refused, "case_elsewhere"
    if any(mark in error.sub_code for mark in _ORDER_UNKNOWN):
        return Refused, "order_not_found"
    if error.code >= _FIRST_BUSINESS_CODE or error.sub_code.startswith("isv."):
        return Refused, "platform_refused"
    return Malformed, "error_unknown"


def _ban_s(error: TopError, now: datetime) -> float:
    """The ban's length: from the text, else until midnight in China for a daily quota, else a short wait."""
    found = _BAN.search(error.text)
    if found:
        return min(float(found[1]), _BAN_MAX_S)
    if _DAILY.search(error.text):
        today = now.astimezone(CST)
        midnight = (today + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        return (midnight - today).total_seconds()
    return _LIMIT_WAIT_S
