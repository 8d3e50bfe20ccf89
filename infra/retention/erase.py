"""Erases one person: everything personal of some orders, with a record that proves it and names nobody.

What is asked for is written down first, then carried out order by order, each in a transaction of its own: whoever
dies in between leaves the rest to the sweeper's purge, as an order that has not ended yet.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.retention import ERASURE_DUE_DAYS, ERASURE_OWNER, KEPT_FACTS
from infra.engine.author import Author
from infra.process.failpoints import failpoint
from infra.tables.pool import Connection, Database
from infra.tables.retention import RETENTION, Named, Patience, Why, by_column, forget, forget_unread, lock_ended
from infra.tables.sql import load
from infra.telemetry.log import get_logger

ERASURES = load("erasure")

# Rows of one statement that searches bytes: bounded, as a body may have megabytes.
_STRETCH = 500
_AT_ONCE = 1000
_AT_ONCE_ENDED = Patience(0, 0)
# A shorter word would be found everywhere.
_LEAST_CHARS = 2
_LEAST_ASCII = 5

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """How an order stands. `order_id`: None for a payload that never became one. `forgotten`: the tombstone's cause."""

    order_id: int | None
    forgotten: str | None
    states: str
    holds: int
    letters: int


def standing(tx: Connection, order: Named) -> Standing:
    row = tx.execute(ERASURES["standing"], _key(order)).fetchone()
    assert row is not None
    return Standing(row[0], row[1], row[2] or "", row[3], row[4])


def can_erase(tx: Connection, order: Named) -> bool:
    """Whether nothing of the order is under way any more. Locks what it finds until the transaction ends."""
    found = standing(tx, order)
    if found.forgotten:
        return True
    if found.order_id is not None:
        return bool(lock_ended(tx, [found.order_id], _AT_ONCE_ENDED))
    return bool(_unread(tx, order))


def ask(tx: Connection, orders: Sequence[Named], author: Author) -> int:
    """Write down that these orders are to be erased; the number of the record."""
    subject = hashlib.sha256("\n".join(sorted(map(str, orders))).encode()).digest()
    named = {
        "who": author.who,
        "reason": author.reason,
        "owner": ERASURE_OWNER,
        "subject": subject,
        "due_days": ERASURE_DUE_DAYS,
    }
    row = tx.execute(ERASURES["ask"], named).fetchone()
    assert row is not None
    tx.execute(ERASURES["ask_orders"], {"id": row[0], **by_column(orders)})
    return int(row[0])


def carry_out(db: Database, erasure_id: int | None = None, words: Sequence[str] = ()) -> int:
    """Erase what can be of one erasure, or of all that are open; how many orders that were.

    `words`: further words of the person, for pages, scans and reasons of people; they are not stored.
    """
    with db.connection() as connection:
        rows = connection.execute(ERASURES["open_orders"], {"id": erasure_id, "limit": _AT_ONCE}).fetchall()
    done = sum(_carry_out(db, id_, Named(*name), words) for id_, *name in rows)
    with db.transaction() as tx:
        for id_ in sorted({row[0] for row in rows}):
            if tx.execute(ERASURES["end_erasure"], {"id": id_}).fetchone():
                log.info("erased", erasure=id_)
    return done


def _carry_out(db: Database, erasure_id: int, order: Named, words: Sequence[str]) -> bool:
    key = {"erasure_id": erasure_id, **_key(order)}
    with db.transaction() as tx:
        if not can_erase(tx, order):
            return False
        found = standing(tx, order)
        said, numbers = _said(tx, found.order_id)
    wanted = sorted({*usable(words), *filter(_is_telling, usable(said))})
    pages = _scrub_pages(db, [*wanted, *numbers])
    with db.transaction() as tx:
        if tx.execute(ERASURES["lock_open"], key).fetchone() is None:
            return False
        rows = _erase(tx, order)
        if rows is None:
            return False
        rows += _scrub(tx, found.order_id, wanted, numbers)
        rows["warehouse_page"] += pages
        failpoint("erase.forgotten", found.order_id, tx)
        shown = {table: count for table, count in sorted(rows.items()) if count}
        tx.execute(ERASURES["end_order"], {**key, "rows": json.dumps(shown)})
    failpoint("erase.committed", found.order_id)
    return True


