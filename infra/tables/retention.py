"""The changes of rows by a purge or an erasure: find ended orders, lock them, remove their personal data, leave a
tombstone.

Everything happens in the caller's transaction.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from typing import NamedTuple

from domain.retention import KEPT_FACTS
from infra.process.steps import steps_by_subject
from infra.tables.pool import Connection
from infra.tables.sql import load

RETENTION = load("retention")


class ForgetReason(StrEnum):
    """Why an order's person was forgotten."""

    PURGED = "purged"
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class RetentionDays:
    """Days since an order's end, and since a hand-over that counts as a delivery."""

    days: int
    transit_days: int


@dataclass(frozen=True, slots=True)
class OrderName:
    """An order by its platform's name."""

    platform: str
    shop: str
    platform_order_id: str

    def __str__(self) -> str:
        return f"{self.platform}/{self.shop}/{self.platform_order_id}"


# What is done to an order, with the table whose rows it changes. The order matters: letters are found by gaps.
_FORGET: Mapping[str, str] = {
    "forget_receivers": "receiver",
    "forget_buyers": "orders",
    "forget_payloads": "raw_payload",
    "forget_holds": "hold",
    "forget_cases": "order_case",
    "forget_events": "event",
    "forget_letters": "dead_letter",
    "forget_gaps": "pull_gap",
    "forget_answers": "foreign_answer",
    "forget_decisions": "watch_decision",
    "forget_parcel_events": "parcel_event",
}


def find_ended(tx: Connection, order_ids: Sequence[int], patience: RetentionDays) -> list[int]:
    """Those of some orders that ended long enough ago and of which nothing is open, due, under way or unclear."""
    named: dict[str, object] = {"ids": list(order_ids), "days": patience.days, "transit_days": patience.transit_days}
    named |= steps_by_subject()
    return [row[0] for row in tx.execute(RETENTION["ended"], named).fetchall()]


def lock_ended(tx: Connection, order_ids: Sequence[int], patience: RetentionDays) -> list[int]:
    """The orders that `find_ended` would return, with their rows locked. An order that another transaction has locked
    is left for the next time.
    """
    found = find_ended(tx, order_ids, patience)
    if not found:
        return []
    free = [row[0] for row in tx.execute(RETENTION["lock_orders"], {"ids": found}).fetchall()]
    locked = Counter(row[1] for row in tx.execute(RETENTION["lock_fulfillment"], {"ids": free}).fetchall())
    whole: dict[int, int] = dict(tx.execute(RETENTION["count_fulfillment"], {"ids": free}).fetchall())
    held = [id_ for id_ in free if locked[id_] == whole.get(id_)]
    # What was read before the locks may have moved meanwhile.
    return find_ended(tx, held, patience) if held else []


def forget(tx: Connection, order_ids: Sequence[int], why: ForgetReason) -> Counter[str]:
    """Remove all personal data from locked orders and leave a tombstone for each; returns the changed rows by table.

    The rows of orders, lines, amounts, packages, shipments, write-backs and notices stay.
    """
    ids = list(order_ids)
    tx.execute(RETENTION["add_order_tombstones"], {"ids": ids, "cause": why})
    named = {"ids": ids, "kept": list(KEPT_FACTS), **steps_by_subject()}
    return Counter({table: len(tx.execute(RETENTION[query], named).fetchall()) for query, table in _FORGET.items()})


def lock_unread(tx: Connection, payload_ids: Sequence[int], days: int) -> list[int]:
    """Payloads that never became an order and that nobody decides about any more: all of each name, locked."""
    named = {"ids": list(payload_ids), "days": days}
    return _locked(tx, [OrderName(*row) for row in tx.execute(RETENTION["unread"], named).fetchall()])


def _locked(tx: Connection, names: Sequence[OrderName]) -> list[int]:
    if not names:
        return []
    return [row[0] for row in tx.execute(RETENTION["lock_unread"], by_column(names)).fetchall()]


