"""The platform's business methods on top of TOP's envelope.

Source: TOP open platform documentation of each method. Beyond it the sandbox does what real listings do
under load: now and then one row stands on two neighbouring pages.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from zlib import crc32

import msgspec

from sandbox import top
from sandbox.happenings import Happenings
from sandbox.ledger import Alarm, Ledger, WriteBack
from sandbox.limit import CallLimit, OverLimitError, Says
from sandbox.lost import AnswerLostError
from sandbox.model import Plan
from sandbox.people import person_of
from sandbox.poison import Spoilt
from sandbox.refunds import CaseDesk, paid
from sandbox.sending import DUMMY, OFFLINE, lines_to_hand_out, lines_to_send, pieces_to_send
from sandbox.spec import Secrets
from sandbox.top import TopError
from sandbox.trades import Shipment, Trade, document, plain_receiver
from sandbox.waybills import WaybillBook

_DAY_S = 86_400
_PAGE_MAX, _PAGE_USUAL = 100, 40
_DECRYPT_MAX = 20
_REPEAT_EVERY = 8
_TRUE, _FALSE = frozenset({"true", "1"}), frozenset({"", "false", "0"})
_ONLY_IN_FULLINFO = frozenset(
    {"buyer_message", "buyer_memo", "seller_memo", "trade_attr", "promotion_details", "step_paid_fee"}
)
_ONLY_IN_REFUND_GET = frozenset({"cs_status", "refund_remind_timeout"})
# A case that only the call for special refunds tells of.
_COMPENSATION = "PRICE_PROTECTION"
# code: (id, name, pattern of its waybill numbers); the platform lists J&T under the old Best code.
COMPANIES: dict[str, tuple[int, str, str]] = {
    "SF": (505, "顺丰速运", r"^SF\d{13}$|^\d{12}$"),
    "ZTO": (500, "中通快递", r"^\d{12,15}$"),
    "YTO": (101, "圆通速递", r"^YT\d{13}$"),
    "STO": (100, "申通快递", r"^77\d{13}$"),
    "YUNDA": (102, "韵达快递", r"^\d{13}$|^\d{15}$"),
    "EMS": (2, "EMS", r"^[A-Z]{2}\d{9}[A-Z]{2}$"),
    "POSTB": (200734, "邮政快递包裹", r"^\d{13}$"),
    "HTKY": (502, "极兔速递", r"^JT\d{12,13}$"),
    "DBKD": (658178186, "德邦快递", r"^DPK\d{11,}$"),
}

Params = Mapping[str, str]
Body = dict[str, object]
_Method = Callable[[str, Params, float], Body]
_PAGE = b"<html><body>Please try again later.</body></html>"


class _Query(msgspec.Struct, frozen=True):
    """One receiver to decrypt; the platform takes its trade number as text or number."""

    tid: int | str
    oaid: str
    scene: int | str = ""


class Platform:
    """Answers TOP calls for all shops of one application."""

    def __init__(
        self, plan: Plan, secrets: Secrets, happenings: Happenings, waybills: WaybillBook, ledger: Ledger
    ) -> None:
        self._secrets = secrets
        self._book = happenings.book
        self._happenings = happenings
        self._waybills = waybills
        self.ledger = self._ledger = ledger
        self._shops = {shop.session: shop.name for shop in plan.shops}
        self._calls = 0
        self.limit: CallLimit | None = None
        self.locked_out: set[str] = set()
        """Shops whose session has expired."""
        self.spoilt: dict[str, Spoilt] = {}
        """Numbers of trades that can never be read in full."""
        self.spoiled: dict[int, dict[str, msgspec.Raw]] = {}
        """Fields that stand in every answer that shows the trade, whatever was asked for."""
        self.desk = CaseDesk(self._book.cases, self._book.find, self._pay, waybills, ledger)
        self._methods: dict[str, _Method] = {
            "taobao.trades.sold.increment.get": self._changed,
            "taobao.trade.fullinfo.get": self._fullinfo,
            "taobao.top.oaid.decrypt": self._decrypt,
            "taobao.logistics.offline.send": self._send,
            "alibaba.ascp.logistics.offline.send": self._send_pieces,
            "taobao.logistics.dummy.send": self._hand_out,
            "taobao.logistics.companies.get": self._companies,
            "taobao.refunds.receive.get": self._refunds,
            "taobao.refund.get": self._refund,
            "taobao.rdc.aligenius.sendgoods.cancel": self.desk.answer_stop,
        }

    def answer(self, form: Params, now: float) -> bytes:
        """One call, checked, counted and carried out. Raises OverLimitError for one that HTTP refuses."""
        self._book.advance(now)
        self._happenings.advance(now)
        self._calls += 1
        request_id = f"s{self._calls:011x}"
        method = form.get("method", "")
        endpoint = method if method in self._methods else "taobao"
        self._ledger.calls[endpoint] += 1
        try:
            self._spend()
            top.check_call(form, self._secrets.app_key, self._secrets.app_secret, now)
            carry_out = self._method(method)
            body = carry_out(top.shop_of_session(form, self._open_shops()), form, now)
        except OverLimitError:
            self._ledger.refuse(endpoint, "429", now)
            raise
        except AnswerLostError:
            self._ledger.refuse(endpoint, "lost", now)
            raise
        except TopError as error:
            self._ledger.refuse(endpoint, f"{error.code} {error.sub_code}".strip(), now)
            return top.refusal(error, request_id)
        whole = top.answer(method, body, request_id, simplify=_is_true(form, "simplify"))
        spoilt = self.spoilt.get(form.get("tid", "")) if "fullinfo" in method else None
        if spoilt is Spoilt.PAGE:
            return _PAGE
        return whole[: len(whole) // 2] if spoilt is Spoilt.TORN else whole

    def _spend(self) -> None:
        try:
            if self.limit is not None:
                self.limit.spend()
        except OverLimitError as over:
            if over.says is Says.HTTP:
                raise
            raise top.over_limit(is_daily=over.says is Says.DAY, ban_s=over.retry_after_s) from None

    def _open_shops(self) -> Mapping[str, str]:
        if not self.locked_out:
            return self._shops
        return {session: shop for session, shop in self._shops.items() if shop not in self.locked_out}

    def _method(self, name: str) -> _Method:
        if name not in self._methods:
            raise TopError(22, "Invalid Method", "isv.method-not-exist", "不存在的方法名")
        return self._methods[name]

    def _pay(self, trade: Trade, oid: int, now: float) -> None:
        paid(trade, oid, now)
        self._book.touch(trade, now)

    def _refunds(self, shop: str, params: Params, _now: float) -> Body:
        start, end, page, size = _window(params)
        fields = _fields(_required(params, "fields")) - _ONLY_IN_REFUND_GET
        ids = _with_repeat(list(self._book.cases.changed(shop, start, end)), size, f"{shop}/{start}/{end}")
        chosen = [self._book.cases.by_id[id_] for id_ in ids[(page - 1) * size : page * size]]
        rows = [
            {name: value for name, value in self.desk.show(case, self._book.trades[case.tid]).items() if name in fields}
            for case in chosen
        ]
        body: Body = {"refunds": rows if _is_true(params, "simplify") else {"refund": rows}}
        if _is_true(params, "use_has_next"):
            return {**body, "has_next": page * size < len(ids)}
        return {**body, "total_results": len(ids)}

    def _refund(self, shop: str, params: Params, _now: float) -> Body:
        fields = _fields(_required(params, "fields"))
        case = self._book.cases.by_id.get(_number(params, "refund_id"))
        trade = self._book.find(shop, case.tid) if case is not None else None
        if case is None or trade is None:
            raise top.business("isv.refund-not-exist", "退款不存在")
        if case.odd.get("dispute_type") == _COMPENSATION:
            raise top.business("isv.change-refund-top-api", "请使用特殊退款接口")
        return {"refund": {name: value for name, value in self.desk.show(case, trade).items() if name in fields}}

    def _changed(self, shop: str, params: Params, _now: float) -> Body:
        start, end, page, size = _window(params)
        fields = _fields(_required(params, "fields")) - _ONLY_IN_FULLINFO
        numbers = [tid for _, tid in reversed(self._book.changed(shop, start, end))]
        if params.get("status"):
            numbers = [tid for tid in numbers if self._book.trades[tid].status == params["status"]]
        numbers = _with_repeat(numbers, size, f"{shop}/{start}/{end}")
        simplify = _is_true(params, "simplify")
        chosen = numbers[(page - 1) * size : page * size]
        rows = [
            document(self._book.trades[tid], fields, simplify=simplify) | self.spoiled.get(tid, {}) for tid in chosen
        ]
        body: Body = {"trades": rows if simplify else {"trade": rows}}
        if _is_true(params, "use_has_next"):
            return {**body, "has_next": page * size < len(numbers)}
        return {**body, "total_results": len(numbers)}

    def _fullinfo(self, shop: str, params: Params, now: float) -> Body:
        fields = _fields(_required(params, "fields"))
        trade = self._book.find(shop, _number(params, "tid"))
        if self.spoilt.get(params["tid"]) is Spoilt.ARGUMENT:
            raise top.invalid("tid")
        if trade is None:
            raise top.business("isv.trade-not-exist", "交易订单不存在")
        wants_oaid = params.get("include_oaid", "").lower() not in _FALSE
        shown = document(trade, fields, simplify=_is_true(params, "simplify"), include_oaid=wants_oaid)
        if "payment" in fields:
            self._happenings.was_read(trade, now)
        return {"trade": shown | self.spoiled.get(trade.order.tid, {})}

    def _decrypt(self, shop: str, params: Params, _now: float) -> Body:
        try:
            queries = msgspec.json.decode(_required(params, "query_list"), type=list[_Query])
        except msgspec.DecodeError:
            raise top.invalid("query_list") from None
        if not 1 <= len(queries) <= _DECRYPT_MAX:
            raise top.invalid("query_list")
        receivers = [self._receiver(shop, query) for query in queries]
        return {"receiver_list": receivers if _is_true(params, "simplify") else {"receiver": receivers}}

    def _receiver(self, shop: str, query: _Query) -> Body:
        """One decrypted receiver; nothing but `matched` false when the pair does not belong together."""
        tid = str(query.tid)
        trade = self._book.find(shop, int(tid)) if tid.isascii() and tid.isdigit() else None
        if trade is None or trade.oaid() != query.oaid:
            return {"tid": tid, "oaid": query.oaid, "matched": False}
        known = {"tid": tid, "oaid": query.oaid, "matched": True, "privacy_protection": False}
        return {**known, **plain_receiver(trade)}

    def _send(self, shop: str, params: Params, now: float) -> Body:
        trade = self._book.find(shop, _number(params, "tid"))
        number, company = _required(params, "out_sid"), _required(params, "company_code")
        if trade is None:
            raise top.business(OFFLINE + "B01", "发货时,没有找到对应的订单")
        line_ids = lines_to_send(trade, params)
        _check_number(company, number)
        self._ship(trade, line_ids, Shipment(company, COMPANIES[company][1], number, int(now)), now)
        self._ledger.alarms += [Alarm(kind, trade.order.tid, number) for kind in self._wrongs(trade, number)]
        return {"shipping": {"is_success": True}}

    def _send_pieces(self, shop: str, params: Params, now: float) -> Body:
        trade = self._book.find(shop, _number(params, "tid"))
        if trade is None:
            raise top.business(OFFLINE + "B01", "发货时,没有找到对应的订单")
        sent = pieces_to_send(trade, params)
        _check_number(sent.company, sent.number)
        shipment = Shipment(sent.company, COMPANIES[sent.company][1], sent.number, int(now))
        trade.ship_pieces(sent.pieces, sent.open_lines, shipment)
        self._book.touch(trade, now)
        line_ids, pieces = tuple(sent.pieces), tuple(sent.pieces.values())
        self._ledger.write_backs.append(WriteBack(trade.order.tid, line_ids, sent.company, sent.number, now, pieces))
        self._ledger.alarms += [Alarm(kind, trade.order.tid, sent.number) for kind in self._wrongs(trade, sent.number)]
        return {"result": {"success": True}}

    def _hand_out(self, shop: str, params: Params, now: float) -> Body:
        trade = self._book.find(shop, _number(params, "tid"))
        if trade is None:
            raise top.business(DUMMY + "B01", "发货时,没有找到对应的订单")
        self._ship(trade, lines_to_hand_out(trade), Shipment("", "", "", int(now)), now)
        return {"shipping": {"is_success": True}}

    def _ship(self, trade: Trade, line_ids: tuple[int, ...], shipment: Shipment, now: float) -> None:
        trade.ship(line_ids, shipment)
        self._book.touch(trade, now)
        said = WriteBack(trade.order.tid, line_ids, shipment.company_code, shipment.number, now)
        self._ledger.write_backs.append(said)

    def _wrongs(self, trade: Trade, number: str) -> list[str]:
        """What the platform itself would not notice, but a witness of both sides does."""
        waybill = self._waybills.by_number.get(number)
        if waybill is None:
            return ["waybill_unknown"]
        wrongs = [] if waybill.is_alive else ["waybill_dead"]
        if waybill.booking.receiver_mobile != person_of(trade.order).mobile:
            wrongs.append("misdirected")
        return wrongs

    def _companies(self, _shop: str, params: Params, _now: float) -> Body:
        fields = _fields(_required(params, "fields"))
        rows = [
            {"id": id_, "code": code, "name": name, "reg_mail_no": pattern}
            for code, (id_, name, pattern) in COMPANIES.items()
        ]
        shown = [{name: value for name, value in row.items() if name in fields} for row in rows]
        return {"logistics_companies": shown if _is_true(params, "simplify") else {"logistics_company": shown}}


def _check_number(company: str, number: str) -> None:
    if company not in COMPANIES:
        raise top.business(OFFLINE + "B56", "物流公司不存在")
    if not re.search(COMPANIES[company][2], number):
        raise top.business(OFFLINE + "B60", "运单号不符合规则或已经被使用")


def _window(params: Params) -> tuple[int, int, int, int]:
    """Start and end of a listing, its page and the size of a page."""
    start, end = _moment(params, "start_modified"), _moment(params, "end_modified")
    if not 0 <= end - start <= _DAY_S:
        raise top.invalid("end_modified")
    page, size = _number(params, "page_no", 1), _number(params, "page_size", _PAGE_USUAL)
    if page < 1:
        raise top.invalid("page_no")
    if not 1 <= size <= _PAGE_MAX:
        raise top.invalid("page_size")
    return start, end, page, size


def _with_repeat(numbers: list[int], size: int, window: str) -> list[int]:
    """For some windows the last row of the first page stands on the second one too, on every reading."""
    if len(numbers) > size and crc32(window.encode()) % _REPEAT_EVERY == 0:
        return [*numbers[:size], numbers[size - 1], *numbers[size:]]
    return numbers


@lru_cache(maxsize=256)
def _fields(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in text.split(","))


def _required(params: Params, name: str) -> str:
    value = params.get(name, "")
    if not value:
        raise top.missing(name)
    return value


def _number(params: Params, name: str, usual: int | None = None) -> int:
    if usual is not None and not params.get(name):
        return usual
    return _whole(_required(params, name), name)


def _whole(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise top.invalid(name)
    return int(text)


def _moment(params: Params, name: str) -> int:
    moment = top.parse_time(_required(params, name))
    if moment is None:
        raise top.invalid(name)
    return moment


def _is_true(params: Params, name: str) -> bool:
    return params.get(name, "").lower() in _TRUE
