"""Entries of other systems that could not be read: records with an owner, without personal data."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from psycopg.rows import class_row

from domain.references import base_of
from infra.tables.pool import Connection
from infra.tables.rows import rows_json
from infra.tables.sql import load

UNREADABLE = load("unreadable")
OWNER, DUE_H = "warehouse", 4
# The most open records of one account, so that a broken feed cannot fill the table; further entries are only counted.
OPEN_MAX = 10_000


class EntrySource(StrEnum):
    """What the entry stood in: a page of scans, or a count of stock."""

    SCAN = "scan"
    STOCK = "stock"


@dataclass(frozen=True, slots=True)
class UnreadableEntry:
    """The place of the entry and why it cannot be read; `key` and `waybill`: the subject that it names."""

    position: int
    code: str
    field: str
    key: str = ""
    waybill: str = ""


def note_unreadable(
    tx: Connection,
    source: EntrySource,
    account: str,
    entries: Iterable[UnreadableEntry],
    *,
    page_id: int | None = None,
    couriers: Sequence[str] = (),
    most: int = OPEN_MAX,
) -> None:
    """Record entries; a row of a count that is on record already stays one record.

    `couriers`: whose waybills may lead to a package. `most`: open records of the account that are kept.
    """
    rows = [
        {
            "position": entry.position,
            "code": entry.code,
            "field": entry.field,
            "reference": _ours(entry.key),
            "waybill": entry.waybill or None,
            "sku": entry.key if source is EntrySource.STOCK else None,
        }
        for entry in entries
    ]
    tx.execute(
        UNREADABLE["note_entries"],
        {
            "source": source,
            "account": account,
            "page_id": page_id,
            "couriers": list(couriers),
            "owner": OWNER,
            "due_h": DUE_H,
            "most": most,
            "rows": rows_json(rows),
        },
    )


def replace_rows(tx: Connection, account: str, entries: Sequence[UnreadableEntry], by: str) -> None:
    """The rows at fault in the newest count of an account: others are closed by `by`, new ones recorded."""
    rows = [{"position": entry.position, "code": entry.code, "field": entry.field} for entry in entries]
    tx.execute(UNREADABLE["close_rows_read"], {"account": account, "by": by, "rows": rows_json(rows)})
    if entries:
        note_unreadable(tx, EntrySource.STOCK, account, entries)


def accounts_with_bad_rows(connection: Connection, accounts: Sequence[str]) -> set[str]:
    """The accounts whose last count of stock had rows that could not be read."""
    rows = connection.execute(UNREADABLE["accounts_with_bad_rows"], {"accounts": list(accounts)})
    return {row[0] for row in rows}


def _ours(text: str) -> str | None:
    """A reference of ours; other text may be personal data, and is not kept."""
    try:
        base_of(text)
    except ValueError:
        return None
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """One record. `order_name`: the order that the entry speaks of, if that is known; `sku`: likewise."""

    id: int
    source: str
    account: str
    page_id: int | None
    position: int
    code: str
    field: str
    sku: str | None
    owner: str
    due_at: datetime
    noticed_at: datetime
    order_id: int | None
    order_name: str | None

    @property
    def where(self) -> str:
        """In a few words, for people."""
        of = self.order_name or (f"SKU {self.sku}" if self.sku else "nothing known")
        return f"{self.account} {self.field or 'entry'}: {self.code}, of {of}"


def open_entries(connection: Connection, limit: int) -> list[Unreadable]:
    """Open records, the oldest first."""
    with connection.cursor(row_factory=class_row(Unreadable)) as cursor:
        return cursor.execute(UNREADABLE["open_entries"], {"limit": limit}).fetchall()


def count_by_account(connection: Connection) -> list[tuple[str, str, int]]:
    """(account, source, open records)."""
    return connection.execute(UNREADABLE["open_by_account"]).fetchall()


def close_entry(tx: Connection, number: int, by: str) -> bool:
    """Close a record; False where it is not open."""
    return tx.execute(UNREADABLE["close_entry"], {"id": number, "by": by}).fetchone() is not None
