"""SF Express: its words, its signature, and the calls that carry them."""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote_plus
from uuid import uuid4

import msgspec

from adapters.door import Door, Request, post_form
from adapters.foreign import code_of, is_waybill, sentence
from adapters.payload import PAYLOAD_MAX_BYTES, Fields, read_answer
from adapters.plugin import CourierKind, credential
from adapters.ports import Booking, Waybill
from adapters.vectors import Row, Sign, Signature, secret_of
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
    keep_evidence,
)
from domain.order import Address, Pii
from domain.regions import country_of
from infra.config import settings
from infra.process.clock import Clock

NAME = "sf"
CREATE = "EXP_RECE_CREATE_ORDER"
SEARCH = "EXP_RECE_SEARCH_ORDER_RESP"
UPDATE = "EXP_RECE_UPDATE_ORDER"

# Product names of ours; a contract's own `expressTypeId` is given as a number.
SERVICES = {"express": 1, "standard": 2}
DEFAULT_SERVICE = "standard"
# Who pays: sender, receiver, third party.
PAY_METHODS = ("1", "2", "3")
_SENDER, _RECEIVER = 1, 2
_MOTHER = "1"
_UNREACHABLE = 3
_CANCEL = 2
_ALIVE = {"normal": True, "cancelled": False}
_FLOW_CONTROL_S, _PEAK_CONTROL_S = 5.0, 60.0
_CODE = re.compile(r"[A-Z]{0,2}[0-9]{0,6}", re.ASCII)
_MOBILE = re.compile(r"1\d{10}(-\d{1,6})?", re.ASCII)

T = TypeVar("T")
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


# Codes of countries and regions: beyond the mainland those of the telephone.
_COUNTRIES = {"CN": "CN", "HK": "852", "MO": "853", "TW": "886"}


def java_url_encode(text: str) -> str:
    """``java.net.URLEncoder``: unlike `quote_plus` it keeps the asterisk and encodes the tilde."""
    return quote_plus(text, safe="*", errors="replace").replace("~", "%7E")


def sign(body: str, timestamp: str, check_word: str, *, without_url_encoding: bool = False) -> str:
    """`msgDigest`: base64 of the raw MD5 over body, timestamp and check word."""
    text = body + timestamp + check_word
    return _digest(text if without_url_encoding else java_url_encode(text))


def sign_legacy(xml: str, check_word: str) -> str:
    """`verifyCode` of the retired XML interface."""
    return _digest(xml + check_word)


def connect(account: settings.Courier, door: Door, clock: Clock) -> "Sf":
    """Credentials `partner_id`, `check_word`, `monthly_card`.

    Options: `service`, `pay_method` and `sign_without_url_encoding`
    (``true`` for the contracts whose gateway digests the bare text). Raises Misconfigured.
    """
    credential(account, "partner_id")
    credential(account, "check_word")
    credential(account, "monthly_card")
    if account.options.get("pay_method", "1") not in PAY_METHODS:
        raise Misconfigured("pay_method_unknown", f"one of {', '.join(PAY_METHODS)}", {"account": account.account})
    _product(account.options.get("service", DEFAULT_SERVICE))
    return Sf(account, door, clock)


class Sf:
    """See `adapters.ports.Courier`. `new_id` names one request at the gateway, 40 characters at most."""

    is_idempotent = True
    can_find = True
    # Whatever a look-up does not show yet, a second create is refused.
    find_lag_s = 0.0

    def __init__(
        self, account: settings.Courier, door: Door, clock: Clock, new_id: Callable[[], str] = lambda: uuid4().hex
    ) -> None:
        self._account = account
        self._door = door
        self._clock = clock
        self._new_id = new_id

    async def create(self, booking: Booking) -> Waybill:
        content = build_create(booking, self._account)
        return await self._call(
            CREATE, content, partial(read_shipment, reference=booking.reference), is_idempotent=False
        )

    async def find(self, reference: str) -> Waybill | None:
        """A cancelled shipment may come back without its number."""
        content = {"orderId": reference, "searchType": "1", "language": "zh-CN", "isReturnRoutelabel": 1}
        try:
            return await self._call(SEARCH, content, partial(read_shipment, reference=reference), is_idempotent=True)
        except Conflict as error:
            if error.code == "shipment_not_found":
                return None
            if error.code == "shipment_cancelled":
                return Waybill(reference, "", alive=False)
            raise

    async def cancel(self, reference: str, waybill: str) -> None:
        """Raises Conflict ``shipment_not_found``, or ``shipment_collected`` when it must be intercepted instead."""
        content: dict[str, Any] = {"orderId": reference, "dealType": _CANCEL, "language": "zh-CN"}
        if waybill:
            content["waybillNoInfoList"] = [{"waybillType": 1, "waybillNo": waybill}]
        try:
            await self._call(UPDATE, content, read_cancelled, is_idempotent=True)
        except Conflict as error:
            if error.code != "shipment_cancelled":
                raise

    async def _call(
        self, service: str, content: Mapping[str, Any], read: Callable[[Fields], T], *, is_idempotent: bool
    ) -> T:
        body = msgspec.json.encode(content).decode()
        request = build_call(
            self._account, service, body, self._new_id(), self._clock.utcnow().timestamp(), is_idempotent=is_idempotent
        )
        response = await self._door.send(request)
        try:
            if not response.is_ok:
                raise Malformed(f"http_{response.status}", "an answer without an envelope", {"call": service})
            return read(read_envelope(response.body, is_idempotent=is_idempotent))
        except FulfilmentError as error:
            keep_evidence(error, response.body)
            raise


