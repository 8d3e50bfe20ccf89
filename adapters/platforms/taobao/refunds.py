"""Refund cases of TOP in our words. Pure: answers in, cases out. Source: TOP refund pages.

Every row is a case. What cannot be read of it, and every word that is in no table, is unknown: the case is then of an
unknown kind or stage, which is never taken for "no refund".
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from adapters.after_sale import StopAnswer, StopReport
from adapters.china_time import cst_text, read_cst
from adapters.foreign import code_of, is_waybill
from adapters.payload import Fields, read_answer
from adapters.payload import read_page as read_page_tree
from adapters.platforms.taobao import describe
from adapters.platforms.taobao.answers import ROWS_MAX, opened
from adapters.platforms.taobao.paging import Page
from adapters.platforms.taobao.trade import is_trade_id
from domain.after_sale import AfterSaleCase, CaseNeeds, CaseStage
from domain.cases import CaseKind
from domain.errors import FulfilmentError, Malformed, Refused

T = TypeVar("T")

_QUANTITY_MAX = 1_000_000
_NO_ID = frozenset({"", "0"})


@dataclass(slots=True)
class _Row:
    """A row that is read field by field. `fault`: the first field that could not be read."""

    fields: Fields
    fault: str = ""

    def read(self, name: str, how: Callable[[str], T], otherwise: T) -> T:
        """The value of a field; `otherwise` where it cannot be read, which is noted."""
        try:
            return how(name)
        except FulfilmentError as error:
            self.fault = self.fault or f"{error.code}:{name}"
            return otherwise

    def word(self, name: str) -> str:
        return self.fields.word(name)


def read_page(body: bytes, window_end: datetime, *, use_has_next: bool) -> Page[AfterSaleCase]:
    """A page of the listing. A row whose change time cannot be read counts as changed at the window's end.

    Raises Malformed for a page that does not say what it was asked for: whether another page follows
    (`use_has_next`), or how many rows there are.
    """
    answer = opened(read_page_tree(body), describe.LIST_CASES)
    cases = tuple(_listed(path, row, window_end) for path, row in answer.entries("refunds", "refund"))
    total = answer.whole("total_results", 0, ROWS_MAX) if answer.has("total_results") else 0
    if not (use_has_next or answer.has("total_results")):
        answer.missing("total_results")
    return Page(cases, total, use_has_next and answer.decided("has_next"))


def read_case(body: bytes, asked: str) -> AfterSaleCase:
    """The case `asked`. Raises Malformed for an answer without a case, or about another one."""
    answer = opened(read_answer(body), describe.READ_CASE)
    fields = answer.child("refund")
    if fields.key("refund_id") != asked:
        raise Malformed("answer_not_ours", "another case than the one asked for")
    return _case(fields, fields.moment("modified", read_cst))


def stop_param(report: StopReport) -> str:
    """The `param` argument of the answer about goods. Amounts are fen here."""
    param: dict[str, Any] = {
        "refund_id": int(report.case_id) if is_trade_id(report.case_id) else report.case_id,
        "tid": int(report.platform_order_id),
        "status": "SUCCESS" if report.answer is StopAnswer.STOPPED else "FAIL",
        "operate_time": cst_text(report.at),
        "msg": report.code,
    }
    if len(report.line_ids) == 1 and is_trade_id(report.line_ids[0]):
        param["oid"] = int(report.line_ids[0])
    if report.amount is not None:
        param["refund_fee"] = report.amount.minor
    return msgspec.json.encode(param).decode()


def read_answered(body: bytes) -> None:
    """Returns if the platform took the answer. Raises Refused ``answer_rejected`` or Malformed."""
    answer = opened(read_answer(body), describe.ANSWER_STOP)
    result = answer.child("result")
    if not result.decided("success"):
        code = code_of(result.said("error_code"))
        raise Refused("answer_rejected", "the platform does not accept the answer about the goods", {"code": code})


def _listed(path: str, row: object, window_end: datetime) -> AfterSaleCase:
    try:
        fields = Fields(row, path, Malformed)
        changed_at = fields.moment_or_none("modified", read_cst) or window_end
    except FulfilmentError:
        changed_at = window_end
    try:
        return _case(Fields(row, path, Malformed), changed_at)
    except FulfilmentError as error:
        return _nameless(row, changed_at, error.code)


def _nameless(row: object, changed_at: datetime, code: str) -> AfterSaleCase:
    """A row that does not tell its id. The same row has the same id of ours whenever it is listed."""
    tree = row if isinstance(row, Mapping) else {}
    tid = str(tree.get("tid") or "")
    try:
        content = msgspec.json.encode(row, order="sorted")
    except (ValueError, TypeError, OverflowError, ArithmeticError, RecursionError):
        content = code.encode()
    return AfterSaleCase(
        case_id=f"unnamed-{hashlib.sha256(content).hexdigest()[:16]}",
        platform_order_id=tid if is_trade_id(tid) else "",
        line_ids=(),
        kind=CaseKind.UNKNOWN_CASE,
        stage=CaseStage.UNKNOWN,
        needs=CaseNeeds.UNKNOWN,
        changed_at=changed_at,
        fault=f"{code}:refund_id",
    )


def _case(fields: Fields, changed_at: datetime) -> AfterSaleCase:
    """Raises Malformed where the id cannot be read; everything else may be unknown."""
    case_id = fields.key("refund_id")
    row = _Row(fields)
    tid = row.read("tid", fields.key, "")
    oid = row.read("oid", lambda name: fields.key_or(name, ""), "")
    kind, stage, needs = _kind(row), *_stage(row)
    if stage is CaseStage.REFUNDED and kind in describe.ENDS_WITH_GOODS:
        stage = CaseStage.EXCHANGED
    sid = row.read("sid", lambda name: fields.key_or(name, ""), "")
    has_fee, has_count = fields.has("refund_fee"), fields.has("num")
    return AfterSaleCase(
        case_id=case_id,
        platform_order_id=tid if is_trade_id(tid) else "",
        line_ids=() if oid in _NO_ID else (oid,),
        # A case of no known order cannot be recognized.
        kind=kind if is_trade_id(tid) else CaseKind.UNKNOWN_CASE,
        stage=stage,
        needs=needs,
        changed_at=changed_at,
        amount=row.read("refund_fee", lambda name: fields.amount(name, describe.CURRENCY), None) if has_fee else None,
        quantity=row.read("num", lambda name: fields.whole(name, 1, _QUANTITY_MAX), None) if has_count else None,
        version=row.read("refund_version", lambda name: fields.key_or(name, ""), ""),
        decide_by=_decide_by(row),
        return_waybill=sid if is_waybill(sid) else "",
        source_state=_shown(row.word("status")),
        source_kind="/".join(
            _shown(row.word(name)) for name in ("dispute_type", "refund_phase", "has_good_return", "order_status")
        ),
        fault=row.fault,
    )


def _stage(row: _Row) -> tuple[CaseStage, CaseNeeds]:
    status, service = row.word("status"), row.word("cs_status")
    stage, needs = describe.CASE_STATES.get(status, (CaseStage.UNKNOWN, CaseNeeds.UNKNOWN))
    if status == describe.CASE_CLOSED and service == describe.CS_DONE:
        # The platform's service has decided for the seller.
        return CaseStage.REJECTED, needs
    if service in describe.CS_AT_WORK and needs is not CaseNeeds.NOBODY:
        return stage, CaseNeeds.PLATFORM
    return stage, needs


def _kind(row: _Row) -> CaseKind:
    """By `dispute_type`; where that is absent by whether goods come back. Both absent, or an unknown word: unknown."""
    dispute = row.word("dispute_type")
    if dispute and dispute not in describe.CASE_KINDS:
        return CaseKind.UNKNOWN_CASE
    kind = describe.CASE_KINDS.get(dispute)
    returns, stays = row.word("has_good_return").lower(), row.fields.denies("has_good_return")
    if kind is None:
        if returns not in {"true", "1"} and not stays:
            return CaseKind.UNKNOWN_CASE
        kind = CaseKind.REFUND_ONLY if stays else CaseKind.RETURN_REFUND
    if kind is CaseKind.REFUND_ONLY and returns in {"true", "1"}:
        return CaseKind.RETURN_REFUND
    is_before = row.word("refund_phase") == describe.PHASE_BEFORE_RECEIPT
    if kind is CaseKind.REFUND_ONLY and is_before and row.word("order_status") == describe.UNSHIPPED:
        return CaseKind.PRE_SHIP
    return kind


def _decide_by(row: _Row) -> datetime | None:
    if not row.fields.has("refund_remind_timeout"):
        return None
    remind = row.read("refund_remind_timeout", row.fields.child, None)
    if remind is None or remind.denies("exist_timeout") or not remind.has("timeout"):
        return None
    return row.read("refund_remind_timeout", lambda _: remind.moment_or_none("timeout", read_cst), None)


def _shown(word: str) -> str:
    """A word that is a code; other text may be personal data."""
    return code_of(word) if word else ""
