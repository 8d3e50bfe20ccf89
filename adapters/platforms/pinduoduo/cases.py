"""After-sale cases of Pinduoduo in our words. Pure: answers in, cases out. Source: the vendor's after-sale pages.

Every row is a case. What cannot be read of it, and every number that is in no table, is unknown: the case is then of an
unknown kind or stage, which is never taken for "no refund". A case is about a whole order.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from adapters.after_sale import StopAnswer, StopReport
from adapters.china_time import read_cst
from adapters.foreign import code_of, is_waybill
from adapters.instants import EARLIEST, LATEST, NoInstantError
from adapters.payload import Fields, read_answer
from adapters.platforms.pinduoduo import describe
from adapters.platforms.pinduoduo.answers import opened, page_of
from adapters.platforms.pinduoduo.order import is_order_id
from adapters.platforms.pinduoduo.paging import PddPage
from domain.after_sale import AfterSaleCase, CaseNeeds, CaseStage
from domain.cases import CaseKind
from domain.errors import FulfilmentError, Malformed
from domain.money import Money

T = TypeVar("T")

_QUANTITY_MAX = 1_000_000
_FEN_MAX = 10**14
_SECONDS, _MILLISECONDS = re.compile(r"[0-9]{1,11}", re.ASCII), re.compile(r"[0-9]{12,14}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,24}", re.ASCII)
# Between the order and the number of a case: no order's id has it.
_BETWEEN = ":"
# Codes of ours for goods that nothing has left with: their label is printed, or a warehouse has them.
_NOT_LEFT = frozenset({"settling", "not_yet"})


@dataclass(slots=True)
class PddCaseRow:
    """A case that is read field by field. `fault`: the first field that could not be read."""

    fields: Fields
    fault: str = ""

    def read(self, name: str, how: Callable[[], T], otherwise: T) -> T:
        """What `how` reads; `otherwise` where it cannot be read, which is noted under `name`."""
        try:
            return how()
        except FulfilmentError as error:
            self.fault = self.fault or f"{error.code}:{name}"
            return otherwise

    def moment(self, name: str) -> datetime | None:
        return self.read(name, lambda: self.fields.moment_or_none(name, read_time), None)


def case_id_of(order_sn: str, number: str) -> str:
    """Our id of a case. Pinduoduo reads a case by both."""
    return f"{order_sn}{_BETWEEN}{number}"


def parts_of(case_id: str) -> tuple[str, str]:
    """The order and the number of a case. The order is empty where the id does not tell it."""
    order_sn, _, number = case_id.rpartition(_BETWEEN)
    return order_sn, number


def read_time(text: str) -> datetime:
    """Seconds or milliseconds since 1970, or a text of China. Raises ValueError; NoInstantError for "no date"."""
    if not (_SECONDS.fullmatch(text) or _MILLISECONDS.fullmatch(text)):
        return read_cst(text)
    seconds = int(text) if _SECONDS.fullmatch(text) else int(text) / 1000
    if not EARLIEST.timestamp() <= seconds <= LATEST.timestamp():
        raise NoInstantError("outside 2000 to 2100")
    return datetime.fromtimestamp(seconds, UTC)


def read_case_page(body: bytes, window_end: datetime, number: int) -> PddPage[AfterSaleCase]:
    """Page `number` of the listing, which always counts its rows. A row whose change time cannot be read counts as
    changed at the window's end.
    """
    page = page_of(
        body,
        describe.LIST_CASES,
        "refund_list",
        lambda path, row: _listed(path, row, window_end),
        use_has_next=False,
    )
    return replace(page, has_next=page.total > number * describe.PAGE_SIZE)


def read_case(body: bytes, asked: str) -> AfterSaleCase:
    """The case `asked`. Raises Malformed for an answer without a case, or about another one."""
    fields = opened(read_answer(body), describe.READ_CASE)
    if case_id_of(fields.key("order_sn"), fields.key("id")) != asked:
        raise Malformed("answer_not_ours", "another case than the one asked for")
    row = PddCaseRow(fields)
    changed_at = row.moment("updated_time") or row.moment("recreated_at") or fields.missing("updated_time")
    kind = describe.DETAILED_KINDS.get(fields.word("after_sales_type"), CaseKind.UNKNOWN_CASE)
    if kind is CaseKind.REFUND_ONLY and fields.denies("shipping_status"):
        kind = CaseKind.PRE_SHIP
    back = row.read("express_no", lambda: fields.key_or("express_no", ""), "")
    fen = row.read("refund_amount", lambda: _fen(fields, "refund_amount"), None)
    return _case(row, kind, changed_at, amount=fen, back=back, until=row.moment("expire_time"))


def stop_param(report: StopReport) -> dict[str, Any]:
    """The `param` argument of the answer about goods. Amounts are fen, times milliseconds here.

    Of goods that were not stopped the platform wants to know why: they have left, or their label is printed.
    """
    number = parts_of(report.case_id)[1]
    param: dict[str, Any] = {
        "refund_id": int(number) if _NUMBER.fullmatch(number) else number,
        "tid": report.platform_order_id,
        "status": "SUCCESS" if report.answer is StopAnswer.STOPPED else "FAIL",
        "operate_time": int(report.at.timestamp() * 1000),
        "msg": report.code,
    }
    if report.answer is not StopAnswer.STOPPED:
        not_left = report.code in _NOT_LEFT
        param["fail_reason_code"] = describe.FAIL_PRINTED if not_left else describe.FAIL_SHIPPED
    if report.amount is not None:
        param["refund_fee"] = report.amount.minor
    return param


def _listed(path: str, row: object, window_end: datetime) -> AfterSaleCase:
    changed_at: datetime | None = None
    try:
        case = PddCaseRow(Fields(row, path, Malformed))
        changed_at = case.moment("updated_time")
        kind = describe.LISTED_KINDS.get(case.fields.word("after_sales_type"), CaseKind.UNKNOWN_CASE)
        amount = case.read("refund_amount", lambda: _yuan_or_none(case.fields), None)
        return _case(case, kind, changed_at or window_end, amount=amount, back="", until=None)
    except FulfilmentError as error:
        return _nameless(row, changed_at or window_end, error.code)


def _case(
    row: PddCaseRow, kind: CaseKind, changed_at: datetime, *, amount: Money | None, back: str, until: datetime | None
) -> AfterSaleCase:
    """Raises Malformed where order or number cannot be read; everything else may be unknown."""
    fields = row.fields
    order_sn, number = fields.key("order_sn"), fields.key("id")
    if not is_order_id(order_sn):
        fields.invalid("order_sn")
    status = fields.word("after_sales_status")
    stage, needs = describe.CASE_STATES.get(status, (CaseStage.UNKNOWN, CaseNeeds.UNKNOWN))
    has_count = fields.has("goods_number")
    return AfterSaleCase(
        case_id=case_id_of(order_sn, number),
        platform_order_id=order_sn,
        line_ids=(),
        kind=kind,
        stage=stage,
        needs=needs,
        changed_at=changed_at,
        amount=amount,
        quantity=row.read("goods_number", lambda: fields.whole("goods_number", 1, _QUANTITY_MAX), None)
        if has_count
        else None,
        # Shown only while the seller must act.
        decide_by=until if needs is CaseNeeds.SELLER else None,
        return_waybill=back if is_waybill(back) else "",
        source_state=code_of(status),
        source_kind=code_of(fields.word("after_sales_type")),
        fault=row.fault,
    )


def _nameless(row: object, changed_at: datetime, code: str) -> AfterSaleCase:
    """A row that does not tell its id. The same row has the same id of ours whenever it is listed."""
    order_sn = row.get("order_sn") if isinstance(row, Mapping) else ""
    is_named = isinstance(order_sn, str) and is_order_id(order_sn)
    try:
        content = msgspec.json.encode(row, order="sorted")
    except (ValueError, TypeError, OverflowError, ArithmeticError, RecursionError):
        content = code.encode()
    return AfterSaleCase(
        case_id=f"unnamed-{hashlib.sha256(content).hexdigest()[:16]}",
        platform_order_id=str(order_sn) if is_named else "",
        line_ids=(),
        kind=CaseKind.UNKNOWN_CASE,
        stage=CaseStage.UNKNOWN,
        needs=CaseNeeds.UNKNOWN,
        changed_at=changed_at,
        fault=f"{code}:refund_id",
    )


def _fen(fields: Fields, name: str) -> Money | None:
    return Money(fields.whole(name, 0, _FEN_MAX), describe.CURRENCY) if fields.has(name) else None


def _yuan_or_none(fields: Fields) -> Money | None:
    return fields.amount("refund_amount", describe.CURRENCY) if fields.has("refund_amount") else None
