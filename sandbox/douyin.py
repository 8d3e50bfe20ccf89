"""Douyin's business methods on top of its envelope. It plays the same orders as Taobao, for whoever asks in its words.

Source: the vendor's generated clients and public copies of its error tables. What they leave open, chosen here, each
time the stricter reading:

- Both ends of a listing's window belong to it. Without `order_by` a listing by update time is sorted by creation.
- A whole order goes by `order.logisticsAdd` only while nothing of it has been shipped.
- All parcels of a call are refused together. The id of a request is remembered once it was carried out.
- A parcel names each line once, and no more pieces than are left.
- `CancelSendGoodsSuccess` pays at once: the shop's strategy is on. There is no call for goods that were not stopped.
"""

import re
from collections.abc import Callable, Mapping, Sequence

import msgspec

from sandbox import dop
from sandbox.dop import DopError, Json, business, invalid
from sandbox.douyin_orders import (
    COMPANY_CODES,
    case_detailed,
    case_listed,
    ciphers,
    is_held,
    line_of,
    order_shown,
    pieces_sent,
)
from sandbox.happenings import Happenings
from sandbox.ledger import Alarm, WriteBack
from sandbox.limit import CallLimit, OverLimitError, Says
from sandbox.lost import AnswerLostError
from sandbox.model import Plan, Ships
from sandbox.people import person_of
from sandbox.poison import Spoilt
from sandbox.refunds import CaseDesk, RefundCase, paid
from sandbox.spec import Secrets
from sandbox.taobao import COMPANIES, Platform
from sandbox.top import TopError
from sandbox.trades import CLOSED, CLOSED_UNPAID, OPEN_REFUNDS, PART_SHIPPED, SHIPPED, UNPAID, Shipment, Trade
from sandbox.waybills import WaybillBook

_PAGE_MAX, _DEPTH_MAX = 100, 50_000
_AGE_MAX_S = 90 * 86_400
_DECRYPT_MAX = 50
_FROM_CODE = {code: ours for ours, code in COMPANY_CODES.items()}
_PAGE = b"<html><body>Please try again later.</body></html>"
# What the desk answers, in Douyin's numbers.
_REFUSALS = {"1001": ("11002", "店铺未启用售后小助手策略"), "1002": ("12001", "售后单已被其他自动退款方式命中")}

_Call = Callable[[str, Json, float], Json]


