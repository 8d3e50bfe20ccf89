"""Say whose a case is and by when, and close it with a reason. A case stops no order, so neither moves one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.errors import Conflict, Refused
from infra.engine.author import Author
from infra.tables.audit import Verb
from infra.tables.cases import LockedCase, assign_cases, close_locked, closed_cases, lock_cases
from infra.tables.pool import Connection, Database
from ops.verbs.change import Change, change


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseAssigned:
    """A case after the change; `was_*`: before."""

    case: int
    order_id: int | None
    kind: str
    owner: str
    due_at: datetime
    was_owner: str
    was_due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseClosed:
    """A case that was open until now."""

    case: int
    order_id: int | None
    kind: str
    owner: str


def assign_cases_to(
    db: Database, cases: Sequence[int], owner: str, author: Author, *, due_at: datetime | None = None
) -> list[CaseAssigned]:
    """Give open cases to a person or team; all of them or none.

    Without `due_at` the due time stays. Raises Conflict ``case_not_open`` for one that is closed, and Refused
    ``case_unknown`` for one that never was.
    """
    with change(db, author) as made:
        return assign_cases_in(made, cases, owner, due_at=due_at)


def assign_cases_in(
    made: Change, cases: Sequence[int], owner: str, *, due_at: datetime | None = None
) -> list[CaseAssigned]:
    """The same in the caller's change."""
    locked = _lock(made.tx, cases)
    assign_cases(made.tx, cases, owner, due_at)
    for one in locked:
        made.note(
            Verb.CASE_ASSIGNED,
            f"case/{one.id}",
            {"owner": one.owner, "due_at": one.due_at.isoformat()},
            {"owner": owner, "due_at": (due_at or one.due_at).isoformat()},
            order_id=one.order_id,
            code=one.kind,
        )
    return [
        CaseAssigned(
            case=one.id,
            order_id=one.order_id,
            kind=one.kind,
            owner=owner,
            due_at=due_at or one.due_at,
            was_owner=one.owner,
            was_due_at=one.due_at,
        )
        for one in locked
    ]


def close_cases(db: Database, cases: Sequence[int], author: Author) -> list[CaseClosed]:
    """Close open cases with the author's reason; all of them or none. Raises as `assign_cases_to` does."""
    with change(db, author) as made:
        return close_cases_in(made, cases, author)


def close_cases_in(made: Change, cases: Sequence[int], author: Author) -> list[CaseClosed]:
    """The same in the caller's change."""
    locked = _lock(made.tx, cases)
    close_locked(made.tx, cases, author.who, author.reason)
    for one in locked:
        made.note(
            Verb.CASE_CLOSED,
            f"case/{one.id}",
            {"state": "open"},
            {"state": "closed"},
            order_id=one.order_id,
            code=one.kind,
        )
    return [CaseClosed(case=one.id, order_id=one.order_id, kind=one.kind, owner=one.owner) for one in locked]


def _lock(tx: Connection, cases: Sequence[int]) -> list[LockedCase]:
    locked = lock_cases(tx, cases)
    missing = sorted(set(cases) - {one.id for one in locked})
    if missing:
        first = missing[0]
        closed = closed_cases(tx, [first]).get(first)
        if closed is None:
            raise Refused("case_unknown", facts={"case": first})
        at = f"{closed.closed_at:%Y-%m-%d %H:%M:%S %Z}"
        raise Conflict("case_not_open", facts={"case": first, "by": closed.closed_by, "at": at})
    return locked
