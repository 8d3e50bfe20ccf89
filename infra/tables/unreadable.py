"""Entries of others that could not be read: records with an owner, without anything personal."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.references import base_of
from infra.tables.pool import Connection
from infra.tables.rows import rows_json
from infra.tables.sql import load

UNREADABLE = load("unreadable")
OWNER, DUE_H = "warehouse", 4
# Open records of one account: a feed that sends rubbish fills no more, and what is beyond is counted.
OPEN_MAX = 10_000


class Source(StrEnum):
    """What the entry stood in: a page of scans, a count of stock, or a listing of changed orders."""

    SCAN = "scan"
    STOCK = "stock"
    LISTING = "listing"


@dataclass(frozen=True, slots=True)
class Entry:
    """Where it stands and why it cannot be read; `key` and `waybill`: what it says that it speaks of."""

    position: int
    code: str
    field: str
    key: str = ""
    waybill: str = ""


def note_unreadable(
    tx: Connection,
    source: Source,
    account: str,
    entries: Iterable[Entry],
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
            "sku": entry.key if source is Source.STOCK else None,
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


def replace_rows(tx: Connection, account: str, entries: Sequence[Entry], by: str) -> None:
    """The rows at fault in the newest count of an account: others are closed by `by`, new ones recorded."""
    rows = [{"position": entry.position, "code": entry.code, "field": entry.field} for entry in entries]
    tx.execute(UNREADABLE["close_rows_read"], {"account": account, "by": by, "rows": rows_json(rows)})
    if entries:
        note_unreadable(tx, Source.STOCK, account, entries)


def accounts_with_bad_rows(connection: Connection, accounts: Sequence[str]) -> set[str]:
    rows = connection.execute(UNREADABLE["accounts_with_bad_rows"], {"accounts": list(accounts)})
    return {row[0] for row in rows}


def _ours(text: str) -> str | None:
    """A reference of ours; anything else may be anything, and is not kept."""
    try:
        base_of(text)
    except ValueError:
        return None
    return text
