"""Erases one person: all personal data of some orders, with a record that proves it and holds no personal data.

The request is stored first, then carried out order by order, each in a transaction of its own. If the process dies in
between, the sweeper's purge erases the remaining orders, as it does for orders that have not ended yet.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from domain.retention import ERASURE_DUE_DAYS, ERASURE_OWNER, KEPT_FACTS
from infra.engine.author import Author
from infra.process.failpoints import failpoint
from infra.tables import erasure
from infra.tables.erasure import (
    Needles,
    NewErasure,
    OrderState,
    StoredQuery,
    add_erasure,
    end_erasure,
    end_order,
    erase_pages,
    last_id,
    load_order_state,
    lock_open,
    mark_erased,
    objects_of,
    open_orders,
    payloads_of,
    scrub_audit,
    search_orders,
    search_payloads,
)
from infra.tables.pool import Connection, Database
from infra.tables.retention import (
    ForgetReason,
    OrderName,
    RetentionDays,
    forget,
    forget_unread,
    lock_all_unread,
    lock_ended,
)
from infra.telemetry.log import get_logger

# Rows of one statement that searches bytes: bounded, as a body may have megabytes.
_STRETCH = 500
_AT_ONCE = 1000
_AT_ONCE_ENDED = RetentionDays(0, 0)
# A shorter word would match everywhere.
_LEAST_CHARS = 2
_LEAST_ASCII = 5

T = TypeVar("T")

log = get_logger(__name__)


def order_state(tx: Connection, order: OrderName) -> OrderState:
    """The state of an order for an erasure; without a lock."""
    return load_order_state(tx, order)


def can_erase(tx: Connection, order: OrderName) -> bool:
    """Whether nothing of the order is under way any more. Locks what it finds until the transaction ends."""
    found = order_state(tx, order)
    if found.forgotten:
        return True
    if found.order_id is not None:
        return bool(lock_ended(tx, [found.order_id], _AT_ONCE_ENDED))
    return bool(_unread(tx, order))


def ask(tx: Connection, orders: Sequence[OrderName], author: Author) -> int:
    """Write down that these orders are to be erased; the number of the record."""
    subject = hashlib.sha256("\n".join(sorted(map(str, orders))).encode()).digest()
    new = NewErasure(author.who, author.reason, ERASURE_OWNER, subject, ERASURE_DUE_DAYS)
    return add_erasure(tx, new, orders)


def carry_out(db: Database, erasure_id: int | None = None, words: Sequence[str] = ()) -> int:
    """Erase the orders of one erasure, or of all open ones, that have ended; returns how many.

    `words`: further words of the person, to search in pages, scans and reasons of people; they are not stored.
    """
    with db.connection() as connection:
        found = open_orders(connection, erasure_id, _AT_ONCE)
    done = sum(_carry_out(db, id_, order, words) for id_, order in found)
    with db.transaction() as tx:
        for id_ in sorted({id_ for id_, _ in found}):
            if end_erasure(tx, id_):
                log.info("erased", erasure=id_)
    return done


def _carry_out(db: Database, erasure_id: int, order: OrderName, words: Sequence[str]) -> bool:
    with db.transaction() as tx:
        if not can_erase(tx, order):
            return False
        found = order_state(tx, order)
        said, numbers = _said(tx, found.order_id)
    wanted = sorted({*usable(words), *filter(_is_usable_word, usable(said))})
    pages = _scrub_pages(db, [*wanted, *numbers])
    with db.transaction() as tx:
        if not lock_open(tx, erasure_id, order):
            return False
        rows = _erase(tx, order)
        if rows is None:
            return False
        rows += _scrub(tx, found.order_id, wanted, numbers)
        rows["warehouse_page"] += pages
        failpoint("erase.forgotten", found.order_id, tx)
        shown = {table: count for table, count in sorted(rows.items()) if count}
        end_order(tx, erasure_id, order, shown)
    failpoint("erase.committed", found.order_id)
    return True


def _erase(tx: Connection, order: OrderName) -> Counter[str] | None:
    """Erase the order itself. None: it is under way, or another transaction holds it."""
    found = order_state(tx, order)
    rows: Counter[str] | None = Counter()
    if not found.forgotten and found.order_id is not None:
        locked = lock_ended(tx, [found.order_id], _AT_ONCE_ENDED)
        rows = forget(tx, locked, ForgetReason.ERASED) if locked else None
    elif not found.forgotten:
        payloads = _unread(tx, order)
        rows = forget_unread(tx, payloads, ForgetReason.ERASED) if payloads else None
    mark_erased(tx, order)
    return rows


def _unread(tx: Connection, order: OrderName) -> list[int]:
    """All payloads of an order that never was one, locked; none while somebody reads or decides about them."""
    ids = payloads_of(tx, order)
    return ids if lock_all_unread(tx, ids) == ids else []


def _said(tx: Connection, order_id: int | None) -> tuple[list[str], list[str]]:
    """The personal words in the order, and the numbers under which a warehouse names the order."""
    if order_id is None:
        return [], []
    said = erasure.words_of(tx, order_id)
    return said.words, [number for number in said.numbers if number and _is_usable_word(number)]


def words_of(tx: Connection, orders: Sequence[OrderName]) -> list[str]:
    """The words in orders that identify their persons."""
    said = [word for one in orders for word in _said(tx, order_state(tx, one).order_id)[0]]
    return [word for word in usable(said) if _is_usable_word(word)]


def _is_usable_word(word: str) -> bool:
    """Whether a word that a buyer or a courier chose may be searched in texts of others: `ok` matches everywhere."""
    return not word.isascii() or len(word) >= _LEAST_ASCII


def _scrub(tx: Connection, order_id: int | None, words: list[str], numbers: list[str]) -> Counter[str]:
    """Erase texts of others about the person outside the orders' own rows."""
    wanted = Needles(order_id, words, numbers, list(KEPT_FACTS))
    rows = erasure.scrub(tx, wanted)
    objects = objects_of(tx, order_id) if order_id is not None else []
    for stretch in stretches(last_id(tx, StoredQuery.AUDIT), 10 * _STRETCH):
        rows["audit"] += scrub_audit(tx, wanted, objects, stretch)
    return rows


