"""Cases in Postgres: one row for each shop and case id."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg.rows import class_row, dict_row

from domain.cases import CASES, TOLD_TO_PLATFORM, CaseKind
from domain.clocks import CLOCKS, ClockName
from domain.errors import Facts, Refused
from domain.gates import ENGINE
from domain.money import Money
from infra.tables.pool import Connection
from infra.tables.rows import rows_json
from infra.tables.sql import load

CASE = load("cases")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCase:
    """A case to open. `shop`: account of the order's shop. `facts`: codes, ids and numbers, never personal data."""

    shop: str
    case_id: str
    kind: CaseKind
    order_id: int
    package_id: int | None = None
    facts: Facts = field(default_factory=dict)


def open_cases(tx: Connection, cases: Sequence[NewCase]) -> set[str]:
    """Open the cases that are new, with their kind's owner and due time; return the ids of those that were new.

    A case that was opened before stays as it is, open or closed. One statement; safe to run twice and side by side.
    """
    if not cases:
        return set()
    rows = [
        {
            "shop": one.shop,
            "case_id": one.case_id,
            "kind": one.kind,
            "order_id": one.order_id,
            "package_id": one.package_id,
            "owner": CASES[one.kind].owner,
            "due_h": CASES[one.kind].due_h,
            "facts": dict(one.facts),
        }
        for one in cases
    ]
    return {row[0] for row in tx.execute(CASE["open"], {"rows": rows_json(rows)})}


def close_case(tx: Connection, shop: str, case_id: str, author: str, reason: str) -> bool:
    """Close a case; False when none of that id is open."""
    named = {"shop": shop, "case_id": case_id, "author": author, "reason": reason}
    return tx.execute(CASE["close"], named).fetchone() is not None


def close_cases_of(
    tx: Connection, package_ids: Sequence[int], kinds: Sequence[CaseKind], author: str, reason: str
) -> int:
    """Close the open cases of these kinds that packages have; how many. No statement for none."""
    if not package_ids:
        return 0
    named = {"ids": list(package_ids), "kinds": list(kinds), "author": author, "reason": reason}
    return len(tx.execute(CASE["close_of_packages"], named).fetchall())


def close_of_dead_waybills(tx: Connection, package_ids: Sequence[int], author: str) -> None:
    """Close the cases about unwanted waybills of packages whose waybill is void. No statement for none.

    A case whose waybill the platform shows stays open.
    """
    if package_ids:
        named = {
            "ids": list(package_ids),
            "kind": CaseKind.UNWANTED_WAYBILL,
            "told": TOLD_TO_PLATFORM,
            "author": author,
        }
        tx.execute(CASE["close_of_dead_waybills"], named)


