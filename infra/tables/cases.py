"""Cases in Postgres: one row for each shop and case id."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from domain.cases import CASES, CaseKind
from domain.errors import Facts
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


def count_open_cases(tx: Connection, order_ids: Sequence[int]) -> dict[int, int]:
    """Open cases of each order that has any."""
    return dict(tx.execute(CASE["open_of_orders"], {"order_ids": list(order_ids)}).fetchall())
