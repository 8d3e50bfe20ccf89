"""Refund cases as the platform keeps them, and the seller's answers about goods (AliGenius).

Source: TOP pages of refunds and of AliGenius. A case follows its line: whatever changes the refund of a line opens the
case, or changes it. SUCCESS pays the buyer back at once.
"""

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from domain.order import OrderKey
from domain.references import base_of, order_base
from sandbox import top
from sandbox.amounts import amounts_of, yuan
from sandbox.ledger import Alarm, Ledger, StopTold
from sandbox.lost import AnswerLostError
from sandbox.trades import OPEN_REFUNDS, REFUND_ASKED, REFUND_PAID, SHIPPED, TO_SHIP, Trade, cst
from sandbox.waybills import WaybillBook

_DECIDES_AFTER_S = 48 * 3600
Json = dict[str, object]
Params = Mapping[str, str]


@dataclass(slots=True)
class RefundCase:
    """One case of one line; times in unix seconds. `odd`: fields that are shown instead of what they should be."""

    refund_id: int
    tid: int
    oid: int
    status: str
    created: int
    modified: int
    version: int = 1
    odd: dict[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class CaseMood:
    """How many next answers are carried out and lost, dropped before they are carried out, or refused."""

    lose_answers: int = 0
    drop_answers: int = 0
    refuse_answers: int = 0


class Casebook:
    """All cases, and those of a shop in order of change."""

    def __init__(self) -> None:
        self.by_id: dict[int, RefundCase] = {}
        self._of_line: dict[int, list[RefundCase]] = {}
        self._rows: dict[str, list[tuple[int, int]]] = {}

    def follow(self, trade: Trade, now: float) -> None:
        """Bring the cases of a trade to what its lines say."""
        for oid, status in trade.refunds.items():
            known = self._of_line.setdefault(oid, [])
            newest = known[-1] if known else None
            if newest is None or (status == REFUND_ASKED and newest.status not in OPEN_REFUNDS):
                case_id = int(f"{oid % 10**16}{len(known):02d}")
                newest = RefundCase(case_id, trade.order.tid, oid, status, int(now), int(now))
                known.append(newest)
                self.by_id[case_id] = newest
                insort(self._rows.setdefault(trade.order.shop, []), (newest.modified, case_id))
            elif newest.status != status:
                newest.status = status
                self.touch(trade, newest, now)

    def touch(self, trade: Trade, case: RefundCase, now: float) -> None:
        """The case changed: it moves to the new end of its shop's list."""
        rows = self._rows[trade.order.shop]
        del rows[bisect_left(rows, (case.modified, case.refund_id))]
        case.modified, case.version = max(int(now), case.modified), case.version + 1
        insort(rows, (case.modified, case.refund_id))

    def changed(self, shop: str, start: int, end: int) -> Sequence[int]:
        """Ids of the shop's cases changed from `start` to `end`, both inclusive, newest first."""
        rows = self._rows.get(shop, [])
        return [id_ for _, id_ in reversed(rows[bisect_left(rows, (start, 0)) : bisect_right(rows, (end + 1, 0))])]

    def of_line(self, oid: int) -> RefundCase | None:
        """The newest case of a line."""
        known = self._of_line.get(oid)
        return known[-1] if known else None


class CaseDesk:
    """Answers the calls about cases.

    `find(shop, tid)`: a visible trade; `pay(trade, oid, now)`: the money of a line goes back. `platform`: whose orders
    they are, as our references name it.
    """

    def __init__(
        self,
        cases: Casebook,
        find: Callable[[str, int], Trade | None],
        pay: Callable[[Trade, int, float], None],
        waybills: WaybillBook,
        ledger: Ledger,
        *,
        platform: str = "taobao",
    ) -> None:
        self.cases = cases
        self.mood = CaseMood()
        self._platform = platform
        self._find = find
        self._pay = pay
        self._waybills = waybills
        self._ledger = ledger

    def show(self, case: RefundCase, trade: Trade) -> Json:
        """All that the platform may show of a case."""
        is_shipped = case.oid in trade.shipments
        sums = dict(zip(trade.line_ids, amounts_of(trade.order).lines, strict=True))[case.oid]
        quantity = dict(trade.lines)[case.oid].quantity
        shown: Json = {
            "refund_id": case.refund_id,
            "tid": case.tid,
            "oid": case.oid,
            "created": cst(case.created),
            "modified": cst(case.modified),
            "status": case.status,
            "order_status": SHIPPED if is_shipped else trade.status if trade.status != SHIPPED else TO_SHIP,
            "dispute_type": "REFUND",
            "refund_phase": "onsale",
            "refund_version": case.version,
            "has_good_return": False,
            "good_status": "BUYER_NOT_RECEIVED",
            "refund_fee": yuan(sums.divided),
            "num": quantity,
            "reason": "不想要了",
            "desc": f"请尽快退款,联系我 {trade.order.buyer}",
            "cs_status": 1,
            "refund_remind_timeout": {
                "exist_timeout": case.status == REFUND_ASKED,
                "remind_type": 1,
                "timeout": cst(case.created + _DECIDES_AFTER_S),
            },
        }
        return {name: value for name, value in (shown | case.odd).items() if value is not None}

    def answer_stop(self, shop: str, params: Params, now: float) -> Json:
        """The seller says whether the goods stay. Raises AnswerLostError, TopError."""
        if self.mood.drop_answers:
            self.mood.drop_answers -= 1
            raise AnswerLostError
        try:
            asked = msgspec.json.decode(params.get("param", ""), type=dict[str, object])
            case = self.cases.by_id[int(str(asked["refund_id"]))]
            trade = self._find(shop, int(str(asked["tid"])))
        except (msgspec.DecodeError, KeyError, ValueError):
            raise top.invalid("param") from None
        status = str(asked.get("status"))
        if trade is None or case.tid != trade.order.tid or status not in {"SUCCESS", "FAIL"}:
            raise top.invalid("param")
        if self.mood.refuse_answers:
            self.mood.refuse_answers -= 1
            return _refused("1001")
        if case.status not in OPEN_REFUNDS:
            return _refused("1002")
        self._ledger.stops_told.append(StopTold(case.refund_id, case.tid, case.oid, status, now))
        if status == "SUCCESS":
            self._ledger.alarms += [Alarm("paid_while_it_travels", case.tid, one) for one in self._travelling(trade)]
            self._pay(trade, case.oid, now)
        if self.mood.lose_answers:
            self.mood.lose_answers -= 1
            raise AnswerLostError
        return {"result": {"success": True, "result_data": {"order_id": case.tid}}}

    def _travelling(self, trade: Trade) -> list[str]:
        """Parcels of the trade that have left and were not paid for before: by our references' order part."""
        base = order_base(OrderKey(self._platform, trade.order.shop, str(trade.order.tid)))
        return [
            one.number
            for one in self._waybills.by_number.values()
            if (one.is_collected or one.is_alive) and _base(one.booking.reference) == base
        ]

    def told_twice(self) -> list[int]:
        """Cases of which SUCCESS was told more than once."""
        told = Counter(one.refund_id for one in self._ledger.stops_told if one.status == "SUCCESS")
        return [refund_id for refund_id, number in told.items() if number > 1]


def paid(trade: Trade, oid: int, now: float) -> None:
    """The money of a line goes back."""
    if trade.refunds.get(oid) != REFUND_PAID:
        trade.close((oid,), now)


def _refused(code: str) -> Json:
    return {"result": {"success": False, "error_code": code, "error_info": "退款状态不正确"}}


def _base(reference: str) -> str:
    try:
        return base_of(reference)
    except ValueError:
        return ""
