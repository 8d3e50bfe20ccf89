"""SF's routes: what happened to a parcel, as a look-up answers and as a push tells. Pure functions.

Source: SF Express open platform documentation (qiao), route query and route push; codes as seen in public clients.

- One call asks about ten numbers at most, and names the last four digits of the sender's or receiver's phone.
- A look-up names a first and a secondary status beside `opCode`, a push a reason instead.
- 8000 is the detail of the signing that 80 tells; 80 with 4/401 is also sent for a drop into a locker of SF's own,
  which only the text says.
- What became of an interception has no code of its own: the text of an event that says nothing else of the way tells.
- Of a text nothing else is read, and nothing is kept: it names people and their numbers.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from adapters.china_time import read_cst
from adapters.foreign import code_of, is_waybill
from adapters.payload import Fields, read_answer
from adapters.ports import TrackAnswer, Tracked, TrackEvent
from domain.errors import FulfilmentError, Malformed, Refused
from domain.tracking import ParcelKind

ROUTES = "EXP_RECE_SEARCH_ROUTES"
NUMBERS_MAX = 10
PHONE_DIGITS = 4
# Events of one parcel that are read; a parcel that circles for weeks has some dozens.
EVENTS_MAX = 500

_K = ParcelKind
_CODES: Mapping[str, ParcelKind] = {
    **dict.fromkeys(("50", "54", "43"), _K.COLLECTED),
    **dict.fromkeys(("30", "36", "302", "304", "305", "3036", "10", "105"), _K.DEPARTED),
    **dict.fromkeys(("31", "11", "106"), _K.AT_HUB),
    **dict.fromkeys(("204", "44", "634", "630"), _K.OUT_FOR_DELIVERY),
    **dict.fromkeys(("125", "130", "218", "607", "642", "657", "658", "678"), _K.AT_LOCKER),
    **dict.fromkeys(("80", "8000"), _K.DELIVERED),
    **dict.fromkeys(("33", "70"), _K.ATTEMPT_FAILED),
    **dict.fromkeys(("99", "631"), _K.RETURNING),
    "648": _K.FORWARDED,
}
# A code with the reason of a push.
_REASONS: Mapping[tuple[str, str], ParcelKind] = {
    ("8000", "6"): _K.LOST,
    ("8000", "2"): _K.LOST,
    ("70", "46"): _K.OTHER,
    ("70", "83"): _K.AT_LOCKER,
    ("70", "85"): _K.AT_LOCKER,
}
# 99 with another reason sends the parcel on to another address.
_TURNS_BACK = "2"
# A code with the first status of a look-up: 44 is also sent of parcels that only move, 33 of a cancelled pick-up.
_STATUSES: Mapping[tuple[str, str], ParcelKind] = {("44", "2"): _K.DEPARTED, ("33", "5"): _K.OTHER}
_OWN_LOCKER = "自助柜"
_INTERCEPTED, _NOT_INTERCEPTED = ("拦截成功", "召回成功"), ("拦截失败", "无法拦截")
_CODE = re.compile(r"[0-9]{1,4}", re.ASCII)


def build_routes(waybills: Sequence[str], phone_end: str) -> dict[str, Any]:
    """The content of a look-up of at most `NUMBERS_MAX` numbers, all of parcels with a phone that ends so."""
    content: dict[str, Any] = {
        "language": "0",
        "trackingType": "1",
        "trackingNumber": list(waybills),
        "methodType": "1",
    }
    return {**content, "checkPhoneNo": phone_end} if phone_end else content


def calls_of(tracked: Iterable[Tracked]) -> list[tuple[str, list[str]]]:
    """The calls that ask about parcels: a phone's end and the numbers, at most `NUMBERS_MAX` in each."""
    by_phone: dict[str, list[str]] = {}
    for one in tracked:
        digits = "".join(character for character in one.phone if character.isdecimal() and character.isascii())
        by_phone.setdefault(digits[-PHONE_DIGITS:], []).append(one.waybill)
    return [
        (end, numbers[start : start + NUMBERS_MAX])
        for end, numbers in by_phone.items()
        for start in range(0, len(numbers), NUMBERS_MAX)
    ]


