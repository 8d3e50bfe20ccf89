"""After-sale cases as their platforms show them, what was answered, and how far the cases of shops were read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from psycopg.rows import class_row

from domain.after_sale import AfterSaleCase, CaseStage
from domain.case_asks import CaseAbout
from domain.cases import CASES, CaseKind
from domain.gates import ENGINE
from domain.money import Money
from domain.states import State
from domain.stop_answers import PartOfCase
from domain.stops import StopCode, StopGoal, StopStatus
from domain.windows import Marks
from infra.tables.pool import Connection
from infra.tables.rows import Row, rows_json
from infra.tables.sql import load

AFTER_SALE = load("after_sale")
# The fault of a case whose detail could not be had: it is news as long as the case is listed.
DETAIL_UNREAD = "detail_unread"


def store_platform_cases(tx: Connection, shop: str, cases: Sequence[AfterSaleCase]) -> list[int]:
    """Store cases of a shop's account; the ids of those of which something is news. No statement for none.

    An older view never replaces a newer one. A case is linked to its order where that is stored.
    """
    if not cases:
        return []
    # Of two views of one case in a batch the newest counts.
    newest = {one.case_id: one for one in sorted(cases, key=lambda one: one.changed_at)}
    rows = rows_json(_row(shop, one) for one in newest.values())
    named = {"rows": rows, "author": ENGINE}
    return [row[0] for row in tx.execute(AFTER_SALE["store_platform_cases"], named)]


def _row(shop: str, one: AfterSaleCase) -> Row:
    rule = CASES[one.kind]
    currency = one.amount.currency if one.amount is not None else ""
    return {
        "shop": shop,
        "case_id": one.case_id,
        "kind": one.kind,
        "owner": rule.owner,
        "due_h": rule.due_h,
        "facts": {"fault": one.fault} if one.fault else {},
        "platform_order_id": one.platform_order_id,
        "stage": one.stage,
        "needs": one.needs,
        "lines": list(one.line_ids),
        "currency": currency,
        "amount_minor": _minor(one.amount),
        "freight_minor": _minor(one.freight),
        "platform_share_minor": _minor(one.platform_share),
        "quantity": one.quantity,
        "version": one.version,
        "changed_at": one.changed_at,
        "decide_by": one.decide_by,
        "return_waybill": one.return_waybill,
        "resend_waybill": one.resend_waybill,
        "source_state": one.source_state,
        "source_kind": one.source_kind,
        "is_final": one.is_final,
    }


def _minor(money: Money | None) -> int | None:
    return None if money is None else money.minor


def known_platform_cases(tx: Connection, shop: str, cases: Sequence[AfterSaleCase]) -> set[str]:
    """Ids of those of the listed cases that are stored as they are listed. No statement for none."""
    if not cases:
        return set()
    rows = rows_json(
        {
            "case_id": one.case_id,
            "changed_at": one.changed_at,
            "version": one.version,
            "source_state": one.source_state,
            "source_kind": one.source_kind,
        }
        for one in cases
    )
    return {
        row[0]
        for row in tx.execute(AFTER_SALE["known_platform_cases"], {"shop": shop, "rows": rows, "unread": DETAIL_UNREAD})
    }


def link_platform_cases(tx: Connection, account: str, platform: str, shop: str) -> list[int]:
    """Link the cases of a shop that came before their order; their ids."""
    named = {"account": account, "platform": platform, "shop": shop}
    return [row[0] for row in tx.execute(AFTER_SALE["link_platform_cases"], named)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformCase:
    """A case of a platform as it is stored. `order_id`: None while its order is not here."""

    id: int
    shop: str
    case_id: str
    kind: str
    stage: str
    order_id: int | None
    lines: list[str]
    decide_by: datetime | None

    @property
    def about(self) -> CaseAbout:
        return CaseAbout(kind=CaseKind(self.kind), stage=CaseStage(self.stage), line_ids=frozenset(self.lines))


def load_platform_cases(tx: Connection, ids: Sequence[int]) -> list[PlatformCase]:
    """Cases of platforms by their ids; without a lock."""
    with tx.cursor(row_factory=class_row(PlatformCase)) as cursor:
        return cursor.execute(AFTER_SALE["load_platform_cases"], {"ids": list(ids)}).fetchall()


def platform_cases_of_orders(tx: Connection, order_ids: Sequence[int]) -> dict[int, list[PlatformCase]]:
    """All cases of platforms about some orders, by order."""
    found: dict[int, list[PlatformCase]] = {}
    with tx.cursor(row_factory=class_row(PlatformCase)) as cursor:
        for one in cursor.execute(AFTER_SALE["platform_cases_of_orders"], {"order_ids": list(order_ids)}):
            assert one.order_id is not None
            found.setdefault(one.order_id, []).append(one)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRow:
    """A case that its platform may have to hear about. `answer`: what a call told, or may have told.

    `is_asked_about`: a call may have told it. `busy_s`: so long an earlier caller may still be talking. `left_s`: until
    the platform decides by itself, None: unknown. `unclear_s`: since a call began that may have told it.
    """

    id: int
    shop: str
    case_id: str
    kind: str
    stage: str
    order_id: int | None
    platform_order_id: str
    lines: list[str]
    currency: str
    amount_minor: int | None
    answer: str
    answer_status: str
    is_asked_about: bool
    busy_s: float
    left_s: float | None
    unclear_s: float | None

    @property
    def amount(self) -> Money | None:
        return None if self.amount_minor is None else Money(self.amount_minor, self.currency)


def lock_platform_cases(tx: Connection, order_id: int) -> None:
    """Lock the platform's cases of an order, so that none of them is answered before this transaction ends.

    After the lock of the order's fulfillment orders.
    """
    tx.execute(AFTER_SALE["lock_platform_cases"], {"order_id": order_id})


def load_answers(tx: Connection, ids: Sequence[int]) -> list[AnswerRow]:
    """Cases of platforms by their ids; locked."""
    with tx.cursor(row_factory=class_row(AnswerRow)) as cursor:
        return cursor.execute(AFTER_SALE["load_answers"], {"ids": list(ids)}).fetchall()


def parts_of_cases(tx: Connection, ids: Sequence[int]) -> dict[int, list[PartOfCase]]:
    """Fulfillment orders with pieces of the cases' lines, by case."""
    found: dict[int, list[PartOfCase]] = {}
    for row in tx.execute(AFTER_SALE["parts_of_cases"], {"ids": list(ids)}):
        case_id, _, state, resume_state, has_left, has_waybill, has_document, waits, stop, goal, code = row
        now = State(state)
        part = PartOfCase(
            state=now,
            at=State(resume_state) if now is State.ON_HOLD and resume_state else now,
            has_left=has_left,
            has_waybill=has_waybill,
            has_document=has_document,
            waits=waits,
            stop=StopStatus(stop) if stop else None,
            goal=StopGoal(goal) if goal else None,
            code=StopCode(code) if code else None,
        )
        found.setdefault(case_id, []).append(part)
    return found


