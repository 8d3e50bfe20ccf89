"""Orders that a listing showed and that could not be fetched."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from infra.tables.pool import Connection
from infra.tables.rows import Row, rows_json
from infra.tables.sql import load

GAPS = load("gaps")


class NotedGap(NamedTuple):
    """An order that could not be fetched.

    `cause`: an entry as in a dead letter. `spent`: 1 for a try, 0 if a shut gate prevented the try; then the order is
    due after `after_s` seconds.
    """

    platform_order_id: str
    changed_at: datetime
    error: str
    spent: int
    after_s: float
    cause: Row


class GapRetries(NamedTuple):
    """How long gaps are tried: pauses from `first_s` to `max_s` seconds, so many tries, and for `patience_s`."""

    first_s: float
    max_s: float
    tries: int
    patience_s: float


class GivenUp(NamedTuple):
    """A gap that is tried no more. `subject_id`: of `pull`, below zero, for above it are the shops."""

    subject_id: int
    tries: int
    causes: list[Row]


class LostContent(NamedTuple):
    """A stored content of an order that does not say enough. `account`: the shop's."""

    account: str
    platform_order_id: str
    changed_at: datetime


def load_gaps(connection: Connection, shop_id: int, limit: int) -> list[tuple[str, datetime]]:
    """(platform order id, change time) of the gaps of a shop that are due again, the longest due first; no lock."""
    return connection.execute(GAPS["load_gaps"], {"shop_id": shop_id, "limit": limit}).fetchall()


def note_gaps(tx: Connection, shop_id: int, gaps: Iterable[NotedGap], patience: GapRetries) -> list[GivenUp]:
    """Add a try to gaps, or open them; returns the gaps of the shop that are given up from now on."""
    rows = rows_json(gap._asdict() for gap in gaps)
    first, most = patience.first_s, patience.max_s
    tx.execute(GAPS["note_gaps"], {"shop_id": shop_id, "rows": rows, "first_s": first, "max_s": most})
    limits = {"shop_id": shop_id, "tries": patience.tries, "patience_s": patience.patience_s}
    return [GivenUp(*row) for row in tx.execute(GAPS["give_up_gaps"], limits).fetchall()]


def note_nameless(tx: Connection, shop_id: int, changed_at: datetime, error: str, cause: Row) -> list[GivenUp]:
    """Note a row of a listing without an order id, which is given up at once; nothing while its letter is open."""
    said = msgspec.json.encode(cause).decode()
    named = {"shop_id": shop_id, "changed_at": changed_at, "error": error, "cause": said}
    return [GivenUp(*row) for row in tx.execute(GAPS["note_nameless"], named).fetchall()]


def close_gaps(tx: Connection, shop_id: int, platform_order_ids: Sequence[str]) -> None:
    """Close the gaps of orders that could be fetched."""
    tx.execute(GAPS["close_gaps"], {"shop_id": shop_id, "ids": list(platform_order_ids)})


def ask_again(tx: Connection, contents: Iterable[LostContent]) -> None:
    """Have the next round of their shops read some orders once more."""
    tx.execute(GAPS["ask_again"], {"rows": rows_json(one._asdict() for one in contents)})


def retry_gaps(tx: Connection, subject_ids: Sequence[int]) -> None:
    """Try given-up gaps again, by their subjects (below zero), and make `pull` of their shops due now."""
    tx.execute(GAPS["retry_gaps"], {"subject_ids": list(subject_ids)})


class OpenGap(NamedTuple):
    """A gap that is still tried. `name`: shop and order; `total`: how many such gaps there are."""

    name: str
    error: str
    tries: int
    age_s: float
    total: int


def open_gaps(connection: Connection, limit: int) -> list[OpenGap]:
    """Gaps that are still tried, the oldest first."""
    return [OpenGap(*row) for row in connection.execute(GAPS["pull_gaps"], {"limit": limit})]
