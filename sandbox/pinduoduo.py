"""Pinduoduo's business methods on top of its envelope. It plays the same orders as Taobao, for whoever asks in its
words.

Source: the vendor's interface pages and public clients. What they leave open, chosen here, each time the stricter
reading:

- Both ends of a listing's window belong to it. The newest row stands first.
- A refused shipment has the number 50001 and a text; nothing else says why.
- A decryption is refused for an order of which nobody said whose waybill it will have. Outside the platform's cloud
  (`in_cloud` false) there is one call in 10 seconds, and 100 a day.
- SUCCESS about goods pays the whole order back at once. An answer about a case that is over is refused.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping

import msgspec

from domain.order import OrderKey
from domain.references import base_of, order_base
from sandbox import pop
from sandbox.happenings import Happenings
from sandbox.ledger import Alarm, Ledger, StopTold, WriteBack
from sandbox.limit import CallLimit, OverLimitError, Says
from sandbox.lost import AnswerLostError
from sandbox.model import Plan, Ships
from sandbox.pdd_orders import (
    CASES,
    LOGISTICS_IDS,
    case_detailed,
    case_listed,
    case_of,
    ciphers,
    is_held,
    order_shown,
    order_sn,
    tid_of,
)
from sandbox.people import person_of
from sandbox.pop import Json, Params, PopError, business, invalid
from sandbox.refunds import CaseMood, RefundCase
from sandbox.spec import Secrets
from sandbox.taobao import COMPANIES
from sandbox.trades import CLOSED, CLOSED_UNPAID, OPEN_REFUNDS, SHIPPED, UNPAID, Shipment, Trade
from sandbox.waybills import WaybillBook

_WINDOW_MAX_S, _LAG_S = 1_800, 180
_PAGE_MAX, _DECRYPT_MAX = 100, 100
_OUTSIDE_GAP_S, _OUTSIDE_A_DAY = 10.0, 100
_ALL, _ALL_CASES = "5", "1"
_FROM_ID = {number: code for code, number in LOGISTICS_IDS.items()}
_CASE_KINDS = frozenset("23456")
_FAIL_REASONS = frozenset({1001, 1002, 1003})

_Method = Callable[[str, Params, float], Json]


class PinduoduoPlatform:
    """Answers Pinduoduo's calls for all shops of one application. `extra`: further parcels, by trade."""

    def __init__(
        self, plan: Plan, secrets: Secrets, happenings: Happenings, waybills: WaybillBook, ledger: Ledger
    ) -> None:
        self._secrets = secrets
        self._book = happenings.book
        self._happenings = happenings
        self._waybills = waybills
        self._ledger = ledger
        self._shops = {shop.session: shop.name for shop in plan.shops}
        self._count = 0
        self._reported: set[int] = set()
        self._decrypted: list[float] = []
        self.extra: dict[int, list[Json]] = defaultdict(list)
        self.in_cloud = True
        self.limit: CallLimit | None = None
        self.locked_out: set[str] = set()
        self.mood = CaseMood()
        self._methods: dict[str, tuple[str, _Method]] = {
            "pdd.order.number.list.increment.get": ("order_sn_increment_get_response", self._changed),
            "pdd.order.information.get": ("order_info_get_response", self._order_info),
            "pdd.open.waybill.type.report": ("open_waybill_type_report_response", self._report),
            "pdd.open.decrypt.batch": ("open_kms_decrypt_batch_response", self._decrypt),
            "pdd.logistics.online.send": ("logistics_online_send_response", self._send),
            "pdd.order.upload.extra.logistics": ("upload_extra_logistics_response", self._send_more),
            "pdd.logistics.companies.get": ("logistics_companies_get_response", self._companies),
            "pdd.refund.list.increment.get": ("refund_increment_get_response", self._cases),
            "pdd.refund.information.get": ("", self._case),
            "pdd.rdc.pddgenius.sendgoods.cancel": ("rdc_pddgenius_sendgoods_cancel_response", self._stopped),
        }

    def answer(self, form: Params, now: float) -> bytes:
        """One call, checked, counted and carried out. Raises OverLimitError for one that HTTP refuses."""
        self._book.advance(now)
        self._happenings.advance(now)
        self._count += 1
        request_id = f"p{self._count:011x}"
        name = form.get("type", "")
        endpoint = name if name in self._methods else "pdd"
        self._ledger.calls[endpoint] += 1
        try:
            self._spend()
            pop.check_call(form, self._secrets, now)
            envelope, method = self._method(name)
            content = method(pop.shop_of_token(form, self._open_shops()), form, now)
        except OverLimitError:
            self._ledger.refuse(endpoint, "429", now)
            raise
        except AnswerLostError:
            self._ledger.refuse(endpoint, "lost", now)
            raise
        except PopError as error:
            self._ledger.refuse(endpoint, f"{error.code} {error.sub_code}".strip(), now)
            return pop.refusal(error, request_id)
        return pop.answer(envelope, content, request_id)

    def _method(self, name: str) -> tuple[str, _Method]:
        if name not in self._methods:
            raise PopError(50012, "接口已下线")
        return self._methods[name]

    def _spend(self) -> None:
        try:
            if self.limit is not None:
                self.limit.spend()
        except OverLimitError as over:
            if over.says is Says.HTTP:
                raise
            raise pop.over_limit() from None

    def _open_shops(self) -> Mapping[str, str]:
        return {token: shop for token, shop in self._shops.items() if shop not in self.locked_out}

    def _trade(self, shop: str, number: str) -> Trade:
        """A trade of the shop. Raises PopError."""
        trade = self._book.find(shop, tid_of(number))
        if trade is None or order_sn(trade) != number:
            raise business("店铺或订单不存在", "45001")
        return trade

    def _shown(self, trade: Trade) -> Json:
        return order_shown(trade, self.extra.get(trade.order.tid, []))

    def _changed(self, shop: str, params: Params, now: float) -> Json:
        start, end, page, size = _window(params)
        if end > now - _LAG_S:
            raise invalid("end_updated_at")
        if params.get("order_status") not in {"1", "2", "3", _ALL} or params.get("refund_status") not in {
            *"1234",
            _ALL,
        }:
            raise invalid("order_status")
        pop.whole(params, "is_lucky_flag")
        found = [self._shown(self._book.trades[tid]) for _, tid in reversed(self._book.changed(shop, start, end))]
        for name in ("order_status", "refund_status"):
            if params[name] != _ALL:
                found = [one for one in found if str(one[name]) == params[name]]
        shown: Json = {"order_sn_list": found[(page - 1) * size : page * size]}
        if params.get("use_has_next") == "true":
            return shown | {"has_next": page * size < len(found)}
        return shown | {"total_count": len(found)}

    def _order_info(self, shop: str, params: Params, now: float) -> Json:
        trade = self._trade(shop, pop.text(params, "order_sn"))
        self._happenings.was_read(trade, now)
        return {"order_info": self._shown(trade)}

    def _report(self, shop: str, params: Params, _now: float) -> Json:
        try:
            numbers = msgspec.json.decode(pop.text(params, "order_sn_list"), type=list[str])
        except msgspec.DecodeError:
            raise invalid("order_sn_list") from None
        if not 1 <= len(numbers) <= _DECRYPT_MAX or params.get("waybill_type") not in {"0", "1", "2", "99"}:
            raise invalid("order_sn_list")
        self._reported |= {self._trade(shop, number).order.tid for number in numbers}
        return {"is_success": True}

    def _decrypt(self, shop: str, params: Params, now: float) -> Json:
        asked = pop.rows(params, "data_list")
        if len(asked) > _DECRYPT_MAX:
            raise invalid("data_list")
        if not self.in_cloud:
            lately = [at for at in self._decrypted if at > now - 86_400]
            if len(lately) >= _OUTSIDE_A_DAY or (lately and lately[-1] > now - _OUTSIDE_GAP_S):
                raise pop.over_limit()
            self._decrypted = [*lately, now]
        return {"data_decrypt_list": [self._plain(shop, one) for one in asked]}

    def _plain(self, shop: str, asked: Json) -> Json:
        """One text in the clear; an error of its own where the text is not this order's."""
        number, cipher = str(asked.get("data_tag")), str(asked.get("encrypted_data"))
        trade = self._trade(shop, number)
        if trade.order.tid not in self._reported:
            raise business("请先上报面单类型")
        plain = ciphers(trade).get(cipher, "")
        return {
            "data_tag": number,
            "encrypted_data": cipher,
            "decrypted_data": plain,
            "error_code": 0 if plain else 130010,
            "error_msg": "" if plain else "解密失败",
        }

    def _send(self, shop: str, params: Params, now: float) -> Json:
        trade = self._trade(shop, pop.text(params, "order_sn"))
        company, number = _parcel(params.get("logistics_id"), params.get("tracking_number"))
        if params.get("redelivery_type", "1") != "1":
            raise business("不支持修改运单")
        _check_state(trade)
        line_ids = trade.waiting()
        trade.ship(line_ids, Shipment(company, COMPANIES[company][1], number, int(now)))
        self._book.touch(trade, now)
        self._note(trade, WriteBack(trade.order.tid, line_ids, company, number, now))
        return {"is_success": True}

    def _send_more(self, shop: str, params: Params, now: float) -> Json:
        trade = self._trade(shop, pop.text(params, "order_sn"))
        if params.get("extra_track_type") not in {"1", "2", "3"}:
            raise invalid("extra_track_type")
        if trade.status != SHIPPED:
            raise business("订单未发货,不能上传额外运单")
        for row in pop.rows(params, "extra_track_list"):
            company, number = _parcel(row.get("shipping_id"), row.get("tracking_number"))
            known = {str(one["tracking_number"]) for one in self.extra[trade.order.tid]}
            if number in known | {shipment.number for shipment in trade.shipments.values()}:
                raise business("运单号重复")
            self.extra[trade.order.tid].append({"logistics_id": LOGISTICS_IDS[company], "tracking_number": number})
            self._note(trade, WriteBack(trade.order.tid, (), company, number, now))
        self._book.touch(trade, now)
        return {"success": True}

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

    def _companies(self, _shop: str, _params: Params, _now: float) -> Json:
        rows = [
            {"id": number, "code": code, "logistics_company": COMPANIES[code][1], "available": 1}
            for number, code in _FROM_ID.items()
        ]
        return {"logistics_companies": rows}

    def _cases(self, shop: str, params: Params, _now: float) -> Json:
        start, end, page, size = _window(params)
        status, kind = pop.whole(params, "after_sales_status"), pop.text(params, "after_sales_type")
        if kind not in {_ALL_CASES, *_CASE_KINDS}:
            raise invalid("after_sales_type")
        found = []
        for id_ in self._book.cases.changed(shop, start, end):
            case = self._book.cases.by_id[id_]
            trade = self._book.trades[case.tid]
            if case.oid == case_of(trade) and CASES.get(case.status, 2) == status and kind in {_ALL_CASES, "2"}:
                found.append(case_listed(trade, case))
        return {"refund_list": found[(page - 1) * size : page * size], "total_count": len(found)}

    def _found_case(self, shop: str, number: str, order: str) -> tuple[RefundCase, Trade]:
        trade = self._trade(shop, order)
        case = self._book.cases.by_id.get(int(number) if number.isascii() and number.isdigit() else 0)
        if case is None or case.tid != trade.order.tid:
            raise business("售后单不存在", "45002")
        return case, trade

    def _case(self, shop: str, params: Params, _now: float) -> Json:
        case, trade = self._found_case(shop, pop.text(params, "after_sales_id"), pop.text(params, "order_sn"))
        return case_detailed(trade, case)

    def _stopped(self, shop: str, params: Params, now: float) -> Json:
        if self.mood.drop_answers:
            self.mood.drop_answers -= 1
            raise AnswerLostError
        try:
            asked = msgspec.json.decode(pop.text(params, "param"), type=Json)
        except msgspec.DecodeError:
            raise invalid("param") from None
        case, trade = self._found_case(shop, str(asked.get("refund_id")), str(asked.get("tid")))
        status = asked.get("status")
        if status not in {"SUCCESS", "FAIL"} or not isinstance(asked.get("operate_time"), int):
            raise invalid("param")
        if status == "FAIL" and asked.get("fail_reason_code") not in _FAIL_REASONS:
            raise invalid("param")
        if self.mood.refuse_answers:
            self.mood.refuse_answers -= 1
            raise business("售后单状态不正确")
        if case.status not in OPEN_REFUNDS:
            raise business("售后单状态不正确")
        self._ledger.stops_told.append(StopTold(case.refund_id, case.tid, case.oid, str(status), now))
        if status == "SUCCESS":
            self._ledger.alarms += [
                Alarm("paid_while_it_travels", case.tid, number) for number in self._travelling(trade)
            ]
            trade.close(trade.line_ids, now)
            self._book.touch(trade, now)
        if self.mood.lose_answers:
            self.mood.lose_answers -= 1
            raise AnswerLostError
        return {"result": {"result_data": {"refund_id": case.refund_id}}}

    def _travelling(self, trade: Trade) -> list[str]:
        """Parcels of the order that have left and were not paid for before: by our references' order part."""
        base = order_base(OrderKey("pdd", trade.order.shop, order_sn(trade)))
        return [
            one.number
            for one in self._waybills.by_number.values()
            if (one.is_collected or one.is_alive) and _base(one.booking.reference) == base
        ]


