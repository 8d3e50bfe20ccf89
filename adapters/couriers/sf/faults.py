"""SF's error codes in our tree. Source: SF Express open platform documentation, error pages."""

import re
from collections.abc import Mapping

from adapters.foreign import code_of, sentence
from domain.errors import Conflict, Facts, FulfilmentError, Misconfigured, Refused, Throttled, Transient, UnknownOutcome

_FLOW_CONTROL_S, _PEAK_CONTROL_S = 5.0, 60.0
_CODE = re.compile(r"[A-Z]{0,2}[0-9]{0,6}", re.ASCII)

Fault = tuple[type[FulfilmentError], str]

# UnknownOutcome: SF may have carried it out; for a repeatable call it becomes Transient. Misconfigured is only for what
# belongs to the contract as a whole: timestamp, IP list, permission, signature and monthly card. Any other refusal, and
# every unknown code, is the fault of that order.
GATEWAY_FAULTS: Mapping[str, Fault] = {
    "A1001": (Refused, "request_invalid"),
    "A1002": (Misconfigured, "timestamp_invalid"),
    "A1003": (Misconfigured, "ip_not_allowed"),
    "A1004": (Misconfigured, "permission_denied"),
    "A1005": (Throttled, "flow_control"),
    "A1006": (Misconfigured, "signature_invalid"),
    "A1007": (UnknownOutcome, "request_repeated"),
    "A1008": (Misconfigured, "signature_invalid"),
    "A1009": (UnknownOutcome, "courier_failed"),
    "A1099": (UnknownOutcome, "courier_failed"),
}
NOT_FOUND = frozenset({"8017", "8018", "6150", "8024"})
CANCELLED = "8037"
BUSINESS_FAULTS: Mapping[str, Fault] = {
    "S0003": (UnknownOutcome, "courier_failed"),
    **dict.fromkeys(("S0001", "S0002", "S0004", "S0005", "S0006", "S0007"), (Refused, "booking_invalid")),
    "8016": (Conflict, "duplicate_reference"),
    **dict.fromkeys(NOT_FOUND, (Conflict, "shipment_not_found")),
    CANCELLED: (Conflict, "shipment_cancelled"),
    "8252": (Conflict, "shipment_collected"),
    "8177": (Throttled, "peak_control"),
    **dict.fromkeys(("1010", "1011", "1012"), (Refused, "sender_incomplete")),
    **dict.fromkeys(("1014", "1015", "1016"), (Refused, "receiver_incomplete")),
    "1023": (Refused, "contents_unnamed"),
    **dict.fromkeys(("6126", "8114", "8119"), (Misconfigured, "monthly_card_rejected")),
    **dict.fromkeys(("8057", "8179", "8256"), (Refused, "product_not_in_contract")),
    **dict.fromkeys(("8191", "8247"), (Refused, "waybill_of_other_environment")),
    **dict.fromkeys(("8067", "8117"), (Refused, "too_many_packages")),
    "8196": (Refused, "phone_blocked"),
    "20035": (Refused, "goods_prohibited"),
    **dict.fromkeys(("20036", "8051", "8052", "8053", "8096", "20011", "20012"), (Refused, "service_unavailable")),
}

# Our own words for these faults: the courier's may quote the receiver.
PHRASES: Mapping[str, str] = {
    "request_invalid": "the courier cannot read the request",
    "timestamp_invalid": "the courier finds the request's time wrong: check this machine's clock",
    "ip_not_allowed": "the courier does not accept this machine's address",
    "permission_denied": "the account may not call this service",
    "flow_control": "the courier limits the calls of the account",
    "peak_control": "the courier limits calls in its peak",
    "signature_invalid": "the courier does not accept the signature: check the check word",
    "request_repeated": "the courier has seen this request before",
    "courier_failed": "the courier's system failed",
    "gateway_code_unknown": "the courier's gateway answered with a code that is not known",
    "answer_contradicts_itself": "the courier's answer says success and failure at once",
    "booking_invalid": "the courier finds the booking's content wrong",
    "duplicate_reference": "the courier has a shipment with this reference",
    "shipment_not_found": "the courier knows no such shipment",
    "shipment_cancelled": "the shipment is cancelled",
    "shipment_collected": "the courier has collected the shipment",
    "sender_incomplete": "the sender's data are not complete",
    "receiver_incomplete": "the receiver's data are not complete",
    "contents_unnamed": "the contents have no name",
    "monthly_card_rejected": "the courier does not accept the monthly card",
    "product_not_in_contract": "the contract does not hold this product",
    "waybill_of_other_environment": "the waybill belongs to the courier's other environment",
    "too_many_packages": "the order has too many packages",
    "phone_blocked": "the courier blocks this phone number",
    "goods_prohibited": "the courier does not carry these goods",
    "service_unavailable": "the courier does not offer this service there",
}
_REFUSED = "the courier refused"


def fault_of(kind: type[FulfilmentError], name: str, code: str, *, is_idempotent: bool) -> FulfilmentError:
    """The error for SF's `code`, in words of ours. `is_idempotent`: the call may be sent again without harm."""
    shown = code_of(code, _CODE)
    message = sentence(PHRASES, name, shown, _REFUSED)
    facts: Facts = {"courier_code": shown}
    if kind is Throttled:
        return Throttled(name, message, facts, after_s=_PEAK_CONTROL_S if code == "8177" else _FLOW_CONTROL_S)
    if kind is UnknownOutcome and is_idempotent:
        return Transient(name, message, facts)
    return kind(name, message, facts)