def count_open_cases(tx: Connection, order_ids: Sequence[int]) -> dict[int, int]:
    """Open cases of each order that has any."""
    return dict(tx.execute(CASE["open_of_orders"], {"order_ids": list(order_ids)}).fetchall())


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFilter:
    """What all of some cases have in common; None asks nothing.

    `shop`: a shop's name, or its account. Raises Refused ``filter_malformed`` for an empty text: a shell variable that
    was not set must not choose cases.
    """

    kind: str | None = None
    owner: str | None = None
    shop: str | None = None
    opened_before: datetime | None = None
    due_before: datetime | None = None

    def __post_init__(self) -> None:
        for name in ("kind", "owner", "shop"):
            if getattr(self, name) == "":
                raise Refused("filter_malformed", f"the {name} asked for is empty", {"field": name})

    @property
    def is_empty(self) -> bool:
        return self == CaseFilter()

    def asked(self) -> dict[str, Any]:
        """What is asked, by name."""
        return {name: value for name, value in self.named().items() if value is not None}

    def named(self) -> dict[str, Any]:
        """The values for the statement, by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    """A case as a line of a list. `states`: of the parts of its order. `waybill`: of its package, where it has one.

    `order_id`: None where the order of a platform's case is not here yet. `stage`, `needs`, `decide_by` are the
    platform's, empty and None for a case of our own; `answer` is what the platform was told of the goods.

    `closed_by` and `reason` are of the person who closed it. `seen_at` is the database's time: what is overdue was
    overdue then.
    """

    id: int
    shop: str
    case_id: str
    kind: str
    owner: str
    opened_at: datetime
    due_at: datetime
    closed_at: datetime | None
    closed_by: str | None
    reason: str
    facts: dict[str, Any]
    order_id: int | None
    order_name: str
    stage: str
    needs: str
    currency: str
    amount_minor: int | None
    decide_by: datetime | None
    answer: str
    answer_status: str
    states: list[str]
    package_id: int | None
    package_number: int | None
    location: str | None
    courier: str | None
    waybill: str | None
    handed_over_at: datetime | None
    seen_at: datetime

    @property
    def amount(self) -> Money | None:
        return None if self.amount_minor is None else Money(self.amount_minor, self.currency)

    @property
    def is_late(self) -> bool:
        return self.closed_at is None and self.due_at <= self.seen_at


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedCase:
    """An open case whose row this transaction holds."""

    id: int
    kind: str
    owner: str
    due_at: datetime
    order_id: int | None


@dataclass(frozen=True, slots=True)
class ClosedCase:
    """A case that is over: who closed it, and when."""

    id: int
    closed_by: str
    closed_at: datetime


def list_cases(tx: Connection, wanted: CaseFilter, *, is_open: bool, after: int = 0, limit: int) -> list[CaseRow]:
    """A page of cases: the open ones with the first due first, or the closed ones with the last closed first.

    `after`: the id of the last case of the page before; 0: the first page.
    """
    query = CASE["list_open" if is_open else "list_closed"]
    ids = [row[0] for row in tx.execute(query, {**wanted.named(), "after": after, "limit": limit})]
    return _load(tx, ids) if ids else []


def load_case(tx: Connection, id_: int) -> CaseRow | None:
    """A case by its number, open or closed."""
    return next(iter(_load(tx, [id_])), None)


def _load(tx: Connection, ids: Sequence[int]) -> list[CaseRow]:
    with tx.cursor(row_factory=class_row(CaseRow)) as cursor:
        return cursor.execute(CASE["load"], {"ids": list(ids)}).fetchall()


def lock_cases(tx: Connection, ids: Sequence[int]) -> list[LockedCase]:
    """Lock those of the cases that are open, in id order."""
    with tx.cursor(row_factory=class_row(LockedCase)) as cursor:
        return cursor.execute(CASE["lock"], {"ids": list(ids)}).fetchall()


def assign_cases(tx: Connection, ids: Sequence[int], owner: str, due_at: datetime | None) -> None:
    """Give locked cases another owner, and another due time unless that is None."""
    tx.execute(CASE["assign"], {"ids": list(ids), "owner": owner, "due_at": due_at})


def close_locked(tx: Connection, ids: Sequence[int], author: str, reason: str) -> None:
    """Close locked cases."""
    tx.execute(CASE["close_locked"], {"ids": list(ids), "author": author, "reason": reason})


def closed_cases(tx: Connection, ids: Sequence[int]) -> dict[int, ClosedCase]:
    """Who closed which of the cases. Those that are open, or never were, are left out."""
    with tx.cursor(row_factory=class_row(ClosedCase)) as cursor:
        return {one.id: one for one in cursor.execute(CASE["closed"], {"ids": list(ids)})}


def expired_cases(connection: Connection) -> list[tuple[str, int]]:
    """(owner, count) of the open cases past their due time."""
    return connection.execute(CASE["expired"]).fetchall()


def foresee_case_change(tx: Connection, ids: Sequence[int], done: str) -> dict[int, str]:
    """What a change of an open case would end with, by case: `done`, or the code of the refusal."""
    return dict(tx.execute(CASE["foresee"], {"ids": list(ids), "done": done}).fetchall())


@dataclass(frozen=True, slots=True, kw_only=True)
class OverdueParcel:
    """A followed parcel whose clock has run out. `kind`: of the case that it is; `since`: when the clock began."""

    kind: CaseKind
    package_id: int
    order_id: int
    shop: str
    reference: str
    courier: str
    waybill: str
    since: datetime


def overdue_parcels(tx: Connection, *, after: int, limit: int) -> tuple[int | None, list[OverdueParcel]]:
    """A stretch of followed parcels behind an id: its last id (None: there is none), and those whose clock ran out."""
    upto = (tx.execute(CASE["end_of_stretch"], {"after": after, "limit": limit}).fetchone() or (None,))[0]
    if upto is None:
        return None, []
    named = {
        "after": after,
        "upto": upto,
        "not_collected": CaseKind.NOT_COLLECTED,
        "not_moving": CaseKind.NOT_MOVING,
        "not_delivered": CaseKind.NOT_DELIVERED,
        "delivery_h": CLOCKS[ClockName.DELIVERY].hours,
        "first_scan_h": CLOCKS[ClockName.FIRST_SCAN].hours,
        "no_movement_h": CLOCKS[ClockName.NO_MOVEMENT].hours,
    }
    with tx.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(CASE["overdue_parcels"], named).fetchall()
    return upto, [OverdueParcel(kind=CaseKind(row.pop("kind")), **row) for row in rows]


def close_settled(tx: Connection) -> int:
    """Close the open cases of parcels that were collected, or signed for, after all; how many."""
    named = {
        "author": ENGINE,
        "not_collected": CaseKind.NOT_COLLECTED,
        "until_signed": [CaseKind.NOT_MOVING, CaseKind.NOT_DELIVERED],
    }
    return len(tx.execute(CASE["close_settled"], named).fetchall())