def build_call(
    account: settings.Courier, service: str, body: str, request_id: str, now_s: float, *, is_idempotent: bool
) -> Request:
    """A signed call; `body` is signed and sent as the same text."""
    timestamp = str(int(now_s * 1000))
    check_word = credential(account, "check_word").reveal()
    bare = account.options.get("sign_without_url_encoding") == "true"
    form = {
        "partnerID": credential(account, "partner_id").reveal(),
        "requestID": request_id,
        "serviceCode": service,
        "timestamp": timestamp,
        "msgDigest": sign(body, timestamp, check_word, without_url_encoding=bare),
        "msgData": body,
    }
    return post_form(account.endpoint, service, form, is_idempotent=is_idempotent)


def build_create(booking: Booking, account: settings.Courier) -> dict[str, Any]:
    """Raises Refused: ``receiver_masked``, for SF takes no platform's token instead of a plain receiver, and
    ``service_unknown`` for a service that the order's route names wrongly.
    """
    if booking.receiver.pii is not Pii.PLAIN:
        raise Refused("receiver_masked", "SF needs the plain receiver", {"pii": booking.receiver.pii.value})
    content: dict[str, Any] = {
        "language": "zh-CN",
        "orderId": booking.reference,
        "cargoDetails": [{"name": name, "count": count} for name, count in booking.contents],
        "contactInfoList": [_contact(_SENDER, booking.sender), _contact(_RECEIVER, booking.receiver)],
        "monthlyCard": credential(account, "monthly_card").reveal(),
        "payMethod": int(account.options.get("pay_method", "1")),
        "expressTypeId": _booked_product(booking, account),
        "parcelQty": 1,
        "isReturnRoutelabel": 1,
    }
    if booking.weight_g:
        content["totalWeight"] = booking.weight_g / 1000
    if booking.remark:
        content["remark"] = booking.remark
    return content


def read_envelope(body: bytes, *, is_idempotent: bool) -> Fields:
    """The inner `msgData` of a successful answer, decoded twice. Raises what the code tables say, or Malformed."""
    outer = Fields(read_answer(body), "", Malformed)
    code = outer.text("apiResultCode")
    if code != "A1000":
        kind, name = GATEWAY_FAULTS.get(code, (Malformed, "gateway_code_unknown"))
        raise _fault(kind, name, code, is_idempotent=is_idempotent)
    inner = Fields(read_answer(outer.text("apiResultData", PAYLOAD_MAX_BYTES).encode()), "apiResultData", Malformed)
    number = inner.text("errorCode") if inner.has("errorCode") else ""
    if not inner.flag("success") or number != "S0000":
        kind, name = BUSINESS_FAULTS.get(number, (Refused, "courier_refused"))
        if number in {"", "S0000"}:
            kind, name = Malformed, "answer_contradicts_itself"
        raise _fault(kind, name, number, is_idempotent=is_idempotent)
    return inner.child("msgData")


def read_shipment(shipment: Fields, reference: str) -> Waybill:
    """Answer of create and look-up.

    Raises Malformed for an answer about another order, or one whose state of the shipment cannot be read; Refused
    ``unreachable`` for filterResult 3. With filterResult 1 a person at SF checks the address first, and the route label
    may still be missing; without filterResult the number says that SF took the order.
    """
    if shipment.text("orderId") != reference:
        raise Malformed("answer_not_ours", "the answer speaks of another reference")
    if shipment.has("filterResult") and shipment.whole("filterResult", 1, _UNREACHABLE) == _UNREACHABLE:
        raise Refused("unreachable", "SF does not deliver there", {"side": _side(shipment)})
    numbers = [
        entry.key("waybillNo")
        for entry in shipment.listed("waybillNoInfoList")
        if entry.text_or("waybillType", _MOTHER) == _MOTHER
    ]
    if not numbers:
        shipment.missing("waybillNoInfoList")
    if not is_waybill(numbers[0]):
        shipment.invalid("waybillNo")
    return Waybill(reference, numbers[0], alive=_is_alive(shipment), sort_code=_sort_code(shipment))


