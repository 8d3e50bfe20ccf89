"""The erasure of one person: searched within the database, recorded without personal data."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from infra.tables.pool import Connection
from infra.tables.retention import OrderName, by_column
from infra.tables.sql import load

ERASURES = load("erasure")

# What others wrote of a person outside the orders' own rows: the query that erases it, and its table.
_SCRUB = {
    "erase_titles": "order_line",
    "erase_early_scans": "early_scan",
    "erase_bulks": "bulk",
    "erase_bulk_acts": "bulk_act",
    "erase_cases": "order_case",
    "erase_gates": "gate",
}


class StoredQuery(StrEnum):
    """Rows with bytes or words of others, as the query for the last of them."""

    PAYLOADS = "last_payload"
    PAGES = "last_page"
    AUDIT = "last_audit"


class OrderState(NamedTuple):
    """How an order stands. `order_id`: None for a payload that never became one. `forgotten`: the tombstone's cause."""

    order_id: int | None
    forgotten: str | None
    states: str
    holds: int
    letters: int


class NewErasure(NamedTuple):
    """An erasure to write down. `subject`: SHA-256 of the names of its orders. `due_days`: until it should be done."""

    who: str
    reason: str
    owner: str
    subject: bytes
    due_days: int


class PersonWords(NamedTuple):
    """The words of an order about its person, and the numbers under which a warehouse names the order."""

    words: list[str]
    numbers: list[str]


class Needles(NamedTuple):
    """The words to search in texts of others about an order."""

    order_id: int | None
    words: list[str]
    numbers: list[str]
    kept: list[str]


class ErasureRow(NamedTuple):
    """The record of an erasure. `subject`: in hex."""

    id: int
    who: str
    reason: str
    owner: str
    subject: str
    asked_at: datetime
    due_at: datetime
    done_at: datetime | None


class ErasedRow(NamedTuple):
    """One order of an erasure. `rows`: changed or deleted, by table."""

    order: OrderName
    rows: dict[str, int]
    done_at: datetime | None


class ListedRow(NamedTuple):
    """An erasure as a line of a list."""

    id: int
    who: str
    owner: str
    asked_at: datetime
    due_at: datetime
    done_at: datetime | None
    orders: int
    orders_open: int


def load_order_state(tx: Connection, order: OrderName) -> OrderState:
    """How an order stands; without a lock."""
    row = tx.execute(ERASURES["order_state"], _key(order)).fetchone()
    assert row is not None
    return OrderState(row[0], row[1], row[2] or "", row[3], row[4])


def payloads_of(tx: Connection, order: OrderName) -> list[int]:
    """Payloads under a name, by id; without a lock."""
    return [row[0] for row in tx.execute(ERASURES["payloads_of"], _key(order)).fetchall()]


def add_erasure(tx: Connection, new: NewErasure, orders: Sequence[OrderName]) -> int:
    """Write down that these orders are to be erased; the number of the record."""
    row = tx.execute(ERASURES["ask"], new._asdict()).fetchone()
    assert row is not None
    tx.execute(ERASURES["ask_orders"], {"id": row[0], **by_column(orders)})
    return int(row[0])


def open_orders(connection: Connection, erasure_id: int | None, limit: int) -> list[tuple[int, OrderName]]:
    """(erasure, order) of what is still to be erased, of one erasure or of all."""
    rows = connection.execute(ERASURES["open_orders"], {"id": erasure_id, "limit": limit}).fetchall()
    return [(id_, OrderName(*name)) for id_, *name in rows]


def lock_open(tx: Connection, erasure_id: int, order: OrderName) -> bool:
    """Lock an order of an erasure; False where it is done, or another transaction has it."""
    return tx.execute(ERASURES["lock_open"], {"erasure_id": erasure_id, **_key(order)}).fetchone() is not None


def end_order(tx: Connection, erasure_id: int, order: OrderName, rows: Mapping[str, int]) -> None:
    """Write down what was changed or deleted of an order, by table."""
    key = {"erasure_id": erasure_id, **_key(order)}
    tx.execute(ERASURES["end_order"], {**key, "rows": json.dumps(dict(rows))})


def end_erasure(tx: Connection, erasure_id: int) -> bool:
    """Close an erasure of which every order is erased; whether it was closed just now."""
    return tx.execute(ERASURES["end_erasure"], {"id": erasure_id}).fetchone() is not None


def mark_erased(tx: Connection, order: OrderName) -> None:
    """Let the tombstone say that the order was erased, not purged."""
    tx.execute(ERASURES["mark_erased"], _key(order))


