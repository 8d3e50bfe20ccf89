"""SF Express's partner interface: create, look up and cancel an order, and look up the routes of parcels.

Source: SF Express developer pages (std/service). The envelope's `apiResultData` is JSON text inside JSON.

What the public pages leave open, chosen here:

- A look-up of a cancelled order succeeds with the numbers it once had, and says so in the documented
  extension list: ``returnExtraInfoList: [{"attrName": "orderStatus", "attrVal": "cancelled"}]``; a living
  one says ``"normal"`` there. Several shipments under one `orderId` stand in `waybillNoInfoList` together,
  the living ones first.
- The `orderId` of a cancelled order stays used: creating it again is 8016.
- Cancelling after collection is 8252.
- A masked receiver (an asterisk in name, number or address) counts as an empty field.
- Routes are shown of ten numbers at most (8003), to whoever names the end of the sender's or receiver's phone; for
  another end a number has no routes and a reason instead. Without permission for routes the call is refused, A1004.
- A partner that is locked out has no permission for any service, A1004.
- Why an interception is not taken has no published codes: 20101 before the collection, 20102 after the delivery, 20103
  for a parcel that is being brought back already. Of an interception only the routes tell more.
- `voids_collected`: a careless system that cancels a shipment which it has collected, and carries it all the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from sandbox.ledger import Ledger
from sandbox.limit import CallLimit, OverLimitError, Says
from sandbox.lost import AnswerLostError
from sandbox.parcels import CannotIntercept, Parcels
from sandbox.poison import Firewall, ForbiddenError
from sandbox.signatures import same, sf_digest
from sandbox.spec import CourierDelays, Location, Secrets
from sandbox.warehouse import Warehouses
from sandbox.waybills import Booked, Waybill, WaybillBook

_CLOCK_S = 600
_MILLISECONDS_FROM = 10**11
_CARD_DIGITS = 10
_SENDER, _RECEIVER = 1, 2
_ROUTES, _NUMBERS_MAX = "EXP_RECE_SEARCH_ROUTES", 10
_INTERCEPT = "EXP_RECE_WANTED_INTERCEPT"
_BRING_BACK, _BY_CARD = "2", frozenset({"3", "4"})
_NOT_TAKEN = {
    CannotIntercept.NOT_COLLECTED: "20101",
    CannotIntercept.DELIVERED: "20102",
    CannotIntercept.REPEATED: "20103",
}
_SYSTEM = ("partnerID", "requestID", "serviceCode", "timestamp", "msgDigest", "msgData")
# Codes of an empty address, contact and phone on either side.
_CONTACT_CODES = {_SENDER: ("1010", "1011", "1012"), _RECEIVER: ("1014", "1015", "1016")}
_MESSAGES = {
    "S0001": "传入参数不是json格式",
    "S0002": "必填参数为空",
    "S0007": "参数类型错误",
    "1010": "寄件人地址不能为空",
    "1011": "寄件人联系人不能为空",
    "1012": "寄件人电话不能为空",
    "1014": "到件人地址不能为空",
    "1015": "到件人联系人不能为空",
    "1016": "到件人电话不能为空",
    "1023": "托寄物名称不能为空",
    "6126": "月结卡号必须为10位数字",
    "8003": "查询单号超过最大数量",
    "8013": "未传入查询单号",
    "8016": "重复下单",
    "8017": "订单号与运单号不匹配",
    "8018": "未查找到对应订单",
    "8024": "未下单",
    "8037": "订单已取消",
    "8057": "快件产品类别为空或未配置",
    "8114": "不允许使用该月结卡号",
    "8196": "收件人电话已被屏蔽",
    "8252": "订单已确认,不能取消",
    "20101": "快件未收取,不支持截单",
    "20102": "快件已签收,不支持截单",
    "20103": "运单已发起截单,不可重复操作",
}

Json = dict[str, Any]


class GatewayError(Exception):
    """Refused at the gateway (`apiResultCode`), before the business saw it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


