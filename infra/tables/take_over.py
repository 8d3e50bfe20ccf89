"""Shops that are taken over or watched, and the orders that are kept out for it. No personal data."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row

from domain.lines import Tally
from domain.order import Lane
from domain.states import State
from domain.take_over import KEPT_OUT, Mode
from infra.tables.pool import Connection
from infra.tables.rows import rows_json
from infra.tables.sql import load

TAKE_OVER = load("take_over")
# Kept-out fulfillment orders that one count looks at.
COUNTED_MAX = 5_000


@dataclass(frozen=True, slots=True)
class ShopSettingsRow:
    """What the settings say of a shop. `name`: on its platform; `account`: over all platforms."""

    account: str
    platform: str
    name: str
    mode: Mode
    take_over_from: datetime | None


def note_shops(tx: Connection, shops: Sequence[ShopSettingsRow]) -> None:
    """Store mode and instant of shops that are known; a switch of the mode is dated with the database's time."""
    rows = [{"account": one.account, "mode": one.mode, "take_over_from": one.take_over_from} for one in shops]
    if rows:
        tx.execute(TAKE_OVER["note_shops"], {"rows": rows_json(rows)})


def undecided_shops(tx: Connection, shops: Sequence[ShopSettingsRow]) -> list[str]:
    """Accounts of shops of which nothing is stored, and nobody has said which orders are ours."""
    rows = [
        {"account": one.account, "platform": one.platform, "name": one.name}
        for one in shops
        if one.take_over_from is None
    ]
    if not rows:
        return []
    return [account for (account,) in tx.execute(TAKE_OVER["undecided_shops"], {"rows": rows_json(rows)})]


@dataclass(frozen=True, slots=True)
class WatchedSubject:
    """A package or notice of a watched shop. `is_asked_about`: a call about it has happened, or may have."""

    subject_id: int
    account: str
    is_asked_about: bool


def watched_packages(
    tx: Connection, step: str, works_in: Collection[State], ids: Sequence[int]
) -> list[WatchedSubject]:
    """Those of some packages that belong to a watched shop, and on which the step may act (`works_in`; empty: any)."""
    named = {"step": step, "states": sorted(works_in), "ids": list(ids)}
    return [WatchedSubject(*row) for row in tx.execute(TAKE_OVER["watched_packages"], named)]


def watched_fulfillment(tx: Connection, works_in: Collection[State], ids: Sequence[int]) -> list[WatchedSubject]:
    """Those of some fulfillment orders that belong to a watched shop, and on which the step may act (as above)."""
    named = {"states": sorted(works_in), "ids": list(ids)}
    return [WatchedSubject(*row) for row in tx.execute(TAKE_OVER["watched_fulfillment"], named)]


def watched_notices(tx: Connection, ids: Sequence[int]) -> list[WatchedSubject]:
    """Those of some notices that belong to a watched shop."""
    return [WatchedSubject(*row) for row in tx.execute(TAKE_OVER["watched_notices"], {"ids": list(ids)})]


@dataclass(frozen=True, slots=True)
class KeptOut:
    """A fulfillment order that is kept out. `is_forgotten`: its content was erased or purged.

    `is_begun`: another part of its order is not closed. `is_held`: a person holds a kept-out part of its order.
    """

    id: int
    order_id: int
    lane: Lane
    reason: str
    is_forgotten: bool
    is_begun: bool
    is_held: bool


def lock_kept_out(tx: Connection, order_ids: Sequence[int]) -> list[KeptOut]:
    """The kept-out fulfillment orders of some orders; orders first, then fulfillment orders, as everywhere."""
    tx.execute(TAKE_OVER["lock_orders"], {"ids": list(order_ids)})
    named = {"ids": list(order_ids), "reasons": list(KEPT_OUT)}
    tx.execute(TAKE_OVER["lock_kept_out"], named)
    return look_at_kept_out(tx, order_ids)


def look_at_kept_out(tx: Connection, order_ids: Sequence[int]) -> list[KeptOut]:
    """The kept-out fulfillment orders of some orders, without a lock."""
    named = {"ids": list(order_ids), "reasons": list(KEPT_OUT)}
    return [
        KeptOut(id_, order_id, Lane(lane), *rest)
        for id_, order_id, lane, *rest in tx.execute(TAKE_OVER["kept_out"], named)
    ]


