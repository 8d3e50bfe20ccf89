"""Holds in the hands of people: opened by a person, listed, assigned, snoozed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from psycopg.rows import class_row, dict_row

from domain.errors import Refused
from domain.money import Money
from infra.tables.pool import Connection
from infra.tables.sql import load

HOLDS = load("holds")


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldFilter:
    """What all of some open holds have in common; None asks nothing.

    `shop`: a shop's name, or its account. `is_snoozed`: only those that are snoozed now, or only those that are not.
    Raises Refused ``filter_malformed`` for an empty text: a shell variable that was not set must not choose holds.
    """

    code: str | None = None
    owner: str | None = None
    shop: str | None = None
    opened_before: datetime | None = None
    due_before: datetime | None = None
    is_snoozed: bool | None = None

    def __post_init__(self) -> None:
        for name in ("code", "owner", "shop"):
            if getattr(self, name) == "":
                raise Refused("filter_malformed", f"the {name} asked for is empty", {"field": name})

    @property
    def is_empty(self) -> bool:
        return self == HoldFilter(is_snoozed=self.is_snoozed)

    def asked(self) -> dict[str, Any]:
        """What is asked, by name."""
        return {name: value for name, value in self.named().items() if value is not None}

    def named(self) -> dict[str, Any]:
        """The values for the statement, by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenHold:
    """An open hold as a line of a list. `part`: the number of its fulfillment order; `worth`: of the whole order.

    `seen_at` is the database's time: what is overdue was overdue then.
    """

    id: int
    code: str
    step: str
    owner: str
    opened_at: datetime
    due_at: datetime
    snoozed_until: datetime | None
    facts: dict[str, Any]
    order_id: int
    order_name: str
    part: int
    state: str
    worth: Money
    ship_by: datetime | None
    seen_at: datetime

    @property
    def is_snoozed(self) -> bool:
        return self.snoozed_until is not None and self.snoozed_until > self.seen_at


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedHold:
    """An open hold whose row this transaction holds, and where its order stands."""

    id: int
    code: str
    owner: str
    due_at: datetime
    snoozed_until: datetime | None
    fulfillment_order_id: int
    order_id: int
    state: str
    lane: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A hold that is over: who released it, and when."""

    id: int
    released_by: str
    released_at: datetime


def open_by_person(
    tx: Connection,
    fulfillment_order_ids: Sequence[int],
    *,
    code: str,
    owner: str,
    due_h: int,
    due_at: datetime | None,
    facts: dict[str, str],
) -> dict[int, datetime]:
    """Open a hold on each; its due time by fulfillment order. Those that have an open hold of the code are left out.

    Without `due_at` it is due in `due_h` hours, by the database's clock. The caller holds the fulfillment orders.
    """
    named = {
        "ids": list(fulfillment_order_ids),
        "code": code,
        "owner": owner,
        "due_h": due_h,
        "due_at": due_at,
        "facts": msgspec.json.encode(facts).decode(),
    }
    return dict(tx.execute(HOLDS["open_by_person"], named).fetchall())


def list_holds(tx: Connection, wanted: HoldFilter, *, after: int = 0, limit: int) -> list[OpenHold]:
    """A page of open holds, the first due first. `after`: the id of the last hold of the page before."""
    with tx.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(HOLDS["list"], {**wanted.named(), "after": after, "limit": limit})
        return [OpenHold(worth=Money(row.pop("payable_minor"), row.pop("currency")), **row) for row in rows]


def lock_holds(tx: Connection, hold_ids: Sequence[int]) -> list[LockedHold]:
    """Lock those of the holds that are open, in id order."""
    names = tuple(LockedHold.__slots__)
    return [
        LockedHold(**dict(zip(names, row, strict=True)))
        for row in tx.execute(HOLDS["lock"], {"ids": list(hold_ids)}).fetchall()
    ]


def assign_holds(tx: Connection, hold_ids: Sequence[int], owner: str, due_at: datetime | None) -> None:
    """Give locked holds another owner, and another due time unless that is None."""
    tx.execute(HOLDS["assign"], {"ids": list(hold_ids), "owner": owner, "due_at": due_at})


def snooze_holds(tx: Connection, hold_ids: Sequence[int], until: datetime | None) -> None:
    """Remind nobody of locked holds before `until`; None ends a snooze."""
    tx.execute(HOLDS["snooze"], {"ids": list(hold_ids), "until": until})


def ended_holds(tx: Connection, hold_ids: Sequence[int]) -> dict[int, Ended]:
    """Who released which of the holds. Those that are open, or never were, are left out."""
    with tx.cursor(row_factory=class_row(Ended)) as cursor:
        return {one.id: one for one in cursor.execute(HOLDS["ends"], {"ids": list(hold_ids)})}
