"""What a purge and an erasure do to rows: find what has ended, lock it, forget it, leave a tombstone.

Everything happens in the caller's transaction.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.retention import KEPT_FACTS
from infra.process.steps import steps_by_subject
from infra.tables.pool import Connection
from infra.tables.sql import load

RETENTION = load("retention")


class Why(StrEnum):
    """Why an order's person was forgotten."""

    PURGED = "purged"
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class Patience:
    """Days since an order's end, and since a hand-over that counts as a delivery."""

    days: int
    transit_days: int


@dataclass(frozen=True, slots=True)
class Named:
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
    "forget_events": "event",
    "forget_letters": "dead_letter",
    "forget_gaps": "pull_gap",
    "forget_answers": "foreign_answer",
}


def find_ended(tx: Connection, order_ids: Sequence[int], patience: Patience) -> list[int]:
    """Those of some orders that ended long enough ago and of which nothing is open, due, under way or unclear."""
    named: dict[str, object] = {"ids": list(order_ids), "days": patience.days, "transit_days": patience.transit_days}
    named |= steps_by_subject()
    return [row[0] for row in tx.execute(RETENTION["ended"], named).fetchall()]


def lock_ended(tx: Connection, order_ids: Sequence[int], patience: Patience) -> list[int]:
    """The same, with their rows locked. An order that somebody else holds is left for the next time."""
    found = find_ended(tx, order_ids, patience)
    if not found:
        return []
    free = [row[0] for row in tx.execute(RETENTION["lock_orders"], {"ids": found}).fetchall()]
    locked = Counter(row[1] for row in tx.execute(RETENTION["lock_fulfillment"], {"ids": free}).fetchall())
    whole: dict[int, int] = dict(tx.execute(RETENTION["count_fulfillment"], {"ids": free}).fetchall())
    held = [id_ for id_ in free if locked[id_] == whole.get(id_)]
    # What was read before the locks may have moved meanwhile.
    return find_ended(tx, held, patience) if held else []


def forget(tx: Connection, order_ids: Sequence[int], why: Why) -> Counter[str]:
    """Take everything personal from locked orders and leave a tombstone for each; rows changed by table.

    The rows of orders, lines, amounts, packages, shipments, write-backs and notices stay.
    """
    ids = list(order_ids)
    tx.execute(RETENTION["bury_orders"], {"ids": ids, "cause": why})
    named = {"ids": ids, "kept": list(KEPT_FACTS), **steps_by_subject()}
    return Counter({table: len(tx.execute(RETENTION[query], named).fetchall()) for query, table in _FORGET.items()})


def lock_unread(tx: Connection, payload_ids: Sequence[int], days: int) -> list[int]:
    """Payloads that never became an order and that nobody decides about any more: all of each name, locked."""
    named = {"ids": list(payload_ids), "days": days}
    return _locked(tx, [Named(*row) for row in tx.execute(RETENTION["unread"], named).fetchall()])


def _locked(tx: Connection, names: Sequence[Named]) -> list[int]:
    if not names:
        return []
    return [row[0] for row in tx.execute(RETENTION["lock_unread"], by_column(names)).fetchall()]


def forget_unread(tx: Connection, payload_ids: Sequence[int], why: Why) -> Counter[str]:
    """The same for payloads without an order."""
    ids = {"ids": list(payload_ids)}
    tx.execute(RETENTION["bury_unread"], {**ids, "cause": why})
    return Counter(
        raw_payload=len(tx.execute(RETENTION["forget_unread_payloads"], ids).fetchall()),
        dead_letter=len(tx.execute(RETENTION["forget_unread_letters"], ids).fetchall()),
    )


def by_column(names: Sequence[Named]) -> dict[str, list[str]]:
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
    tx.execute(RETENTION["set_mark"], {"kind": kind, "upto": upto, "rows": rows})