@dataclass(frozen=True, slots=True)
class ReopenedOrder:
    """A fulfillment order that is begun in `state`, with the sums of its order's lines."""

    id: int
    order_id: int
    state: State
    resume_state: State | None
    tallies: Mapping[str, Tally]


def reopen(tx: Connection, orders: Sequence[ReopenedOrder]) -> None:
    """Begin kept-out fulfillment orders that `lock_kept_out` has locked, one of each order.

    Its other kept-out parts end as `nothing_left`, and what a person holds of them the one that is begun is held for.
    """
    if not orders:
        return
    rows = [
        {"id": one.id, "order_id": one.order_id, "state": one.state, "resume_state": one.resume_state} for one in orders
    ]
    lines = [
        {
            "fulfillment_order_id": one.id,
            "order_id": one.order_id,
            "line_id": line_id,
            "planned": tally.planned,
            "cancelled": tally.cancelled,
            "elsewhere": tally.elsewhere,
        }
        for one in orders
        for line_id, tally in one.tallies.items()
    ]
    named = {"orders": rows_json(rows), "lines": rows_json(lines), "reasons": list(KEPT_OUT)}
    tx.execute(TAKE_OVER["reopen"], named)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptOutRow:
    """One kept-out order of a list, with what would have been done with it. Money in minor units of `currency`."""

    id: int
    platform: str
    shop: str
    platform_order_id: str
    platform_state: str
    reason: str
    paid_at: datetime | None
    placed_at: datetime
    ship_by: datetime | None
    currency: str
    payable_minor: int
    outcome: str | None
    decided_at: datetime | None
    holds: list[dict[str, Any]] | None
    packages: list[dict[str, Any]] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptOutFilter:
    """Which kept-out orders. `since`, `before`: of the payment, or of the placing where that is unknown.

    `is_open`: only orders that their platform still waits for.
    """

    account: str | None = None
    since: datetime | None = None
    before: datetime | None = None
    is_open: bool = True


def find_kept_out(tx: Connection, chosen: KeptOutFilter, limit: int) -> list[KeptOutRow]:
    """The first `limit` orders, by the moment of their payment."""
    with tx.cursor(row_factory=class_row(KeptOutRow)) as cursor:
        named = {
            "account": chosen.account,
            "since": chosen.since,
            "before": chosen.before,
            "is_open": chosen.is_open,
            "limit": limit,
        }
        return cursor.execute(TAKE_OVER["find_kept_out"], named).fetchall()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptOutCount:
    """Kept-out orders of a shop that its platform still waits for. `is_all`: no further ones were left uncounted."""

    account: str
    reason: str
    orders: int
    would_ship: int
    would_hold: int
    is_all: bool = True

    @property
    def in_words(self) -> str:
        return f"{self.orders}" if self.is_all else f"at least {self.orders}"


def count_kept_out(tx: Connection, looked: int = COUNTED_MAX) -> list[KeptOutCount]:
    """By shop and reason, of the newest `looked` kept-out fulfillment orders: what is read does not grow beyond."""
    with tx.cursor(row_factory=class_row(KeptOutCount)) as cursor:
        return cursor.execute(TAKE_OVER["count_kept_out"], {"looked": looked}).fetchall()


def watched_shops(tx: Connection) -> dict[str, datetime]:
    """Since when each watched shop is watched, by account."""
    return dict(tx.execute(TAKE_OVER["watched_shops"]).fetchall())


def waiting_in_watch(tx: Connection, account: str) -> dict[str, int]:
    """Labels and write-backs of earlier orders that wait for the end of the watch, by step."""
    return dict(tx.execute(TAKE_OVER["waiting_in_watch"], {"account": account}).fetchall())


def stretch_of_kept_out(tx: Connection, after: int, looked: int) -> list[int]:
    """Ids of the next kept-out orders after a known one, `looked` at most; none where no watch of a shop has ended."""
    return [id_ for (id_,) in tx.execute(TAKE_OVER["stretch_of_kept_out"], {"after": after, "looked": looked})]


def due_to_begin(tx: Connection, order_ids: Sequence[int]) -> list[int]:
    """Those of some orders that came while their shop was watched and are ours by the instant of take-over, by id.

    Orders that could not be begun, and whose hold for that is open, are not among them.
    """
    return [id_ for (id_,) in tx.execute(TAKE_OVER["due_to_begin"], {"ids": list(order_ids)})]
