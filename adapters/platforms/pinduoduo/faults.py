"""Pinduoduo's errors in our tree, by number. Source: the vendor's error tables, and a public client's list."""

import re
from dataclasses import dataclass

from adapters.foreign import code_of, sentence
from adapters.payload import Fields
from adapters.platforms.pinduoduo import describe
from domain.errors import (
    Facts,
    FulfilmentError,
    Malformed,
    Misconfigured,
    Refused,
    Throttled,
    Transient,
    UnknownOutcome,
)

# The platform names no time after which it may be called again.
_LIMIT_WAIT_S = 10.0
_NUMBER = re.compile(r"[0-9]{1,6}", re.ASCII)

CALL_LIMITS = frozenset({52101, 70031, 70032})
# The platform's own system failed, or is closed for a while. A write may have been carried out before.
PLATFORM_FAULTS = frozenset({50000, 52102, 52103, 70033})
# Numbers that concern the account. In a call about one order even these are only an accusation, see `domain.gates`.
ACCOUNT_FAULTS = {
    **dict.fromkeys((10011, 10014, 10016, 10019, 10035), "session_expired"),
    20004: "signature_invalid",
    20005: "ip_not_allowed",
    **dict.fromkeys((20007, 20031), "permission_denied"),
    20032: "app_key_invalid",
    50012: "interface_withdrawn",
    70034: "risk_control",
}
# The router refuses this one request, most often an argument of it. It was not carried out, and never will be.
REQUEST_FAULTS = frozenset({10000, 10001, 10002})
BUSINESS = 50001
_ORDER_UNKNOWN = "45001"
_SERVICE_FAILED = re.compile(r"isv\..*-service-error", re.ASCII)

# Our own sentences for these faults: the platform's texts may quote the buyer.
PHRASES = {
    "call_limit": "the platform limits the calls",
    "platform_failed": "the platform's system failed",
    "session_expired": "the shop's authorization has ended: authorize the app again",
    "signature_invalid": "the platform does not accept the signature: check the client secret",
    "ip_not_allowed": "the platform does not know this machine's address: add it to the app's list",
    "permission_denied": "the app may not call this interface",
    "app_key_invalid": "the access token belongs to another client id",
    "interface_withdrawn": "the platform offers this interface no longer",
    "risk_control": "the platform's risk control has stopped the app: ask the platform",
    "request_invalid": "the platform cannot read the request",
    "order_not_found": "the platform knows no such order",
    "platform_refused": "the platform refused",
    "error_unknown": "the platform answered with an error that is not known",
}


@dataclass(frozen=True, slots=True)
class PddError:
    """An `error_response`: its number, and the service's own sub-code."""

    code: int
    sub_code: str

    @property
    def facts(self) -> Facts:
        return {"code": self.code, "sub_code": code_of(self.sub_code)}

    def said(self, name: str) -> str:
        """Our sentence for `name`, with the platform's code."""
        return sentence(PHRASES, name, code_of(self.sub_code) or str(self.code), PHRASES["platform_refused"])


def read_error(fields: Fields) -> PddError:
    """Read an `error_response` object; an unreadable number becomes -1."""
    code = fields.word("error_code")
    return PddError(int(code) if _NUMBER.fullmatch(code) else -1, fields.word("sub_code"))


def fault_of(error: PddError, method: str) -> FulfilmentError:
    """The error of our tree, with a sentence of ours. For a write that may have been carried out: UnknownOutcome."""
    kind, name = _meaning(error)
    if kind is Throttled:
        return Throttled(name, error.said(name), error.facts, after_s=_LIMIT_WAIT_S)
    if kind is Transient and method in describe.WRITES:
        kind = UnknownOutcome
    return kind(name, error.said(name), error.facts)


def _meaning(error: PddError) -> tuple[type[FulfilmentError], str]:
    if error.code in CALL_LIMITS:
        return Throttled, "call_limit"
    if error.code in ACCOUNT_FAULTS:
        return Misconfigured, ACCOUNT_FAULTS[error.code]
    if error.code in PLATFORM_FAULTS or _SERVICE_FAILED.fullmatch(error.sub_code):
        return Transient, "platform_failed"
    if error.code in REQUEST_FAULTS or error.code == BUSINESS:
        return Refused, _refusal(error)
    return Malformed, "error_unknown"


def _refusal(error: PddError) -> str:
    if error.code in REQUEST_FAULTS:
        return "request_invalid"
    return "order_not_found" if error.sub_code == _ORDER_UNKNOWN else "platform_refused"