def read_cancelled(answer: Fields) -> None:
    """Raises Conflict when order and waybill do not belong together."""
    if answer.whole("resStatus", 1, 2) != _CANCEL:
        raise Conflict("shipment_not_found", "SF knows no such order with this waybill")


def _side(shipment: Fields) -> str:
    """Where SF does not deliver: 1 the sender's place, 2 the receiver's, 3 both."""
    side = shipment.said("remark")
    return side if side in {"1", "2", "3"} else ""


def _is_alive(shipment: Fields) -> bool:
    """A look-up of a cancelled order is answered with error 8037, so a shipment that is shown is alive.

    [assumption] The optional extension list may also say so, as ``orderStatus`` = ``normal`` or ``cancelled``.
    """
    extras = shipment.listed("returnExtraInfoList")
    states = [extra.text_or("attrVal", "") for extra in extras if extra.said("attrName") == "orderStatus"]
    said = [state for state in states if state]
    if any(state not in _ALIVE for state in said):
        shipment.invalid("returnExtraInfoList")
    return all(_ALIVE[state] for state in said)


def _sort_code(shipment: Fields) -> str:
    for label in shipment.listed("routeLabelInfo"):
        if label.said("code") == "1000" and label.has("routeLabelData"):
            return label.child("routeLabelData").key_or("destRouteLabel", "")
    return ""


def _contact(side: int, address: Address) -> dict[str, Any]:
    """A district directly under its province is its own city: SF decides the sorting code by the city."""
    return {
        "contactType": side,
        "contact": address.name,
        "mobile" if _MOBILE.fullmatch(address.phone) else "tel": address.phone,
        "country": _country(address),
        "province": address.province,
        "city": address.city or address.district,
        "county": address.district,
        "address": address.town + address.detail,
        **({"postCode": address.zip_code} if address.zip_code else {}),
    }


def _country(address: Address) -> str:
    """Raises Refused ``country_unknown`` for an address abroad: it names no country."""
    code = _COUNTRIES.get(country_of(address.province))
    if code is None:
        raise Refused("country_unknown", "the address is abroad and names no country")
    return code


def _product(service: str) -> int:
    if service in SERVICES:
        return SERVICES[service]
    if re.fullmatch(r"[0-9]{1,4}", service):
        return int(service)
    raise Misconfigured("service_unknown", f"one of {', '.join(SERVICES)} or a number", {"service": service})


def _booked_product(booking: Booking, account: settings.Courier) -> int:
    """A service that one order's route names wrongly is no fault of the account."""
    try:
        return _product(booking.service or account.options.get("service", DEFAULT_SERVICE))
    except Misconfigured as error:
        raise Refused(error.code, error.message, error.facts) from None


def _fault(kind: type[FulfilmentError], name: str, code: str, *, is_idempotent: bool) -> FulfilmentError:
    shown = code_of(code, _CODE)
    message = sentence(PHRASES, name, shown, _REFUSED)
    facts: Facts = {"courier_code": shown}
    if kind is Throttled:
        return Throttled(name, message, facts, after_s=_PEAK_CONTROL_S if code == "8177" else _FLOW_CONTROL_S)
    if kind is UnknownOutcome and is_idempotent:
        return Transient(name, message, facts)
    return kind(name, message, facts)


def _digest(text: str) -> str:
    # The vendor's protocol signs with MD5.
    return base64.b64encode(hashlib.md5(text.encode(errors="replace")).digest()).decode()  # noqa: S324 - see above


def _row(row: Row) -> Signature:
    body, timestamp, check_word = row["body"], str(row.get("timestamp") or ""), secret_of(row).decode()
    return Signature(
        sign(body, timestamp, check_word),
        {"variant_without_url_encoding": sign(body, timestamp, check_word, without_url_encoding=True)},
    )


def _row_legacy(row: Row) -> Signature:
    return Signature(sign_legacy(row["body"], secret_of(row).decode()))


SIGNERS: Mapping[str, Sign] = {"msgDigest": _row, "legacy BSP verifyCode": _row_legacy}

KIND = CourierKind(NAME, connect, SIGNERS)