def _erase(tx: Connection, order: Named) -> Counter[str] | None:
    """Forget the order itself. None: it is under way, or somebody holds it."""
    found = standing(tx, order)
    rows: Counter[str] | None = Counter()
    if not found.forgotten and found.order_id is not None:
        locked = lock_ended(tx, [found.order_id], _AT_ONCE_ENDED)
        rows = forget(tx, locked, Why.ERASED) if locked else None
    elif not found.forgotten:
        payloads = _unread(tx, order)
        rows = forget_unread(tx, payloads, Why.ERASED) if payloads else None
    tx.execute(ERASURES["mark_erased"], _key(order))
    return rows


def _unread(tx: Connection, order: Named) -> list[int]:
    """All payloads of an order that never was one, locked; none while somebody reads or decides about them."""
    ids = [row[0] for row in tx.execute(ERASURES["payloads_of"], _key(order)).fetchall()]
    names = tx.execute(RETENTION["unread"], {"ids": ids, "days": 0}).fetchall()
    locked = tx.execute(RETENTION["lock_unread"], by_column([Named(*row) for row in names])).fetchall() if names else []
    return ids if [row[0] for row in locked] == ids else []


def _said(tx: Connection, order_id: int | None) -> tuple[list[str], list[str]]:
    """What the order says of its person, and the numbers under which a warehouse speaks of it."""
    row = tx.execute(ERASURES["words_of"], {"id": order_id}).fetchone() if order_id is not None else None
    return (list(row[0]), [number for number in row[1] if number and _is_telling(number)]) if row else ([], [])


def words_of(tx: Connection, orders: Sequence[Named]) -> list[str]:
    """What orders call their persons, as far as it says whom it means."""
    said = [word for one in orders for word in _said(tx, standing(tx, one).order_id)[0]]
    return [word for word in usable(said) if _is_telling(word)]


def _is_telling(word: str) -> bool:
    """Whether a word that a buyer or a courier chose may be searched for in what others wrote: `ok` is everywhere."""
    return not word.isascii() or len(word) >= _LEAST_ASCII


def _scrub(tx: Connection, order_id: int | None, words: list[str], numbers: list[str]) -> Counter[str]:
    """What others wrote of the person outside its orders' own rows."""
    named: dict[str, object] = {"id": order_id, "words": words, "numbers": numbers, "kept": list(KEPT_FACTS)}
    rows: Counter[str] = Counter()
    for query, table in (
        ("erase_titles", "order_line"),
        ("erase_early_scans", "early_scan"),
        ("erase_bulks", "bulk"),
        ("erase_bulk_acts", "bulk_act"),
        ("erase_gates", "gate"),
    ):
        rows[table] += len(tx.execute(ERASURES[query], named).fetchall())
    objects = tx.execute(ERASURES["objects_of"], {"id": order_id}).fetchall() if order_id is not None else []
    named["objects"] = [row[0] for row in objects]
    row = tx.execute(ERASURES["last_audit"]).fetchone()
    for after, upto in stretches(row[0] if row else 0, 10 * _STRETCH):
        rows["audit"] += len(tx.execute(ERASURES["erase_audit"], {**named, "after": after, "upto": upto}).fetchall())
    return rows


def _scrub_pages(db: Database, words: Sequence[str]) -> int:
    named = {"needles": needles(words)}
    return sum(len(found) for found in _in_stretches(db, "last_page", "erase_pages", named)) if words else 0


def search(db: Database, words: Sequence[str]) -> list[Named]:
    """Orders that name one of these words: as receiver, phone or buyer id exactly, or anywhere in a payload."""
    wanted = usable(words)
    if not wanted:
        return []
    with db.connection() as connection:
        found = {Named(*row) for row in connection.execute(ERASURES["search_orders"], {"words": wanted}).fetchall()}
    for rows in _in_stretches(db, "last_payload", "search_payloads", {"needles": needles(wanted)}):
        found |= {Named(*row) for row in rows}
    return sorted(found, key=str)


def _in_stretches(db: Database, last: str, query: str, named: Mapping[str, object]) -> Iterator[list[tuple[Any, ...]]]:
    with db.connection() as connection:
        row = connection.execute(ERASURES[last]).fetchone()
    for after, upto in stretches(row[0] if row else 0, _STRETCH):
        with db.connection() as connection:
            yield connection.execute(ERASURES[query], {**named, "after": after, "upto": upto}).fetchall()


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


def _key(order: Named) -> dict[str, str]:
    return {"platform": order.platform, "shop": order.shop, "platform_order_id": order.platform_order_id}
