"""Douyin's errors in our tree, by sub-code. Source: public copies of the vendor's error tables.

The number before the sub-code is used only where an answer has no known sub-code: two public tables disagree about it.
"""

import re
from dataclasses import dataclass

from adapters.foreign import code_of, sentence
from adapters.payload import Fields
from adapters.platforms.douyin import describe
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

FaultClass = type[FulfilmentError]

# The platform names no time after which it may be called again.
_LIMIT_WAIT_S = 10.0
_SHORTER_WAIT_S = 1.0
_NUMBER = re.compile(r"[0-9]{1,6}", re.ASCII)

# Beginnings of sub-codes that speak of the account. In a call about one order even these are only an accusation, see
# `domain.gates`.
ACCOUNT_FAULTS = {
    **dict.fromkeys(
        (
            "isv.access-token-expired",
            "isv.access-token-no-existed",
            "isv.access-token-invalid",
            "isv.access-token-missing",
        ),
        "session_expired",
    ),
    **dict.fromkeys(("dop.authorization-no-existed", "dop.authorization-closed"), "authorization_closed"),
    **dict.fromkeys(
        (
            "isv.app-permissions-insufficient",
            "isv.authorization-type-invalid",
            "dop.no-permissions",
            "dop.app-forbidden",
        ),
        "permission_denied",
    ),
    **dict.fromkeys(("isv.signature-invalid", "isv.signature-missing"), "signature_invalid"),
    **dict.fromkeys(("isv.timestamp-invalid", "isv.timestamp-format-error"), "timestamp_invalid"),
    **dict.fromkeys(("isv.app-id-missing", "isv.app-id-invalid", "isv.app-id-expired"), "app_key_invalid"),
    **dict.fromkeys(("isp.api-service-off", "isp.comment-service-off"), "interface_withdrawn"),
    "isv.env-suspected": "risk_control",
}
# The same by number, for sub-codes that are in no table.
ACCOUNT_CODES = {
    "30001": "permission_denied",
    "30002": "ip_not_allowed",
    "70000": "interface_withdrawn",
    "80000": "risk_control",
}
_LIMITS = ("isp.traffic-limited", "isv.traffic-limited")
_LIMITED = "60000"
_SYSTEM = ("isp.", "dop.service-error", "dop.unknown-error")
_SYSTEM_CODES = frozenset({"20000", "20001"})
_REQUEST = (
    "isv.parameter-invalid",
    "isv.parameter-format-invalid",
    "isv.parameter-missing",
    "isv.missing-parameter",
)
_KNOWN_REQUEST_ID = "isv.idempotent-id-existed"
_IN_PART = "10001"
# A listing that is asked for rows beyond the depth.
_TOO_DEEP = "20013"

# The last part of sub-codes, by what was called.
READ_FAULTS: dict[str, tuple[FaultClass, str]] = {
    **dict.fromkeys(("20001", "20014", "20015", "50049"), (Refused, "order_not_found")),
    **dict.fromkeys(("20004", "20005", "20045", "20055"), (Transient, "platform_busy")),
}
SHIP_FAULTS: dict[str, tuple[FaultClass, str]] = {
    # Nothing is left to ship: what the order shows decides.
    **dict.fromkeys(("60110", "70023"), (Conflict, "already_shipped")),
    "60113": (Conflict, "order_finished"),
    "60021": (Conflict, "order_closed"),
    **dict.fromkeys(("60033", "60101", "60102", "50049", "60016"), (Refused, "order_not_found")),
    **dict.fromkeys(("60137", "60131"), (Refused, "order_state_wrong")),
    # The platform looks at such an order for an hour or two.
    "60109": (Transient, "risk_review"),
    **dict.fromkeys(("60040", "60120", "10032", "70005"), (Refused, "refund_open")),
    "60068": (Refused, "refund_paid"),
    **dict.fromkeys(("60017", "60127", "70018", "70019", "70020", "70022"), (Refused, "waybill_rejected")),
    **dict.fromkeys(("60018", "60011"), (Refused, "courier_code_unknown")),
    **dict.fromkeys(("60128", "60026", "60126", "60138", "700005", "700042"), (Refused, "courier_rejected")),
    **dict.fromkeys(
        ("60022", "60024", "60057", "60069", "60107", "60108", "60111", "600111", "60116", "60122", "60123"),
        (Refused, "shipping_kind_wrong"),
    ),
    **dict.fromkeys(("60079", "60080", "60104", "60105", "700047"), (Refused, "split_rejected")),
    **dict.fromkeys(("60046", "60047", "60051", "60056", "60062"), (Refused, "serial_number_wanted")),
    **dict.fromkeys(
        ("60027", "60028", "60070", "60071", "60072", "60134", "70016", "700029"), (Refused, "shop_address_wanted")
    ),
    **dict.fromkeys(
        ("60106", "60114", "60118", "60121", "60124", "60125", "60132", "70009", "8888", "120018", "120032"),
        (Transient, "platform_busy"),
    ),
}
CASE_FAULTS: dict[str, tuple[FaultClass, str]] = {
    "11003": (Refused, "case_not_found"),
    "11000": (Refused, "request_invalid"),
    "10002": (Transient, "platform_busy"),
}
ANSWER_FAULTS: dict[str, tuple[FaultClass, str]] = {
    **CASE_FAULTS,
    "11002": (Refused, "assistant_off"),
    "12001": (Conflict, "already_refunded"),
    "12000": (Transient, "platform_busy"),
    "11004": (Refused, "request_invalid"),
    **dict.fromkeys(("10000", "10002"), (UnknownOutcome, "platform_failed")),
}
DECRYPT_FAULTS: dict[str, tuple[FaultClass, str]] = {
    **dict.fromkeys(("300003", "300008"), (Refused, "decryption_refused")),
}
# Our own sentences for these faults: the platform's texts may quote the buyer.
PHRASES = {
    "call_limit": "the platform limits the calls of the app",
    "listing_too_deep": "the listing has more rows than the platform shows: it is asked again for a shorter window",
    "session_expired": "the shop's access token has ended: authorize the app again",
    "authorization_closed": "the shop has closed the app's authorization, or it has ended",
    "permission_denied": "the app may not call this interface",
    "signature_invalid": "the platform does not accept the signature: check the app secret",
    "app_key_invalid": "the platform does not accept the app key",
    "timestamp_invalid": "the platform finds the request's time wrong: check this machine's clock",
    "ip_not_allowed": "this machine's address is not on the app's list",
    "interface_withdrawn": "the platform has withdrawn this interface",
    "risk_control": "the platform's risk control has stopped the app or the shop",
    "request_invalid": "the platform cannot read the request",
    "platform_failed": "the platform's system failed",
    "platform_busy": "the platform is busy",
    "order_not_found": "the platform knows no such order of this shop",
    "order_state_wrong": "the order's state on the platform does not allow this",
    "order_finished": "the order is finished on the platform",
    "order_closed": "the platform has closed the order",
    "already_shipped": "the platform shows the order as shipped",
    "risk_review": "the platform's risk control looks at the order",
    "refund_open": "the buyer has asked for a refund",
    "refund_paid": "the buyer has been paid back",
    "waybill_rejected": "the platform does not accept the waybill number",
    "courier_code_unknown": "the platform does not know the courier's code",
    "courier_rejected": "the platform does not accept this courier for the waybill number or the order",
    "shipping_kind_wrong": "the platform ships this kind of order in another way",
    "split_rejected": "the platform does not accept the split into packages",
    "serial_number_wanted": "the platform wants serial numbers with this shipment, or finds them wrong",
    "shop_address_wanted": "the shop's sender or return address on the platform is missing or wrong",
    "case_not_found": "the platform knows no such case",
    "assistant_off": "the shop has not switched on the assistant's strategy for stopped goods",
    "already_refunded": "the platform has paid the buyer back in another way",
    "decryption_refused": "the platform does not decrypt these receivers",
    "error_unknown": "the platform answered with an error that is not known",
}
_REFUSED = "the platform refused"