def forget_unread(tx: Connection, payload_ids: Sequence[int], why: ForgetReason) -> Counter[str]:
    """Remove all personal data from locked payloads without an order and leave tombstones; returns the changed rows by
    table.
    """
    ids = {"ids": list(payload_ids)}
    tx.execute(RETENTION["add_payload_tombstones"], {**ids, "cause": why})
    return Counter(
        raw_payload=len(tx.execute(RETENTION["forget_unread_payloads"], ids).fetchall()),
        dead_letter=len(tx.execute(RETENTION["forget_unread_letters"], ids).fetchall()),
    )


def by_column(names: Sequence[OrderName]) -> dict[str, list[str]]:
    """Names as the parameters of a statement that unnests them."""
    return {
        "platforms": [one.platform for one in names],
        "shops": [one.shop for one in names],
        "platform_order_ids": [one.platform_order_id for one in names],
    }


def read_mark(tx: Connection, kind: str) -> int:
    """How far a kind was purged: the last id that was looked at."""
    row = tx.execute(RETENTION["mark"], {"kind": kind}).fetchone()
    return row[0] if row else 0


def set_mark(tx: Connection, kind: str, upto: int, rows: int) -> None:
    """Store how far a kind was purged, and add the number of purged rows."""
    tx.execute(RETENTION["set_mark"], {"kind": kind, "upto": upto, "rows": rows})


class ScanQuery(StrEnum):
    """Rows that the purge looks at in id order, as the query that reads a stretch of them."""

    ORDERS = "page_of_orders"
    PAYLOADS = "page_of_payloads"


class DeletedRows(StrEnum):
    """Rows that are deleted once they are old, as the query that deletes some of them."""

    EARLY_SCANS = "purge_early_scans"
    GAPS = "purge_gaps"
    BULK_MEMBERS = "purge_bulk_members"
    BULKS = "purge_bulks"
    BULK_ITEMS = "purge_bulk_items"
    BULK_ACTS = "purge_bulk_acts"
    ENTRIES = "purge_entries"
    ALARMS = "purge_alarms"
    CASES = "purge_cases"


class StretchQueries(Enum):
    """Rows that are deleted in id order, as the pair of queries that finds a stretch's end and deletes in it."""

    PAGES = ("page_of_pages", "purge_pages")
    EVENTS = ("page_of_events", "purge_events")
    LETTERS = ("page_of_letters", "purge_letters")


class PurgeCandidate(NamedTuple):
    """A row that the purge looks at. `is_due`: old enough. `is_left`: something of it may still be forgotten."""

    id: int
    is_due: bool
    is_left: bool


class ForgottenChange(NamedTuple):
    """A forgotten order whose platform shows a change. `cause`, `end_state`: as its tombstone says."""

    order: OrderName
    cause: str
    end_state: str
    changed_at: datetime


class TableSize(NamedTuple):
    """A table: bytes with its indexes, rows as Postgres estimates them, and its oldest row's time if it has one."""

    table: str
    bytes: int
    rows: int
    oldest: datetime | None


class RefusedInput(NamedTuple):
    """Input beyond a limit: what it was, whose, and how much of it."""

    kind: str
    name: str
    pieces: int
    first_at: datetime
    last_at: datetime


class Erasures(NamedTuple):
    """Erasures that are not done: how many, how many of them late, and when the first is due."""

    are_open: int
    are_late: int
    first_due_at: datetime | None


def look_at(tx: Connection, walk: ScanQuery, *, after: int, limit: int, days: int) -> list[PurgeCandidate]:
    """A stretch of rows behind an id, up to the first that is younger than `days`."""
    rows = tx.execute(RETENTION[walk], {"after": after, "limit": limit, "days": days}).fetchall()
    return [PurgeCandidate(*row) for row in rows]


def forget_leftovers(tx: Connection, payload_ids: Sequence[int]) -> int:
    """Forget bodies of forgotten orders that were stored all the same; how many."""
    return len(tx.execute(RETENTION["forget_leftovers"], {"ids": list(payload_ids)}).fetchall())


def forget_refused_payloads(tx: Connection) -> None:
    """Forget bodies that came in the moment their order was forgotten."""
    tx.execute(RETENTION["forget_refused_payloads"])


def delete_old(tx: Connection, deleted: DeletedRows, days: int, limit: int) -> int:
    """Delete some rows that are older; how many. What another transaction has locked is left."""
    return len(tx.execute(RETENTION[deleted], {"days": days, "limit": limit}).fetchall())


