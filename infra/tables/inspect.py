"""Read-only questions of people about orders: which one it is, and all that is known of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

from psycopg.rows import class_row, dict_row

from infra.tables.pool import Connection
from infra.tables.sql import load

INSPECT = load("inspect")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Match:
    """One order that an id may mean."""

    id: int
    platform: str
    shop: str
    platform_order_id: str
    placed_at: datetime

    @property
    def full_id(self) -> str:
        """The id that means this order and no other."""
        return f"{self.platform}/{self.shop}/{self.platform_order_id}"


@dataclass(frozen=True, slots=True)
class UnreadPayload:
    """A payload that never became an order. `forgotten`: the cause of its order's tombstone, if there is one."""

    platform: str
    shop: str
    platform_order_id: str
    received_at: datetime
    dead_letter: int | None
    code: str | None
    message: str | None
    forgotten: str | None
    forgotten_at: datetime | None


class Unfetched(NamedTuple):
    """An order that a listing showed and that could not be fetched. `dead_letter`: its open one."""

    account: str
    platform_order_id: str
    noticed_at: datetime
    tries: int
    error: str
    dead_letter: int | None


class OrderQuery(StrEnum):
    """What is known of an order, as the query that reads it."""

    HEAD = "order_head"
    LINES = "order_lines"
    PAYLOADS = "order_payloads"
    FULFILLMENT = "order_fulfillment"
    HOLDS = "order_holds"
    CASES = "order_cases"
    PACKAGES = "order_packages"
    SHIPMENTS = "order_shipments"
    PARCEL_EVENTS = "order_parcel_events"
    DOCUMENTS = "order_documents"
    UNREADABLE_SCANS = "order_unreadable_scans"
    NOTICES = "order_notices"
    EVENTS = "order_events"
    GAP = "order_gap"


class SubjectQuery(StrEnum):
    """What is known of named (step, subject) pairs, as the query that reads it."""

    WORK = "due_work"
    LETTERS = "open_letters"


def find_by_id(tx: Connection, order_id: int) -> Iterator[Match]:
    """The order with our own id, or none."""
    return _matches(tx, "find_by_id", {"id": order_id})


def find_by_platform_order_id(tx: Connection, platform_order_id: str) -> Iterator[Match]:
    """Orders under a platform's order id, in any shop."""
    return _matches(tx, "find_by_platform_order_id", {"platform_order_id": platform_order_id})


def find_by_waybill(tx: Connection, waybill: str) -> Iterator[Match]:
    """Orders with a package under a waybill of any courier, a voided waybill too."""
    return _matches(tx, "find_by_waybill", {"waybill": waybill})


def find_by_shop(tx: Connection, shops: Sequence[str], platform_order_id: str) -> Iterator[Match]:
    """Orders under a platform's order id in shops of these names, on any platform."""
    return _matches(tx, "find_by_shop", {"shops": list(shops), "platform_order_id": platform_order_id})


def _matches(tx: Connection, query: str, named: dict[str, Any]) -> Iterator[Match]:
    with tx.cursor(row_factory=class_row(Match)) as cursor:
        yield from cursor.execute(INSPECT[query], named)


def unread_payload(tx: Connection, platform_order_id: str) -> UnreadPayload | None:
    """The newest payload under a platform's order id, with its dead letter; None: there is none."""
    with tx.cursor(row_factory=class_row(UnreadPayload)) as cursor:
        return cursor.execute(INSPECT["unread_payloads"], {"platform_order_id": platform_order_id}).fetchone()


def unfetched(tx: Connection, platform_order_id: str) -> Unfetched | None:
    """A gap under a platform's order id; None: there is none."""
    row = tx.execute(INSPECT["unfetched"], {"platform_order_id": platform_order_id}).fetchone()
    return None if row is None else Unfetched(*row)


def read_part(tx: Connection, part: OrderQuery, order_id: int, kind: type[T]) -> tuple[T, ...]:
    """What is known of an order, as values of a class with the query's columns."""
    with tx.cursor(row_factory=class_row(kind)) as cursor:
        return tuple(cursor.execute(INSPECT[part], {"id": order_id}))


def read_part_by_column(tx: Connection, part: OrderQuery, order_id: int) -> list[dict[str, Any]]:
    """What is known of an order, each row as a mapping by column."""
    with tx.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(INSPECT[part], {"id": order_id}).fetchall()


def read_of_subjects(
    tx: Connection, what: SubjectQuery, pairs: Sequence[tuple[str, int]], kind: type[T]
) -> tuple[T, ...]:
    """What is known of (step, subject) pairs, as values of a class with the query's columns."""
    named = {"steps": [step for step, _ in pairs], "subject_ids": [id_ for _, id_ in pairs]}
    with tx.cursor(row_factory=class_row(kind)) as cursor:
        return tuple(cursor.execute(INSPECT[what], named))