class Douyin:
    """Answers Douyin's calls for all shops of one application. Its shops, tokens, faults and ledger are
    `platform`'s.
    """

    def __init__(
        self,
        platform: Platform,
        plan: Plan,
        secrets: Secrets,
        happenings: Happenings,
        waybills: WaybillBook,
    ) -> None:
        self._platform = platform
        self._secrets = secrets
        self._book = happenings.book
        self._happenings = happenings
        self._waybills = waybills
        self._ledger = platform.ledger
        self._shops = {shop.session: shop.name for shop in plan.shops}
        self._count = 0
        self._answered: dict[tuple[str, str], Json] = {}
        self.limit: CallLimit | None = None
        self.desk = CaseDesk(self._book.cases, self._book.find, self._pay, waybills, self._ledger, platform="douyin")
        self._calls: dict[str, _Call] = {
            "order.searchList": self._changed,
            "order.orderDetail": self._detail,
            "order.batchDecrypt": self._decrypt,
            "order.logisticsAdd": self._ship_all,
            "order.logisticsAddMultiPack": self._ship_lines,
            "order.logisticsCompanyList": self._companies,
            "afterSale.List": self._cases,
            "afterSale.Detail": self._case,
            "afterSale.CancelSendGoodsSuccess": self._stopped,
        }

    def answer(self, path: str, query: Mapping[str, str], body: bytes, now: float) -> bytes:
        """One call, checked, counted and carried out. Raises OverLimitError for one that HTTP refuses."""
        self._book.advance(now)
        self._happenings.advance(now)
        self._count += 1
        log_id = f"d{self._count:011x}"
        endpoint = path if path in self._calls else "douyin"
        self._ledger.calls[endpoint] += 1
        try:
            self._spend()
            call = self._call(path)
            params = dop.check_call(path, query, body, self._secrets, now)
            data = call(dop.shop_of_token(query, self._open_shops()), params, now)
        except OverLimitError:
            self._ledger.refuse(endpoint, "429", now)
            raise
        except AnswerLostError:
            self._ledger.refuse(endpoint, "lost", now)
            raise
        except DopError as error:
            self._ledger.refuse(endpoint, f"{error.code} {error.sub_code}", now)
            return dop.refusal(error, log_id)
        told = dop.answer(data, log_id)
        spoilt = self._platform.spoilt.get(str(params.get("shop_order_id", "")))
        if spoilt is Spoilt.PAGE:
            return _PAGE
        return told[: len(told) // 2] if spoilt is Spoilt.TORN else told

    def _call(self, path: str) -> _Call:
        if path not in self._calls:
            raise DopError(70000, "isp.api-service-off", "API不存在或API已下线")
        return self._calls[path]

    def _spend(self) -> None:
        try:
            if self.limit is not None:
                self.limit.spend()
        except OverLimitError as over:
            if over.says is Says.HTTP:
                raise
            raise dop.over_limit() from None

    def _open_shops(self) -> Mapping[str, str]:
        return {token: shop for token, shop in self._shops.items() if shop not in self._platform.locked_out}

    def _pay(self, trade: Trade, oid: int, now: float) -> None:
        paid(trade, oid, now)
        self._book.touch(trade, now)

    def _order(self, shop: str, number: object) -> Trade:
        """A trade of the shop. Raises DopError."""
        tid = int(number) if isinstance(number, str) and number.isascii() and number.isdigit() else 0
        trade = self._book.trades.get(tid)
        if trade is None:
            raise business("60033", "订单不存在")
        if trade.order.shop != shop:
            raise business("60101", "非本店铺订单")
        return trade

    def _changed(self, shop: str, params: Json, now: float) -> Json:
        start, end, page, size = _window(params, "update_time_start", "update_time_end")
        if len(_list(params, "combine_status")) > 1:
            raise invalid("20012", "订单查询状态条件超过限制,只支持1个元素")
        numbers = [tid for _, tid in self._book.changed(shop, start, end)]
        trades = [self._book.trades[tid] for tid in numbers if self._book.trades[tid].created >= now - _AGE_MAX_S]
        if params.get("order_by") != "update_time":
            trades.sort(key=lambda trade: trade.created)
        if params.get("order_asc") is not True:
            trades.reverse()
        rows = [order_shown(trade) for trade in trades[page * size : (page + 1) * size]]
        return {"page": page, "size": size, "total": len(trades), "shop_order_list": rows}

    def _detail(self, shop: str, params: Json, now: float) -> Json:
        number = dop.text(params, "shop_order_id", "20000")
        if self._platform.spoilt.get(number) is Spoilt.ARGUMENT:
            raise invalid("50049", "订单号不能为空或者格式错误")
        try:
            trade = self._order(shop, number)
        except DopError as error:
            if error.sub_code.endswith("60101"):
                raise business("20015", "订单不是该店铺下的订单,无权查询") from None
            raise invalid("20014", "查询订单不存在") from None
        self._happenings.was_read(trade, now)
        return {"shop_order_detail": order_shown(trade) | self._platform.spoiled.get(trade.order.tid, {})}

    def _decrypt(self, shop: str, params: Json, _now: float) -> Json:
        asked = dop.rows(params, "cipher_infos", "300001")
        if len(asked) > _DECRYPT_MAX:
            raise business("300003", "单次解密数量超过限制")
        return {"decrypt_infos": [self._plain(shop, one) for one in asked]}

    def _plain(self, shop: str, asked: Json) -> Json:
        """One text in the clear; an error of its own where the text is not this order's."""
        known: Json = {"auth_id": asked.get("auth_id", ""), "cipher_text": asked.get("cipher_text", "")}
        try:
            plain = ciphers(self._order(shop, asked.get("auth_id"))).get(str(asked.get("cipher_text")))
        except DopError:
            plain = None
        if plain is None:
            return {**known, "decrypt_text": "", "err_no": 300007, "err_msg": "解密失败"}
        return {**known, "decrypt_text": plain, "err_no": 0, "err_msg": "", "is_virtual_tel": False}

    def _ship_all(self, shop: str, params: Json, now: float) -> Json:
        trade = self._order(shop, params.get("order_id"))
        _check_state(trade)
        if trade.status == PART_SHIPPED:
            raise business("70023", "该订单当前为部分发货状态,无法调用此接口")
        line_ids = trade.waiting()
        company, number = _parcel(params)
        _check_lines(trade, line_ids)
        trade.ship(line_ids, Shipment(company, COMPANIES[company][1], number, int(now)))
        self._book.touch(trade, now)
        self._note(trade, WriteBack(trade.order.tid, line_ids, company, number, now))
        return {}

    def _ship_lines(self, shop: str, params: Json, now: float) -> Json:
        request_id = params.get("request_id")
        if not isinstance(request_id, str) or not request_id:
            raise DopError(40002, "isv.missing-parameter:50050", "发货请求id不能为空")
        if (shop, request_id) in self._answered:
            return self._answered[shop, request_id]
        trade = self._order(shop, params.get("order_id"))
        _check_state(trade)
        left = {oid: line.quantity - pieces_sent(trade, oid) for oid, line in trade.lines}
        sent = [(_parcel(pack), _pieces(trade, pack, left)) for pack in dop.rows(params, "pack_list", "60036")]
        shown: list[Json] = []
        for (company, number), pieces in sent:
            quantities = {oid: line.quantity for oid, line in trade.lines}
            more = frozenset(oid for oid, count in pieces.items() if quantities[oid] - pieces_sent(trade, oid) > count)
            trade.ship_pieces(pieces, more, Shipment(company, COMPANIES[company][1], number, int(now)))
            told = WriteBack(trade.order.tid, tuple(pieces), company, number, now, tuple(pieces.values()))
            self._note(trade, told)
            shown.append({"logistics_code": number, "pack_id": f"7{len(shown)}{int(now)}"})
        self._book.touch(trade, now)
        self._answered[shop, request_id] = {"pack_list": shown}
        return self._answered[shop, request_id]

    def _note(self, trade: Trade, told: WriteBack) -> None:
        """The write-back, and what the platform itself would not notice but a witness of both sides does."""
        self._ledger.write_backs.append(told)
        waybill = self._waybills.by_number.get(told.number)
        if waybill is None:
            wrongs = ["waybill_unknown"]
        else:
            wrongs = [] if waybill.is_alive else ["waybill_dead"]
            if waybill.booking.receiver_mobile != person_of(trade.order).mobile:
                wrongs.append("misdirected")
        self._ledger.alarms += [Alarm(kind, trade.order.tid, told.number) for kind in wrongs]

    def _companies(self, _shop: str, _params: Json, _now: float) -> Json:
        rows = [
            {"id": COMPANIES[ours][0], "name": COMPANIES[ours][1], "code": code} for code, ours in _FROM_CODE.items()
        ]
        return {"companies": rows}

    def _cases(self, shop: str, params: Json, _now: float) -> Json:
        start, end, page, size = _window(params, "update_start_time", "update_end_time")
        ids: Sequence[int] = self._book.cases.changed(shop, start, end)
        cases = [self._book.cases.by_id[id_] for id_ in reversed(ids)]
        if params.get("order_by") != ["update_time asc"]:
            # Without an order by update time the platform's listing loses rows.
            cases = sorted(cases, key=lambda case: case.created)[: max(len(cases) - 1, 0)]
        chosen = cases[page * size : (page + 1) * size]
        rows = [case_listed(self._book.trades[case.tid], case) for case in chosen]
        more = (page + 1) * size < len(cases)
        return {"items": rows, "has_more": more, "total": len(cases), "page": page, "size": len(rows)}

    def _found_case(self, shop: str, number: object) -> tuple[RefundCase, Trade]:
        id_ = int(number) if isinstance(number, str) and number.isascii() and number.isdigit() else 0
        case = self._book.cases.by_id.get(id_)
        trade = self._book.find(shop, case.tid) if case is not None else None
        if case is None or trade is None:
            raise business("11003", "该售后单不存在")
        return case, trade

    def _case(self, shop: str, params: Json, _now: float) -> Json:
        case, trade = self._found_case(shop, params.get("after_sale_id"))
        return case_detailed(trade, case)

    def _stopped(self, shop: str, params: Json, now: float) -> Json:
        case, _ = self._found_case(shop, params.get("aftersale_id"))
        dop.whole(params, "op_time")
        said = {"refund_id": case.refund_id, "tid": case.tid, "status": "SUCCESS"}
        try:
            told = self.desk.answer_stop(shop, {"param": msgspec.json.encode(said).decode()}, now)
        except TopError:
            raise business("11000", "参数错误") from None
        result = told["result"]
        assert isinstance(result, dict)
        if not result["success"]:
            raise business(*_REFUSALS[str(result["error_code"])])
        return {}


def _window(params: Json, start_name: str, end_name: str) -> tuple[int, int, int, int]:
    """Start and end of a listing, its page and the size of a page."""
    if params.get(start_name) is None:
        raise invalid("20011", "订单查询开始时间不能为空")
    start, end = dop.whole(params, start_name), dop.whole(params, end_name)
    page, size = dop.whole(params, "page"), dop.whole(params, "size")
    if page < 0:
        raise invalid("10035", "查询订单列表页数不能小于0")
    if not 1 <= size <= _PAGE_MAX:
        raise invalid("20008", "单次查询订单数超过限制")
    if (page + 1) * size > _DEPTH_MAX:
        raise invalid("20013", "订单查询最多支持查询5万")
    return start, end, page, size


def _list(params: Json, name: str) -> Sequence[object]:
    value = params.get(name)
    return value if isinstance(value, list) else ()


def _parcel(params: Mapping[str, object]) -> tuple[str, str]:
    """Our code of the company, and the number. Raises DopError."""
    code, number = params.get("company_code"), params.get("logistics_code")
    if not code or not isinstance(code, str):
        raise DopError(40002, "isv.missing-parameter:60011", "物流公司编码不允许为空")
    if code not in _FROM_CODE:
        raise business("60018", "暂不支持该物流公司或物流商已失效")
    company = _FROM_CODE[code]
    if not isinstance(number, str) or not re.search(COMPANIES[company][2], number):
        raise business("60017", "物流单号不符合规则")
    return company, number


def _check_state(trade: Trade) -> None:
    if trade.status in {CLOSED, CLOSED_UNPAID}:
        raise business("60021", "订单已取消,禁止发货")
    if trade.status == UNPAID:
        raise business("60137", "订单未支付,禁止发货")
    if trade.status == SHIPPED:
        raise business("60110", "订单已发货,不允许再次执行发货")
    if is_held(trade):
        raise business("60109", "订单正在风控审核中")


def _check_lines(trade: Trade, line_ids: Sequence[int]) -> None:
    ships = {line.ships for oid, line in trade.lines if oid in line_ids}
    if Ships.PLATFORM in ships:
        raise business("60116", "不支持平台仓订单发货")
    if Ships.NOBODY in ships:
        raise business("60107", "暂不支持该类型订单发货")
    if any(trade.refunds.get(oid) in OPEN_REFUNDS for oid in line_ids):
        raise business("60040", "发货订单中有退款申请需要处理")


def _pieces(trade: Trade, pack: Json, left: dict[int, int]) -> dict[int, int]:
    """Pieces by line of one parcel, taken from what is `left` of each. Raises DopError."""
    pieces: dict[int, int] = {}
    for row in dop.rows(pack, "shipped_order_info", "60036"):
        oid = line_of(trade, str(row.get("shipped_order_id")))
        if oid is None:
            raise business("60102", "商品单不存在")
        if oid in trade.closed:
            raise business("60068", "该订单已售前退款成功,不能发货")
        if not left[oid]:
            raise business("60110", "订单已发货,不允许再次执行发货")
        count = row.get("shipped_num", left[oid])
        if oid in pieces or not isinstance(count, int) or not 0 < count <= left[oid]:
            raise business("60080", "商品的发货数量不正确")
        pieces[oid] = count
        left[oid] -= count
    _check_lines(trade, tuple(pieces))
    return pieces
