"""After-sale cases of Douyin in our words. Pure: answers in, cases out. Source: the vendor's generated clients.

Every row is a case. What cannot be read of it, and every number that is in no table, is unknown: the case is then of an
unknown kind or stage, which is never taken for "no refund". The listing and the detail of a case have other names for
the same things.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import msgspec

from adapters.foreign import code_of, is_waybill
from adapters.instants import read_epoch_s
from adapters.payload import Fields, read_answer
from adapters.platforms.douyin import describe
from adapters.platforms.douyin.answers import page_of
from adapters.platforms.douyin.lines import order_id_of
from adapters.platforms.douyin.order import is_order_id
from adapters.platforms.douyin.paging import DouyinPage
from adapters.platforms.douyin.sums import fen
from domain.after_sale import AfterSaleCase, CaseNeeds, CaseStage
from domain.cases import CaseKind
from domain.errors import FulfilmentError, Malformed
from domain.money import Money

T = TypeVar("T")
_Lines = tuple[str, tuple[str, ...]]
_NO_LINES: _Lines = ("", ())

_QUANTITY_MAX = 1_000_000
_LINES_MAX = 1_000


@dataclass(frozen=True, slots=True)
class DouyinCaseNames:
    """How one call names the fields of a case."""

    case_id: str
    status: str
    kind: str
    order_type: str
    sub_type: str
    amount: str
    quantity: str


LISTED = DouyinCaseNames(
    case_id="aftersale_id",
    status="aftersale_status",
    kind="aftersale_type",
    order_type="aftersale_order_type",
    sub_type="aftersale_sub_type",
    amount="refund_amount",
    quantity="aftersale_num",
)
DETAILED = DouyinCaseNames(
    case_id="after_sale_id",
    status="after_sale_status",
    kind="after_sale_type",
    order_type="after_sale_order_type",
    sub_type="after_sale_sub_type",
    amount="refund_total_amount",
    quantity="after_sale_apply_count",
)


@dataclass(slots=True)
class DouyinCaseRow:
    """A case that is read field by field. `fault`: the first field that could not be read."""

    fields: Fields
    names: DouyinCaseNames
    fault: str = ""

    def read(self, name: str, how: Callable[[], T], otherwise: T) -> T:
        """What `how` reads; `otherwise` where it cannot be read, which is noted under `name`."""
        try:
            return how()
        except FulfilmentError as error:
            self.fault = self.fault or f"{error.code}:{name}"
            return otherwise

    def text(self, name: str) -> str:
        return self.read(name, lambda: self.fields.key_or(name, ""), "")

    def amount(self, name: str) -> Money | None:
        return self.read(name, lambda: fen(self.fields, name) if self.fields.has(name) else None, None)

    def moment(self, name: str) -> datetime | None:
        return self.read(name, lambda: self.fields.moment_or_none(name, read_epoch_s), None)


def read_case_page(body: bytes, window_end: datetime) -> DouyinPage[AfterSaleCase]:
    """A page of the listing. A row whose change time cannot be read counts as changed at the window's end."""
    return page_of(body, "items", lambda path, row: _listed(path, row, window_end))


def read_case(body: bytes, asked: str) -> AfterSaleCase:
    """The case `asked`. Raises Malformed for an answer without a case, or about another one."""
    data = Fields(read_answer(body), "answer", Malformed).child("data")
    process = data.child("process_info")
    info = process.child("after_sale_info")
    if info.key(DETAILED.case_id) != asked:
        raise Malformed("answer_not_ours", "another case than the one asked for")
    row = DouyinCaseRow(info, DETAILED)
    order_id, line_ids = row.read("order_info", lambda: _detailed_lines(data, row), _NO_LINES)
    service = row.read("arbitrate_info", lambda: _service_of(process, "arbitrate_info"), "?")
    back = row.read("logistics_info", lambda: _parcel(process, "return"), "")
    out = row.read("logistics_info", lambda: _parcel(process, "exchange") or _parcel(process, "resend"), "")
    return _case(
        row,
        info.moment("update_time", read_epoch_s),
        order_id,
        line_ids,
        service,
        waybills=(back, out),
        share="platform_discount_return_amount",
    )


def _listed(path: str, row: object, window_end: datetime) -> tuple[AfterSaleCase, datetime | None]:
    changed_at: datetime | None = None
    try:
        item = Fields(row, path, Malformed)
        info = item.child("aftersale_info")
        case = DouyinCaseRow(info, LISTED)
        changed_at = case.moment("update_time")
        order_id, line_ids = case.read("order_info", lambda: _listed_lines(item, info), _NO_LINES)
        back = case.text("return_logistics_code")
        service = info.word("arbitrate_status")
        found = _case(case, changed_at or window_end, order_id, line_ids, service, waybills=(back, ""))
    except FulfilmentError as error:
        return _nameless(row, changed_at or window_end, error.code), changed_at
    return found, changed_at


def _listed_lines(item: Fields, info: Fields) -> _Lines:
    """The order of a case, and the lines that it is about: none named: all of them."""
    order_id = order_id_of(item.child("order_info").key("shop_order_id"))
    if info.word(LISTED.order_type) != describe.CASE_OF_LINE:
        return order_id, ()
    return order_id, (order_id_of(info.key("related_id")),)


