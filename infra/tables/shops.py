"""Shops: how far their changes were read, and when."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from infra.tables.pool import Connection
from infra.tables.sql import load

SHOPS = load("shops")


class ShopRow(NamedTuple):
    """How far a shop was read, and the database's time. `window_s` and `settle_window_s` are lengths that fit."""

    id: int
    account: str
    cursor_at: datetime | None
    open_from: datetime | None
    open_to: datetime | None
    window_s: float | None
    settled_at: datetime | None
    settle_window_s: float | None
    now: datetime


def load_shops(tx: Connection, shop_ids: Sequence[int]) -> list[ShopRow]:
    """The shops with these ids; without a lock."""
    return [ShopRow(*row) for row in tx.execute(SHOPS["load_shops"], {"ids": list(shop_ids)})]


def note_read(tx: Connection, shop_id: int, *, window_s: float | None, is_read: bool) -> None:
    """Store the length of the next part, and that something could be read just now if `is_read`."""
    tx.execute(SHOPS["note_read"], {"id": shop_id, "window_s": window_s, "is_read": is_read})


def move_cursor(
    tx: Connection,
    shop_id: int,
    *,
    cursor_at: datetime,
    open_from: datetime | None,
    open_to: datetime | None,
    settled_at: datetime | None,
    cursor_was: datetime | None,
) -> None:
    """Move the cursor, unless the stored cursor is not `cursor_was` any more: then the shop is read from that one.

    `settled_at`: where a second reading that has no cursor yet begins; None: there is no second reading.
    """
    named = {
        "id": shop_id,
        "cursor_at": cursor_at,
        "open_from": open_from,
        "open_to": open_to,
        "settled_at": settled_at,
        "cursor_was": cursor_was,
    }
    tx.execute(SHOPS["move_cursor"], named)


def note_settled(tx: Connection, shop_id: int, settled_at: datetime | None, window_s: float) -> None:
    """Store how far the second reading came (None: no further), and the length of its next part in seconds."""
    tx.execute(SHOPS["note_settled"], {"id": shop_id, "settled_at": settled_at, "window_s": window_s})


def count_late(tx: Connection, shop_id: int, found: int) -> None:
    """Add changes that only the second reading has found."""
    tx.execute(SHOPS["count_late"], {"id": shop_id, "found": found})


def ensure_shops(tx: Connection, accounts: Sequence[str]) -> None:
    """Make the rows of shops that have none yet."""
    tx.execute(SHOPS["ensure_shops"], {"accounts": list(accounts)})


def find_shops(tx: Connection, accounts: Sequence[str]) -> dict[str, int]:
    """Ids by account, of the shops that have a row."""
    rows = tx.execute(SHOPS["find_shops"], {"accounts": list(accounts)}).fetchall()
    return {account: id_ for id_, account in rows}


class CursorRow(NamedTuple):
    """How far back the changes of a shop are stored: `cursor_at`, or its row's age where it was never read.

    `patience_s`: the age that its settings allow. `reported_s`: seconds since the last report that the shop is behind;
    None: no report. `is_paused`: by a person.
    """

    account: str
    cursor_at: datetime | None
    age_s: float
    patience_s: float
    reported_s: float | None
    is_paused: bool


def load_cursor_ages(connection: Connection, patiences_s: Mapping[str, float]) -> list[CursorRow]:
    """Ages of the cursors of some shops, given with each shop's patience in seconds; ordered by account."""
    named = {"accounts": list(patiences_s), "patiences_s": list(patiences_s.values())}
    return [CursorRow(*row) for row in connection.execute(SHOPS["cursor_ages"], named)]


def note_behind(tx: Connection, behind: Sequence[str], caught_up: Sequence[str]) -> None:
    """Record a report of the shops that are behind, and that the others have caught up."""
    tx.execute(SHOPS["note_behind"], {"behind": list(behind), "caught_up": list(caught_up)})


class FoundLate(NamedTuple):
    """Changes of a shop that only the second reading has found."""

    account: str
    changes: int
    last_at: datetime
    is_recent: bool


def found_late(connection: Connection, recent_h: float) -> list[FoundLate]:
    """Shops with changes that only the second reading has found; recent: within `recent_h` hours."""
    return [FoundLate(*row) for row in connection.execute(SHOPS["found_late"], {"recent_h": recent_h})]


def unsettled(connection: Connection, behind_h: float) -> list[tuple[str, float]]:
    """(account, seconds) of the shops whose second reading is more than `behind_h` hours behind the first."""
    return connection.execute(SHOPS["unsettled"], {"behind_h": behind_h}).fetchall()