class OrderError(Exception):
    """Refused by the business (`errorCode`)."""

    def __init__(self, code: str, field: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.message = _MESSAGES[code] + (f":{field}" if field else "")


class Courier:
    """One partner account with its monthly card."""

    def __init__(
        self,
        locations: tuple[Location, ...],
        secrets: Secrets,
        waybills: WaybillBook,
        warehouses: Warehouses,
        ledger: Ledger,
    ) -> None:
        self._locations = locations
        self._secrets = secrets
        self._waybills = waybills
        self._warehouses = warehouses
        self._ledger = ledger
        self.unwelcome: set[str] = set()
        """Numbers of receivers to whom nothing is carried."""
        self.parcels = Parcels(CourierDelays())
        self.can_find = True
        self.can_track = True
        self.can_intercept = True
        self.voids_collected = False
        self.lose_answers = 0
        self.drop_calls = 0
        self.knows_references = True
        self.gives_always = ""
        self.look_up_lag_s = 0.0
        self.limit: CallLimit | None = None
        self.is_locked_out = False
        self.firewall = Firewall()
        self._seen: set[str] = set()
        self._services: dict[str, Callable[[Json, float], Json | None]] = {
            "EXP_RECE_CREATE_ORDER": self._create,
            "EXP_RECE_SEARCH_ORDER_RESP": self._search,
            "EXP_RECE_UPDATE_ORDER": self._update,
            _ROUTES: self._routes,
            _INTERCEPT: self._intercept,
        }

    def answer(self, form: Mapping[str, str], now: float) -> bytes:
        """One call, checked, counted and carried out.

        Raises OverLimitError or ForbiddenError where HTTP refuses it, AnswerLostError where no answer comes.
        """
        service = form.get("serviceCode", "")
        endpoint = service if service in self._services else "sf"
        self._ledger.calls[endpoint] += 1
        try:
            self.firewall.check(form.get("msgData", ""))
            self._spend()
            self._check_call(form, now)
            result = self._business(service, form["msgData"], now)
        except OverLimitError:
            self._ledger.refuse(endpoint, "429", now)
            raise
        except ForbiddenError:
            self._ledger.refuse(endpoint, "403", now)
            raise
        except GatewayError as error:
            self._ledger.refuse(endpoint, error.code, now)
            return _envelope(form, error.code, error.message, "")
        except OrderError as error:
            self._ledger.refuse(endpoint, error.code, now)
            result = {"success": False, "errorCode": error.code, "errorMsg": error.message, "msgData": None}
        return _envelope(form, "A1000", "", msgspec.json.encode(result).decode())

    def _spend(self) -> None:
        try:
            if self.limit is not None:
                self.limit.spend()
        except OverLimitError as over:
            if over.says is Says.HTTP:
                raise
            raise GatewayError("A1005", "系统繁忙,流量控制") from None

    def _check_call(self, form: Mapping[str, str], now: float) -> None:
        empty = [name for name in _SYSTEM if not form.get(name)]
        if empty:
            raise GatewayError("A1001", f"必传参数不可为空:{empty[0]}")
        service = form["serviceCode"]
        may_be_asked = service in self._services and self._may_ask(service)
        if form["partnerID"] != self._secrets.sf_partner_id or not may_be_asked or self.is_locked_out:
            raise GatewayError("A1004", "无对应服务权限")
        expected = sf_digest(form["msgData"], form["timestamp"], self._secrets.sf_check_word)
        if not same(expected, form["msgDigest"]):
            raise GatewayError("A1006", "数字签名无效")
        if not _is_recent(form["timestamp"], now):
            raise GatewayError("A1002", "请求时效已过期")
        if form["requestID"] in self._seen:
            raise GatewayError("A1007", "重复请求")
        self._seen.add(form["requestID"])

    def _may_ask(self, service: str) -> bool:
        return {
            "EXP_RECE_SEARCH_ORDER_RESP": self.can_find,
            _ROUTES: self.can_track,
            _INTERCEPT: self.can_intercept,
        }.get(service, True)

    def _business(self, service: str, text: str, now: float) -> Json:
        try:
            asked = msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.DecodeError:
            raise OrderError("S0001") from None
        try:
            content = self._services[service](asked, now)
        except (TypeError, AttributeError, ValueError, KeyError):
            raise OrderError("S0007") from None
        return {"success": True, "errorCode": "S0000", "errorMsg": None, "msgData": content}

    def _create(self, asked: Json, now: float) -> Json:
        booking = self._booking(asked)
        if self.knows_references and self._waybills.of_reference(booking.reference):
            raise OrderError("8016")
        waybill = self._waybills.book(booking, now)
        self._warehouses.learn(waybill, now)
        return _shipment(self._shown([waybill]), asked)

    def _shown(self, waybills: list[Waybill]) -> list[Waybill]:
        return [replace(each, number=self.gives_always or each.number) for each in waybills]

    def _booking(self, asked: Json) -> Booked:
        """Check a create request field by field. Raises OrderError."""
        for name in ("language", "orderId", "cargoDetails", "contactInfoList", "monthlyCard"):
            if not asked.get(name):
                raise OrderError("S0002", name)
        contacts = {contact["contactType"]: contact for contact in asked["contactInfoList"]}
        for side in (_SENDER, _RECEIVER):
            _check_contact(side, contacts.get(side, {}))
        cargo = tuple((str(item.get("name") or ""), int(item.get("count") or 1)) for item in asked["cargoDetails"])
        if not all(name for name, _ in cargo):
            raise OrderError("1023")
        card = str(asked["monthlyCard"])
        if len(card) != _CARD_DIGITS or not card.isdigit():
            raise OrderError("6126")
        if card != self._secrets.sf_monthly_card:
            raise OrderError("8114")
        if not asked.get("expressTypeId"):
            raise OrderError("8057")
        sender, receiver = contacts[_SENDER], contacts[_RECEIVER]
        mobile = str(receiver.get("mobile") or receiver["tel"])
        if mobile in self.unwelcome:
            raise OrderError("8196", f"{receiver.get('contact')},{mobile},{receiver['address']}")
        return Booked(
            reference=str(asked["orderId"]),
            location=self._location_of(sender),
            origin=_area_code(sender),
            destination=_area_code(receiver),
            receiver_mobile=mobile,
            cargo=cargo,
        )

    def _location_of(self, sender: Json) -> str:
        """Which of our locations the sender's address is."""
        address = str(sender["address"])
        for location in self._locations:
            if location.detail in address:
                return location.name
        return next((location.name for location in self._locations if location.city == sender.get("city")), "")

    def _search(self, asked: Json, now: float) -> Json:
        known = self._waybills.of_reference(_order_id(asked))
        found = [waybill for waybill in known if waybill.created_at <= now - self.look_up_lag_s]
        if not found:
            raise OrderError("8018")
        return _shipment(self._shown(sorted(found, key=lambda waybill: not waybill.is_alive)), asked)

    def _routes(self, asked: Json, now: float) -> Json:
        numbers = [str(number) for number in asked.get("trackingNumber") or ()]
        if not numbers:
            raise OrderError("8013")
        if len(numbers) > _NUMBERS_MAX:
            raise OrderError("8003")
        return {
            "routeResps": [self._routes_of(number, str(asked.get("checkPhoneNo") or ""), now) for number in numbers]
        }

    def _routes_of(self, number: str, phone_end: str, now: float) -> Json:
        waybill = self._waybills.by_number.get(number)
        if waybill is None:
            return {"mailNo": number, "routes": []}
        phones = [location.phone for location in self._locations if location.name == waybill.booking.location]
        ends = {"".join(filter(str.isdigit, phone))[-4:] for phone in (*phones, waybill.booking.receiver_mobile)}
        if phone_end not in ends:
            return {"mailNo": number, "routes": [], "reasonCode": "1", "reasonRemark": "手机号后四位校验不通过"}
        return {"mailNo": number, "routes": self.parcels.routes(waybill, now)}

    def _intercept(self, asked: Json, now: float) -> None:
        """Bring a parcel back. `lose_answers`, `drop_calls`: so many next ones are carried out, or not, unanswered."""
        if self.drop_calls:
            self.drop_calls -= 1
            raise AnswerLostError
        for name in ("waybillNo", "serviceCode", "role", "payMode"):
            if not asked.get(name):
                raise OrderError("S0002", name)
        place = asked.get("newDestAddress") or {}
        if str(asked["serviceCode"]) == _BRING_BACK and not all(
            place.get(name) for name in ("province", "city", "county", "address")
        ):
            raise OrderError("S0002", "newDestAddress")
        if str(asked["payMode"]) in _BY_CARD and asked.get("monthlyCardNo") != self._secrets.sf_monthly_card:
            raise OrderError("8114")
        waybill = self._waybills.by_number.get(str(asked["waybillNo"]))
        if waybill is None:
            raise OrderError("8018")
        why_not = self.parcels.intercept(waybill, now)
        if self.lose_answers:
            self.lose_answers -= 1
            raise AnswerLostError
        if why_not is not None:
            raise OrderError(_NOT_TAKEN[why_not])

    def _update(self, asked: Json, _now: float) -> Json:
        found = self._waybills.of_reference(_order_id(asked))
        if not found:
            raise OrderError("8024")
        if str(asked.get("dealType")) != "2":
            return _updated(found)
        meant = [waybill for waybill in found if _is_meant(waybill, asked)]
        if not meant:
            raise OrderError("8017")
        living = [waybill for waybill in meant if waybill.is_alive]
        if not living:
            raise OrderError("8037")
        if any(waybill.is_collected for waybill in living) and not self.voids_collected:
            raise OrderError("8252")
        for waybill in living:
            waybill.is_alive = False
        return _updated(living)


def _check_contact(side: int, contact: Json) -> None:
    address, person, phone = _CONTACT_CODES[side]
    named = contact.get("contact") or contact.get("company")
    number = contact.get("mobile") or contact.get("tel")
    for code, value in ((address, contact.get("address")), (person, named), (phone, number)):
        if not value or "*" in str(value):
            raise OrderError(code)
    if not contact.get("country"):
        raise OrderError("S0002", "country")


def _is_meant(waybill: Waybill, asked: Json) -> bool:
    """A cancellation may name one of several numbers; without any it means all."""
    numbers = {item.get("waybillNo") for item in asked.get("waybillNoInfoList") or ()}
    return not numbers or waybill.number in numbers


def _order_id(asked: Json) -> str:
    if not asked.get("orderId"):
        raise OrderError("S0002", "orderId")
    return str(asked["orderId"])


def _area_code(contact: Json) -> str:
    place = f"{contact.get('province') or ''}{contact.get('city') or ''}{contact.get('county') or ''}"
    return f"{sum(place.encode()) % 900 + 100}"


def _numbers(waybills: list[Waybill]) -> list[Json]:
    return [{"waybillType": 1, "waybillNo": waybill.number} for waybill in waybills]


def _shipment(waybills: list[Waybill], asked: Json) -> Json:
    """The reply of create and look-up; the route label only when it was asked for."""
    first = waybills[0]
    shown: Json = {
        "orderId": first.booking.reference,
        "originCode": first.booking.origin,
        "destCode": first.booking.destination,
        "filterResult": 2,
        "remark": "",
        "waybillNoInfoList": _numbers(waybills),
        "returnExtraInfoList": [
            {"attrName": "orderStatus", "attrVal": "normal" if first.is_alive else "cancelled"},
        ],
        "routeLabelInfo": None,
    }
    label_asked = asked.get("isReturnRoutelabel", asked.get("isReturnRouteLabel", 1))
    if str(label_asked) == "1":
        shown["routeLabelInfo"] = [{"code": "1000", "routeLabelData": _route_label(first), "message": "SF"}]
    return shown


def _route_label(waybill: Waybill) -> Json:
    booking = waybill.booking
    code = f"{booking.destination}{chr(65 + int(booking.destination) % 26)}-{int(waybill.number[-3:]) % 90 + 10}"
    return {
        "waybillNo": waybill.number,
        "sourceTransferCode": booking.origin,
        "destRouteLabel": code,
        "destTeamCode": code[-2:],
        "codingMapping": code[3:],
        "proCode": "T4",
        "proName": "顺丰标快",
        "twoDimensionCode": f"MMM={{'k1':'{booking.destination}','k5':'{waybill.number}'}}",
    }


def _updated(waybills: list[Waybill]) -> Json:
    return {
        "orderId": waybills[0].booking.reference,
        "resStatus": 2,
        "waybillNoInfoList": _numbers(waybills),
    }


def _is_recent(timestamp: str, now: float) -> bool:
    """Partners send seconds or milliseconds; both are in use."""
    if not (timestamp.isascii() and timestamp.isdigit()):
        return False
    moment = int(timestamp)
    seconds = moment / 1000 if moment >= _MILLISECONDS_FROM else moment
    return abs(seconds - now) <= _CLOCK_S


def _envelope(form: Mapping[str, str], code: str, message: str, data: str) -> bytes:
    return msgspec.json.encode(
        {
            "apiResultCode": code,
            "apiErrorMsg": message,
            "apiResponseID": form.get("requestID", ""),
            "apiResultData": data,
        }
    )