def delete_stretch(
    tx: Connection, stretched: StretchQueries, *, after: int, limit: int, days: int
) -> tuple[int, bool, int]:
    """Delete what is older and may go in a stretch behind an id.

    Returns the stretch's last id (0: there was none), whether all of it was old, and how many rows went.
    """
    page, delete = stretched.value
    named = {"days": days, "limit": limit, "after": after}
    upto, is_old = tx.execute(RETENTION[page], named).fetchone() or (0, False)
    done = len(tx.execute(RETENTION[delete], {**named, "upto": upto}).fetchall()) if upto else 0
    return upto, is_old, done


def count_old(connection: Connection, kind: str, days: int) -> int:
    """Rows of a kind that are older. Reads the whole table."""
    row = connection.execute(RETENTION["count_old"], {"kind": kind, "days": days}).fetchone()
    return row[0] if row else 0


def lock_all_unread(tx: Connection, payload_ids: Sequence[int]) -> list[int]:
    """Lock all payloads under the names of these that nobody reads or decides about, whatever their age; by id."""
    rows = tx.execute(RETENTION["unread"], {"ids": list(payload_ids), "days": 0}).fetchall()
    return _locked(tx, [OrderName(*row) for row in rows])


def take_refused(tx: Connection, limit: int) -> list[ForgottenChange]:
    """Changes of forgotten orders that were not reported yet, each once."""
    rows = tx.execute(RETENTION["take_refused"], {"limit": limit}).fetchall()
    return [ForgottenChange(OrderName(platform, shop, order), *rest) for platform, shop, order, *rest in rows]


def note_refused(tx: Connection, order: OrderName, changed_at: datetime) -> int | None:
    """Note a change of a forgotten order as a gap that is not tried; its subject, below zero. None: no such shop."""
    account = f"{order.platform}/{order.shop}"
    named = {"account": account, "platform_order_id": order.platform_order_id, "changed_at": changed_at}
    row = tx.execute(RETENTION["note_refused"], named).fetchone()
    return None if row is None else int(row[0])


def say_refused_inputs(tx: Connection) -> list[tuple[str, str, int]]:
    """(kind, name, count) of the limits that were reached since the last report, each at most once a day."""
    return tx.execute(RETENTION["say_refused_inputs"]).fetchall()


def forget_refused_inputs(tx: Connection) -> None:
    """Forget limits that were not reached for a month."""
    tx.execute(RETENTION["purge_refused_inputs"])


def ask_for_newest(tx: Connection, contents_max: int, limit: int) -> None:
    """Have the newest content read of orders that had too many of a day and have room again."""
    tx.execute(RETENTION["ask_for_newest"], {"contents_max": contents_max, "limit": limit})


def purged(session: Connection) -> dict[str, tuple[int, datetime]]:
    """Rows that purges took so far, and when last, by kind."""
    return {kind: (rows, at) for kind, rows, at in session.execute(RETENTION["purged"])}


def tombstones(session: Connection) -> list[tuple[str, int, int]]:
    """(cause, orders, changes that were refused) of forgotten orders."""
    return session.execute(RETENTION["tombstones"]).fetchall()


def open_erasures(session: Connection) -> Erasures:
    """Erasures that are not done."""
    return Erasures(*(session.execute(RETENTION["open_erasures"]).fetchone() or (0, 0, None)))


def sizes(session: Connection) -> list[TableSize]:
    """Every table, the largest first."""
    return [TableSize(*row) for row in session.execute(RETENTION["sizes"])]


def refused_inputs(session: Connection) -> list[RefusedInput]:
    """Limits that were reached in the last week, the last first."""
    return [RefusedInput(*row) for row in session.execute(RETENTION["refused_inputs"])]


def days_behind(session: Connection, days: int) -> float:
    """How many days beyond `days` the oldest order is that was not looked at; 0: none is."""
    row = session.execute(RETENTION["behind"], {"days": days}).fetchone()
    return float(row[0]) if row else 0.0


def oldest_page_days(session: Connection) -> float | None:
    """Age of the oldest page of scans in days; None: there is none."""
    row = session.execute(RETENTION["oldest_page"]).fetchone()
    return float(row[0]) if row else None
