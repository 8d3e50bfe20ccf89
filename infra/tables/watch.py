"""What would have been done with orders of watched shops, and the pieces that it would have taken. No personal data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row

from domain.order import Lane
from infra.tables.pool import Connection
from infra.tables.rows import rows_json
from infra.tables.sql import load

WATCH = load("watch")


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchDecision:
    """`outcome`: `ship` in `packages`, `hold` for `holds`, `wait` for the payment, or `nothing`.

    A hold has `code` and `facts`; a package has `location`, `courier`, `service` and `reasons`.
    """

    decided_at: datetime
    outcome: str
    lane: str
    rules: str
    holds: list[dict[str, Any]]
    packages: list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDecision:
    """A decision to store. `pieces`: by location and SKU."""

    order_id: int
    outcome: str
    lane: Lane
    rules: str
    holds: Sequence[Mapping[str, Any]] = ()
    packages: Sequence[Mapping[str, Any]] = ()
    pieces: Mapping[tuple[str, str], int]


def watched_orders(tx: Connection, order_ids: Sequence[int]) -> dict[int, Lane]:
    """Those of some orders that are kept out because their shop is watched, with their lane."""
    rows = tx.execute(WATCH["watched_orders"], {"ids": list(order_ids)})
    return {order_id: Lane(lane) for order_id, lane in rows}


def taken_by_watched(tx: Connection, skus: Sequence[str], without: Sequence[int]) -> dict[tuple[str, str], int]:
    """Pieces by (location, SKU) that watched orders would have taken, other than the orders `without`."""
    rows = tx.execute(WATCH["watch_levels"], {"skus": list(skus), "ids": list(without)})
    return {(location, sku): quantity for location, sku, quantity in rows}


def store_decisions(tx: Connection, decisions: Sequence[NewDecision]) -> None:
    """Store decisions; an earlier decision about the same order is replaced."""
    if not decisions:
        return
    rows = [
        {
            "order_id": one.order_id,
            "outcome": one.outcome,
            "lane": one.lane,
            "rules": one.rules,
            "holds": list(one.holds),
            "packages": list(one.packages),
        }
        for one in decisions
    ]
    pieces = [
        {"order_id": one.order_id, "location": location, "sku": sku, "quantity": quantity}
        for one in decisions
        for (location, sku), quantity in one.pieces.items()
    ]
    tx.execute(WATCH["forget_decisions"], {"ids": [one.order_id for one in decisions]})
    tx.execute(WATCH["note_decisions"], {"rows": rows_json(rows)})
    if pieces:
        tx.execute(WATCH["note_pieces"], {"rows": rows_json(pieces)})


def decision_of(tx: Connection, order_id: int) -> WatchDecision | None:
    """What would have been done with an order; None where nobody has decided."""
    with tx.cursor(row_factory=class_row(WatchDecision)) as cursor:
        return cursor.execute(WATCH["decision_of"], {"id": order_id}).fetchone()
