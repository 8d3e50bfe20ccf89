"""From our words to SF's wire format and back: pure functions."""

import re
from typing import Any

from adapters.couriers.sf import describe
from adapters.couriers.sf.faults import BUSINESS_FAULTS, GATEWAY_FAULTS, fault_of
from adapters.foreign import is_waybill
from adapters.payload import PAYLOAD_MAX_BYTES, Fields, read_answer
from adapters.plugin import credential
from adapters.ports import Booking, Interception, InterceptRequest, Waybill
from domain.errors import Conflict, Malformed, Misconfigured, Refused
from domain.order import Address, Pii
from domain.regions import country_of
from infra.config import settings

_MOBILE = re.compile(r"1\d{10}(-\d{1,6})?", re.ASCII)


def build_create(booking: Booking, account: settings.CourierContract) -> dict[str, Any]:
    """Raises Refused: ``receiver_masked``, for SF takes no platform's token instead of a plain receiver, and
    ``service_unknown`` for a service that the order's route names wrongly.
    """
    if booking.receiver.pii is not Pii.PLAIN:
        raise Refused("receiver_masked", "SF needs the plain receiver", {"pii": booking.receiver.pii.value})
    content: dict[str, Any] = {
        "language": "zh-CN",
        "orderId": booking.reference,
        "cargoDetails": [{"name": name, "count": count} for name, count in booking.contents],
        "contactInfoList": [_contact(describe.SENDER, booking.sender), _contact(describe.RECEIVER, booking.receiver)],
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


def build_intercept(request: InterceptRequest, account: settings.CourierContract) -> dict[str, Any]:
    """SF wants the whole address to which the parcel comes back, even where it comes back to its sender."""
    pay_mode = account.options.get("intercept_pay_mode", describe.INTERCEPT_PAY_MODES[-1])
    place = request.back_to
    content: dict[str, Any] = {
        "waybillNo": request.waybill,
        "serviceCode": describe.BRING_BACK,
        "role": describe.ROLE_SENDER,
        "payMode": pay_mode,
        "newDestAddress": {
            "province": place.province,
            "city": place.city or place.district,
            "county": place.district,
            "address": place.town + place.detail,
            "contact": place.name,
            "phone": place.phone,
        },
    }
    if pay_mode in describe.BY_CARD:
        content["monthlyCardNo"] = credential(account, "monthly_card").reveal()
    return content


def read_taken(_answer: Fields) -> Interception:
    """SF took the interception. Its fee and its own number are not read, and often the answer has neither."""
    return Interception.TAKEN


def read_envelope(body: bytes, *, is_idempotent: bool) -> Fields:
    """The inner `msgData` of a successful answer, decoded twice. Raises what the code tables say, or Malformed."""
    return read_success(body, is_idempotent=is_idempotent).child("msgData")


def read_success(body: bytes, *, is_idempotent: bool) -> Fields:
    """The inner answer of a call that succeeded, whose `msgData` may be null. Raises as `read_envelope`."""
    outer = Fields(read_answer(body), "", Malformed)
    code = outer.text("apiResultCode")
    if code != "A1000":
        kind, name = GATEWAY_FAULTS.get(code, (Malformed, "gateway_code_unknown"))
        raise fault_of(kind, name, code, is_idempotent=is_idempotent)
    inner = Fields(read_answer(outer.text("apiResultData", PAYLOAD_MAX_BYTES).encode()), "apiResultData", Malformed)
    number = inner.text("errorCode") if inner.has("errorCode") else ""
    if not inner.flag("success") or number != "S0000":
        kind, name = BUSINESS_FAULTS.get(number, (Refused, "courier_refused"))
        if number in {"", "S0000"}:
            kind, name = Malformed, "answer_contradicts_itself"
        raise fault_of(kind, name, number, is_idempotent=is_idempotent)
    return inner


def read_shipment(shipment: Fields, reference: str) -> Waybill:
    """Answer of create and look-up.

    Raises Malformed for an answer about another order, or one whose state of the shipment cannot be read; Refused
    ``unreachable`` for filterResult 3. With filterResult 1 a person at SF checks the address first, and the route label
    may still be missing; without filterResult the number says that SF took the order.
    """
    if shipment.text("orderId") != reference:
        raise Malformed("answer_not_ours", "the answer speaks of another reference")
    if shipment.has("filterResult") and shipment.whole("filterResult", 1, describe.UNREACHABLE) == describe.UNREACHABLE:
        raise Refused("unreachable", "SF does not deliver there", {"side": _side(shipment)})
    numbers = [
        entry.key("waybillNo")
        for entry in shipment.listed("waybillNoInfoList")
        if entry.text_or("waybillType", describe.MOTHER) == describe.MOTHER
    ]
    if not numbers:
        shipment.missing("waybillNoInfoList")
    if not is_waybill(numbers[0]):
        shipment.invalid("waybillNo")
    return Waybill(reference, numbers[0], alive=_is_alive(shipment), sort_code=_sort_code(shipment))


def read_cancelled(answer: Fields) -> None:
    """Raises Conflict when order and waybill do not belong together."""
    if answer.whole("resStatus", 1, 2) != describe.CANCEL:
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
    if any(state not in describe.ALIVE for state in said):
        shipment.invalid("returnExtraInfoList")
    return all(describe.ALIVE[state] for state in said)


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
    code = describe.COUNTRIES.get(country_of(address.province))
    if code is None:
        raise Refused("country_unknown", "the address is abroad and names no country")
    return code


def _booked_product(booking: Booking, account: settings.CourierContract) -> int:
    """A service that one order's route names wrongly is no fault of the account."""
    try:
        return describe.product_of(booking.service or account.options.get("service", describe.DEFAULT_SERVICE))
    except Misconfigured as error:
        raise Refused(error.code, error.message, error.facts) from None