def _scrub_pages(db: Database, words: Sequence[str]) -> int:
    if not words:
        return 0
    wanted = needles(words)
    return sum(
        _in_stretches(db, StoredQuery.PAGES, lambda connection, stretch: erase_pages(connection, wanted, stretch))
    )


def search(db: Database, words: Sequence[str]) -> list[OrderName]:
    """Orders that name one of these words: as receiver, phone or buyer id exactly, or anywhere in a payload."""
    wanted = usable(words)
    if not wanted:
        return []
    with db.connection() as connection:
        found = set(search_orders(connection, wanted))
    looked_for = needles(wanted)
    for names in _in_stretches(
        db, StoredQuery.PAYLOADS, lambda conn, stretch: search_payloads(conn, looked_for, stretch)
    ):
        found.update(names)
    return sorted(found, key=str)


def _in_stretches(db: Database, stored: StoredQuery, act: Callable[[Connection, tuple[int, int]], T]) -> Iterator[T]:
    """What `act` returns for each stretch of the rows, each on a connection of its own."""
    with db.connection() as connection:
        last = last_id(connection, stored)
    for stretch in stretches(last, _STRETCH):
        with db.connection() as connection:
            yield act(connection, stretch)


def stretches(last: int, length: int) -> Iterator[tuple[int, int]]:
    """Spans of ids, each (exclusive, inclusive), that cover 1 to `last`."""
    return ((after, after + length) for after in range(0, last, length))


def usable(words: Iterable[str]) -> list[str]:
    """Words that say whom they mean: not empty, not short, not masked, and storable."""
    stripped = {word.strip() for word in words}
    return sorted(word for word in stripped if len(word) >= _LEAST_CHARS and "*" not in word and "\0" not in word)


def needles(words: Iterable[str]) -> list[bytes]:
    """Words as payloads may write them: plain, and escaped as JSON does, in either case."""
    forms: tuple[Callable[[str], bytes], ...] = (
        str.encode,
        lambda word: json.dumps(word).strip('"').encode(),
        lambda word: json.dumps(word, ensure_ascii=False).strip('"').encode(),
        _escaped_in_capitals,
    )
    return sorted({form(word) for word in words for form in forms})


def _escaped_in_capitals(word: str) -> bytes:
    return "".join(char if char.isascii() else f"\\u{ord(char):04X}" for char in word).encode()