def words_of(tx: Connection, order_id: int) -> PersonWords:
    """The words of an order about its person. Personal data; without a lock."""
    row = tx.execute(ERASURES["words_of"], {"id": order_id}).fetchone()
    return PersonWords(list(row[0]), list(row[1])) if row else PersonWords([], [])


def objects_of(tx: Connection, order_id: int) -> list[str]:
    """The names under which the audit speaks of an order and what belongs to it."""
    return [row[0] for row in tx.execute(ERASURES["objects_of"], {"id": order_id}).fetchall()]


def scrub(tx: Connection, needles: Needles) -> Counter[str]:
    """Erase what others wrote of a person beside the orders' own rows; rows changed or deleted by table."""
    named = {**needles._asdict(), "id": needles.order_id}
    return Counter({table: len(tx.execute(ERASURES[query], named).fetchall()) for query, table in _SCRUB.items()})


def last_id(connection: Connection, stored: StoredQuery) -> int:
    """The highest id of these rows; 0: there is none."""
    row = connection.execute(ERASURES[stored]).fetchone()
    return int(row[0]) if row else 0


def scrub_audit(tx: Connection, needles: Needles, objects: Sequence[str], stretch: tuple[int, int]) -> int:
    """Erase words of a person from audit rows of a stretch of ids (exclusive, inclusive); how many."""
    after, upto = stretch
    named = {**needles._asdict(), "id": needles.order_id, "objects": list(objects), "after": after, "upto": upto}
    return len(tx.execute(ERASURES["erase_audit"], named).fetchall())


def erase_pages(connection: Connection, needles: Sequence[bytes], stretch: tuple[int, int]) -> int:
    """Erase pages of a stretch that hold one of these bytes; how many."""
    after, upto = stretch
    named = {"needles": list(needles), "after": after, "upto": upto}
    return len(connection.execute(ERASURES["erase_pages"], named).fetchall())


def search_orders(connection: Connection, words: Sequence[str]) -> list[OrderName]:
    """Orders whose receiver or buyer is exactly one of these words."""
    return [OrderName(*row) for row in connection.execute(ERASURES["search_orders"], {"words": list(words)})]


def search_payloads(connection: Connection, needles: Sequence[bytes], stretch: tuple[int, int]) -> list[OrderName]:
    """Names of the payloads of a stretch that hold one of these bytes."""
    after, upto = stretch
    named = {"needles": list(needles), "after": after, "upto": upto}
    return [OrderName(*row) for row in connection.execute(ERASURES["search_payloads"], named)]


def unread_names(tx: Connection, platform_order_id: str, place: str) -> list[OrderName]:
    """Names of the payloads under a platform's order id, in any shop or in the shop that `place` names."""
    named = {"platform_order_id": platform_order_id, "place": place}
    return [OrderName(*row) for row in tx.execute(ERASURES["unread_names"], named)]


def load_erasure(connection: Connection, erasure_id: int) -> tuple[ErasureRow, list[ErasedRow]] | None:
    """An erasure and its orders; None: there is no such record."""
    row = connection.execute(ERASURES["show"], {"id": erasure_id}).fetchone()
    if row is None:
        return None
    orders = connection.execute(ERASURES["show_orders"], {"id": erasure_id}).fetchall()
    return ErasureRow(*row), [ErasedRow(OrderName(*one[:3]), one[3], one[4]) for one in orders]


def list_erasures(connection: Connection, *, only_open: bool) -> list[ListedRow]:
    """All erasures, or only open ones, by number."""
    return [ListedRow(*row) for row in connection.execute(ERASURES["list"], {"only_open": only_open})]


def erased_names(connection: Connection) -> list[OrderName]:
    """Every order that was ever erased."""
    return [OrderName(*row) for row in connection.execute(ERASURES["erased_names"])]


def known_names(tx: Connection, names: Sequence[OrderName]) -> list[OrderName]:
    """Of some names, those of orders or payloads that are here."""
    return [OrderName(*row) for row in tx.execute(ERASURES["known_names"], by_column(names))]


def add_tombstones(tx: Connection, names: Sequence[OrderName]) -> None:
    """Leave tombstones for orders that are not here, so that they never come in."""
    tx.execute(ERASURES["add_tombstones"], by_column(names))


def _key(order: OrderName) -> dict[str, str]:
    return {"platform": order.platform, "shop": order.shop, "platform_order_id": order.platform_order_id}
