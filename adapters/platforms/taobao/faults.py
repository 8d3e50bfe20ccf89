"""TOP's errors in our tree. Source: TOP error code pages; logistics sub-codes from its interface pages."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from adapters.china_time import CST
from adapters.payload import Fields
from adapters.ports import NARROWER
from adapters.words import words
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
_SERVICE_UNAVAILABLE = 10
_FIRST_BUSINESS_CODE = 15
_BAN = re.compile(r"([0-9]{1,6})\s*(?:more\s+)?second", re.IGNORECASE)
_DAILY = re.compile(r"\bdaily\b|\bper day\b|\bone day\b|当天|每天|每日", re.IGNORECASE)

# Our account is at fault: nothing about one order changes it.
ACCOUNT_FAULTS = {
    **dict.fromkeys((26, 27), "session_expired"),
    **dict.fromkeys((11, 12, 13), "permission_denied"),
    25: "signature_invalid",
    **dict.fromkeys((28, 29), "app_key_invalid"),
    **dict.fromkeys((30, 31), "timestamp_invalid"),
    **dict.fromkeys((9, 21, 22, 23, 24, 32, 33, 34, 40, 41, 43), "request_invalid"),
}

# The last part of the logistics service's sub-codes.
LOGISTICS_FAULTS: dict[str, tuple[type[FulfilmentError], str]] = {
    "B01": (Refused, "order_not_found"),
    "B02": (Refused, "order_state_wrong"),
    "B04": (Conflict, "already_shipped"),
    "B56": (Refused, "courier_code_unknown"),
    "B60": (Refused, "waybill_rejected"),
    "B150": (Transient, "platform_busy"),
    "P38": (Refused, "split_rejected"),
    "S01": (Refused, "shipment_rejected"),
    "CD01": (Refused, "resend_rejected"),
    "CD19": (Refused, "resend_rejected"),
}
# A listing that asks for too much: the platform wants a pause and a shorter window.
_TOO_MUCH = "isv.trade-service-rejection"
_TOO_MUCH_WAIT_S = 180.0
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
        return {"code": self.code, "sub_code": words(self.sub_code)}


def read_error(fields: Fields) -> TopError:
    """Read an `error_response` object; an unreadable number becomes -1."""
    code = fields.text_or("code", "")
    text = fields.text_or("sub_msg", "") or fields.text_or("msg", "")
    number = int(code) if re.fullmatch(r"[0-9]{1,6}", code) else -1
    return TopError(number, fields.text_or("sub_code", ""), text)


def fault_of(error: TopError, *, is_read: bool, now: datetime) -> FulfilmentError:
    """What an error answer means. For a write that may have been carried out it is UnknownOutcome."""
    text, facts = words(error.text), error.facts
    if error.code in CALL_LIMITS or error.sub_code.startswith("accesscontrol."):
        return Throttled("call_limit", text, facts, after_s=_ban_s(error, now))
    if error.sub_code == _TOO_MUCH:
        return Throttled("listing_rejected", text, {**facts, NARROWER: True}, after_s=_TOO_MUCH_WAIT_S)
    if error.code in ACCOUNT_FAULTS:
        return Misconfigured(ACCOUNT_FAULTS[error.code], text, facts)
    if error.code == _SERVICE_UNAVAILABLE or error.sub_code.startswith("isp."):
        return (Transient if is_read else UnknownOutcome)("platform_failed", text, facts)
    kind, code = _business_fault(error)
    return kind(code, text, facts)


def _business_fault(error: TopError) -> tuple[type[FulfilmentError], str]:
    if error.tail in LOGISTICS_FAULTS:
        return LOGISTICS_FAULTS[error.tail]
    if any(mark in error.sub_code for mark in _ORDER_UNKNOWN):
        return Refused, "order_not_found"
    if error.code >= _FIRST_BUSINESS_CODE or error.sub_code.startswith("isv."):
        return Refused, "platform_refused"
    return Malformed, "error_unknown"


def _ban_s(error: TopError, now: datetime) -> float:
    """The ban's length: from the text, else until midnight in China for a daily quota, else a short wait."""
    found = _BAN.search(error.text)
    if found:
        return float(found[1])
    if _DAILY.search(error.text):
        today = now.astimezone(CST)
        midnight = (today + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        return (midnight - today).total_seconds()
    return _LIMIT_WAIT_S