def _window(params: Params) -> tuple[int, int, int, int]:
    """Start and end of a listing, its page and the size of a page."""
    start, end = pop.whole(params, "start_updated_at"), pop.whole(params, "end_updated_at")
    if not 0 <= end - start <= _WINDOW_MAX_S:
        raise invalid("end_updated_at")
    page, size = pop.whole(params, "page", 1), pop.whole(params, "page_size", _PAGE_MAX)
    if page < 1:
        raise invalid("page")
    if not 1 <= size <= _PAGE_MAX:
        raise invalid("page_size")
    return start, end, page, size


def _parcel(company: object, number: object) -> tuple[str, str]:
    """The company, by the code under which the sandbox keeps it, and the number. Raises PopError."""
    id_ = int(str(company)) if str(company).isascii() and str(company).isdigit() else 0
    if id_ not in _FROM_ID:
        raise business("快递公司不存在")
    if not isinstance(number, str) or not re.search(COMPANIES[_FROM_ID[id_]][2], number):
        raise business("运单号不符合规则")
    return _FROM_ID[id_], number


def _check_state(trade: Trade) -> None:
    if trade.status in {CLOSED, CLOSED_UNPAID}:
        raise business("订单已退款,不能发货")
    if trade.status == UNPAID:
        raise business("订单未成交,不能发货")
    if trade.status == SHIPPED:
        raise business("订单已发货")
    if is_held(trade):
        raise business("订单正在审核中")
    if any(refund in OPEN_REFUNDS for refund in trade.refunds.values()):
        raise business("订单正在售后中,不能发货")
    if any(line.ships is not Ships.MERCHANT for _, line in trade.lines):
        raise business("该类型订单不支持发货")


def _base(reference: str) -> str:
    try:
        return base_of(reference)
    except ValueError:
        return ""