def begin_answers(tx: Connection, answers: Mapping[int, str], call_s: float) -> None:
    """Calls begin that tell these answers, by case, and take at most `call_s` seconds. No statement for none."""
    if answers:
        rows = rows_json({"id": id_, "answer": answer} for id_, answer in answers.items())
        tx.execute(AFTER_SALE["begin_answers"], {"rows": rows, "call_s": call_s})


class AnswerEnd(NamedTuple):
    """How a call ended. `is_clear`: it surely had no effect, or its effect is known."""

    id: int
    status: str
    is_clear: bool


def end_answers(tx: Connection, ended: Iterable[AnswerEnd]) -> None:
    """Store how calls ended."""
    rows = rows_json({"id": one.id, "status": one.status, "is_clear": one.is_clear} for one in ended)
    tx.execute(AFTER_SALE["end_answers"], {"rows": rows})


def want_answers(tx: Connection, order_ids: Sequence[int]) -> list[tuple[str, str]]:
    """The platforms' cases about some orders are to be answered now; (lane, account) of each. No statement for none."""
    if not order_ids:
        return []
    return tx.execute(AFTER_SALE["want_answers"], {"order_ids": list(order_ids)}).fetchall()


class CaseCursorRow(NamedTuple):
    """How far the cases of a shop were read, and the database's time. `window_s`: a length that fits."""

    id: int
    account: str
    cursor_at: datetime | None
    open_from: datetime | None
    open_to: datetime | None
    window_s: float | None
    now: datetime


def load_case_cursors(tx: Connection, shop_ids: Sequence[int]) -> list[CaseCursorRow]:
    """How far the cases of some shops were read; without a lock."""
    return [CaseCursorRow(*row) for row in tx.execute(AFTER_SALE["load_case_cursors"], {"ids": list(shop_ids)})]


def move_case_cursor(tx: Connection, shop_id: int, marks: Marks, window_s: float | None) -> None:
    """Store how far the cases of a shop were read, and the length of the next part (None: the longest)."""
    named = {
        "id": shop_id,
        "cursor_at": marks.cursor_at,
        "open_from": marks.open_from,
        "open_to": marks.open_to,
        "window_s": window_s,
    }
    tx.execute(AFTER_SALE["move_case_cursor"], named)