def read_routes(answer: Fields, waybills: Sequence[str]) -> TrackAnswer:
    """The events of each number that was asked about, or why they are not known.

    Raises Malformed for an answer without the list. A number that the answer leaves out is an error of that number: it
    does not say that nothing happened.
    """
    if not answer.has("routeResps"):
        answer.missing("routeResps")
    found: dict[str, tuple[TrackEvent, ...] | FulfilmentError] = {
        number: Malformed("waybill_not_answered", "the courier's answer leaves the number out") for number in waybills
    }
    for path, entry in answer.entries("routeResps", limit=10 * NUMBERS_MAX):
        shown = Fields(entry, path, Malformed)
        number = shown.key("mailNo")
        if number in found:
            try:
                found[number] = _routes_of(shown)
            except FulfilmentError as error:
                found[number] = error
    return found


def _routes_of(shown: Fields) -> tuple[TrackEvent, ...]:
    routes = shown.listed("routes", limit=EVENTS_MAX)
    if not routes and (code := shown.word("reasonCode")):
        raise Refused("routes_refused", "the courier shows no events", {"courier_code": code_of(code, _CODE)})
    return _told_apart([_looked_up(route) for route in routes])


def _looked_up(route: Fields) -> tuple[TrackEvent, bool]:
    """An event of a look-up, and whether its text names a locker of SF's own."""
    code = _code(route)
    first, secondary = (code_of(route.word(name), _CODE) for name in ("firstStatusCode", "secondaryStatusCode"))
    kind = _intercepted(_STATUSES.get((code, first), _CODES.get(code, ParcelKind.OTHER)), route)
    detail = "/".join(part for part in (first, secondary) if part)
    at = route.moment("acceptTime", read_cst)
    return TrackEvent(code, kind, at, detail), _OWN_LOCKER in route.said("remark")


def read_push(body: bytes) -> dict[str, tuple[TrackEvent, ...]]:
    """The events of a route push by waybill number. Raises Malformed for a body of which one event cannot be read.

    The courier sends a refused push again, so that no event of it is lost.
    """
    pushed = Fields(read_answer(body), "", Malformed).child("Body").listed("WaybillRoute")
    by_number: dict[str, list[tuple[TrackEvent, bool]]] = {}
    for route in pushed:
        number = route.key("mailno")
        if not is_waybill(number):
            route.invalid("mailno")
        by_number.setdefault(number, []).append(_pushed(route))
    return {number: _told_apart(events) for number, events in by_number.items()}


def _pushed(route: Fields) -> tuple[TrackEvent, bool]:
    code, reason = _code(route), code_of(route.word("reasonCode"), _CODE)
    kind = _REASONS.get((code, reason), _CODES.get(code, ParcelKind.OTHER))
    if code == "99" and reason not in {"", _TURNS_BACK}:
        kind = ParcelKind.FORWARDED
    kind = _intercepted(kind, route)
    event = TrackEvent(f"{code}+{reason}" if reason else code, kind, route.moment("acceptTime", read_cst), "")
    return event, _OWN_LOCKER in route.said("remark")


def _intercepted(kind: ParcelKind, route: Fields) -> ParcelKind:
    """The kind by the event's text, for an event about an interception whose code has no kind."""
    if kind is not ParcelKind.OTHER:
        return kind
    text = route.said("remark")
    if any(word in text for word in _NOT_INTERCEPTED):
        return ParcelKind.INTERCEPT_FAILED
    return ParcelKind.INTERCEPTED if any(word in text for word in _INTERCEPTED) else kind


def _code(route: Fields) -> str:
    """Unknown codes are kept as they are, as far as they have the form of a code."""
    return code_of(route.word("opCode"), _CODE) or "?"


def _told_apart(events: Sequence[tuple[TrackEvent, bool]]) -> tuple[TrackEvent, ...]:
    """Signings that are drops into a locker of SF's own become that, with the detail 8000 of the same moment."""
    dropped_at = {event.at for event, names_locker in events if names_locker and event.kind is ParcelKind.DELIVERED}
    return tuple(
        replace(event, kind=ParcelKind.AT_LOCKER)
        if event.kind is ParcelKind.DELIVERED and event.at in dropped_at
        else event
        for event, _ in events
    )