def _detailed_lines(data: Fields, row: DouyinCaseRow) -> _Lines:
    order = data.child("order_info")
    order_id = order_id_of(order.key("shop_order_id"))
    if row.fields.word(DETAILED.order_type) != describe.CASE_OF_LINE:
        return order_id, ()
    lines = order.listed("sku_order_infos", limit=_LINES_MAX)
    return order_id, tuple(dict.fromkeys(order_id_of(line.key("sku_order_id")) for line in lines))


def _service_of(process: Fields, name: str) -> str:
    return process.child(name).word("arbitrate_status") if process.has(name) else ""


def _parcel(process: Fields, way: str) -> str:
    logistics = process.child("logistics_info") if process.has("logistics_info") else None
    if logistics is None or not logistics.has(way):
        return ""
    return logistics.child(way).key_or("tracking_no", "")


def _nameless(row: object, changed_at: datetime, code: str) -> AfterSaleCase:
    """A row that does not tell its id. The same row has the same id of ours whenever it is listed."""
    order_info = row.get("order_info") if isinstance(row, Mapping) else None
    named = order_info.get("shop_order_id") if isinstance(order_info, Mapping) else None
    order_id = order_id_of(str(named or ""))
    try:
        content = msgspec.json.encode(row, order="sorted")
    except (ValueError, TypeError, OverflowError, ArithmeticError, RecursionError):
        content = code.encode()
    return AfterSaleCase(
        case_id=f"unnamed-{hashlib.sha256(content).hexdigest()[:16]}",
        platform_order_id=order_id if is_order_id(order_id) else "",
        line_ids=(),
        kind=CaseKind.UNKNOWN_CASE,
        stage=CaseStage.UNKNOWN,
        needs=CaseNeeds.UNKNOWN,
        changed_at=changed_at,
        fault=f"{code}:aftersale_id",
    )


def _case(
    row: DouyinCaseRow,
    changed_at: datetime,
    order_id: str,
    line_ids: tuple[str, ...],
    service: str,
    *,
    waybills: tuple[str, str],
    share: str = "",
) -> AfterSaleCase:
    """`waybills`: back and out. `share`: the field of what the platform pays. Raises Malformed without an id."""
    fields, names = row.fields, row.names
    case_id = fields.key(names.case_id)
    words = [_shown(fields.word(name)) for name in (names.status, "refund_status")]
    kind = describe.CASE_KINDS.get(fields.word(names.kind), CaseKind.UNKNOWN_CASE)
    stage, needs = _stage(row, kind, service)
    deadline = row.moment("status_deadline")
    back, out = (number if is_waybill(number) else "" for number in waybills)
    quantity = names.quantity
    return AfterSaleCase(
        case_id=case_id,
        platform_order_id=order_id if is_order_id(order_id) else "",
        line_ids=line_ids,
        # A case of no known order cannot be recognized.
        kind=kind if is_order_id(order_id) else CaseKind.UNKNOWN_CASE,
        stage=stage,
        needs=needs,
        changed_at=changed_at,
        amount=row.amount(names.amount),
        freight=row.amount("refund_post_amount"),
        platform_share=row.amount(share),
        quantity=row.read(
            quantity, lambda: (fields.whole(quantity, 0, _QUANTITY_MAX) or None) if fields.has(quantity) else None, None
        ),
        version=row.text("update_time"),
        # At the buyer's deadline nothing is decided about the seller.
        decide_by=deadline if needs in {CaseNeeds.SELLER, CaseNeeds.UNKNOWN} else None,
        return_waybill=back,
        resend_waybill=out,
        source_state="/".join(words),
        source_kind="/".join(_shown(fields.word(name)) for name in (names.kind, names.order_type, names.sub_type)),
        fault=row.fault,
    )


def _stage(row: DouyinCaseRow, kind: CaseKind, service: str) -> tuple[CaseStage, CaseNeeds]:
    status = row.fields.word(row.names.status)
    stage, needs = describe.CASE_STATES.get(status, (CaseStage.UNKNOWN, CaseNeeds.UNKNOWN))
    if stage is CaseStage.REFUNDED and kind in describe.ENDS_WITH_GOODS:
        return CaseStage.EXCHANGED, needs
    is_final = row.moment("aftersale_status_to_final_time") is not None
    if status == describe.CASE_FAILED:
        return (CaseStage.REJECTED if service == describe.SERVICE_FOR_SELLER else stage), needs
    if status in describe.REFUSED and is_final:
        return CaseStage.REJECTED, CaseNeeds.NOBODY
    if needs is CaseNeeds.NOBODY:
        return stage, needs
    if service == describe.AT_SERVICE:
        return stage, CaseNeeds.PLATFORM
    return stage, CaseNeeds.SELLER if service == describe.SERVICE_WANTS_SELLER else needs


def _shown(word: str) -> str:
    """A number as the platform writes it; other text may be personal data."""
    return code_of(word) if word else ""