@dataclass(frozen=True, slots=True)
class DouyinError:
    """An answer without success: `code` is the gateway's number, `sub_code` the text after it."""

    code: str
    sub_code: str

    @property
    def tail(self) -> str:
        return self.sub_code.rpartition(":")[2]

    @property
    def head(self) -> str:
        return self.sub_code.partition(":")[0]

    @property
    def facts(self) -> Facts:
        return {"code": code_of(self.code), "sub_code": code_of(self.head), "detail": code_of(self.tail)}

    def said(self, name: str) -> str:
        """Our sentence for `name`, with the platform's code."""
        return sentence(PHRASES, name, code_of(self.tail) or code_of(self.code), _REFUSED)


def read_error(answer: Fields) -> DouyinError | None:
    """The error of an answer; None for a success. Raises Malformed for an answer that says neither."""
    code = answer.word("code")
    if not code:
        answer.missing("code")
    if code == describe.SUCCESS:
        return None
    sub_code = answer.said("sub_code")
    return DouyinError(code if _NUMBER.fullmatch(code) else "", sub_code)


def fault_of(error: DouyinError, method: str) -> FulfilmentError:
    """The error of our tree for an answer of `method`, with a sentence of ours. For a write that may have been carried
    out it is UnknownOutcome.
    """
    kind, name = _class_of(error, method)
    facts, text = error.facts, error.said(name)
    if name == "listing_too_deep":
        return Throttled(name, text, {**facts, NARROWER: True}, after_s=_SHORTER_WAIT_S)
    if kind is Throttled:
        return Throttled(name, text, facts, after_s=_LIMIT_WAIT_S)
    return kind(name, text, facts)


def _class_of(error: DouyinError, method: str) -> tuple[FaultClass, str]:
    head = error.head
    if head.startswith(_LIMITS) or error.code == _LIMITED:
        return Throttled, "call_limit"
    if head in ACCOUNT_FAULTS or (error.code in ACCOUNT_CODES and not head.startswith("isv.business-failed")):
        return Misconfigured, ACCOUNT_FAULTS.get(head) or ACCOUNT_CODES[error.code]
    if method in describe.LISTINGS and error.tail == _TOO_DEEP:
        return Throttled, "listing_too_deep"
    if head.startswith(_SYSTEM) or (not head and error.code in _SYSTEM_CODES):
        return (UnknownOutcome if method in describe.WRITES else Transient), "platform_failed"
    if head == _KNOWN_REQUEST_ID:
        # Sent before, by us: what the order shows decides.
        return Conflict, "already_shipped"
    return _business_fault(error, method)


def _business_fault(error: DouyinError, method: str) -> tuple[FaultClass, str]:
    table = _TABLES.get(method, {})
    if error.tail in table:
        return table[error.tail]
    if error.head.startswith(_REQUEST):
        return Refused, "request_invalid"
    if error.head.startswith("isv.") or error.code == _IN_PART:
        return Refused, "platform_refused"
    return Malformed, "error_unknown"


_TABLES = {
    describe.LIST_CHANGES: READ_FAULTS,
    describe.READ_ORDER: READ_FAULTS,
    describe.SHIP_ALL: SHIP_FAULTS,
    describe.SHIP_LINES: SHIP_FAULTS,
    describe.LIST_CASES: CASE_FAULTS,
    describe.READ_CASE: CASE_FAULTS,
    describe.ANSWER_STOP: ANSWER_FAULTS,
    describe.DECRYPT: DECRYPT_FAULTS,
}
