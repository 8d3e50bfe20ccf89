"""The listing map, and the lines of orders that wait for a SKU."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.listings import NOTHING, Listing, NewSku, OpenLine
from domain.order import FulfilledBy
from infra.tables.pool import Connection
from infra.tables.rows import rows_json
from infra.tables.sql import load

LISTINGS = load("listings")


def load_entries(tx: Connection, listings: Iterable[Listing]) -> dict[Listing, str]:
    """The entries of the map for these listings and their products; no statement when there are none."""
    rows = [_row(listing) for listing in sorted(set(listings))]
    if not rows:
        return {}
    return {Listing(*row[:4]): row[4] for row in tx.execute(LISTINGS["entries"], {"rows": rows_json(rows)})}


def lock_entries(tx: Connection, listings: Iterable[Listing]) -> dict[Listing, str]:
    """The entries of exactly these listings, locked until the transaction ends."""
    rows = rows_json(_row(listing) for listing in sorted(set(listings)))
    return {Listing(*row[:4]): row[4] for row in tx.execute(LISTINGS["lock_entries"], {"rows": rows})}


def put_entries(tx: Connection, entries: Mapping[Listing, str], author: str) -> None:
    """Write entries; one that is there is replaced."""
    if entries:
        rows = rows_json({**_row(listing), "sku": sku} for listing, sku in entries.items())
        tx.execute(LISTINGS["put_entries"], {"rows": rows, "author": author})


def drop_entry(tx: Connection, listing: Listing) -> str | None:
    """Take an entry away; what it said, or None where there was none."""
    row = tx.execute(LISTINGS["drop_entry"], _row(listing)).fetchone()
    return None if row is None else str(row[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingEntry:
    """A row of the map. `sku` is None where there is nothing to pick; `is_known`: stock knows it."""

    platform: str
    shop: str
    product: str
    variant: str
    sku: str | None
    author: str
    at: datetime
    is_known: bool


def list_entries(connection: Connection, after: Listing, limit: int) -> list[ListingEntry]:
    """Rows of the map behind `after`, in the order of their listings."""
    rows = connection.execute(LISTINGS["list_entries"], {**_row(after), "limit": limit})
    return [
        ListingEntry(
            platform=platform,
            shop=shop,
            product=product,
            variant=variant,
            sku=sku or None,
            author=author,
            at=at,
            is_known=is_known,
        )
        for platform, shop, product, variant, sku, author, at, is_known in rows
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmappedListing:
    """A listing without a SKU that stock knows, and how many open orders wait for it.

    `given`: the SKU that the platform gives, empty for none. `title`: of one of the lines. `since`: of the oldest hold.
    """

    platform: str
    shop: str
    product: str
    variant: str
    given: str
    title: str
    orders: int
    since: datetime


def list_wanted(connection: Connection, limit: int) -> list[UnmappedListing]:
    """Listings without a SKU that stock knows, those that most orders wait for first."""
    rows = connection.execute(LISTINGS["wanted"], {"limit": limit})
    return [
        UnmappedListing(
            platform=platform,
            shop=shop,
            product=product,
            variant=variant,
            given=given,
            title=title,
            orders=orders,
            since=since,
        )
        for platform, shop, product, variant, given, title, orders, since in rows
    ]


def count_wanted(connection: Connection) -> tuple[int, int]:
    """Listings without a SKU that stock knows, and the open orders that wait for them."""
    row: Any = connection.execute(LISTINGS["count_wanted"]).fetchone()
    return row[0], row[1]


def count_waiting_for(connection: Connection, listings: Iterable[Listing]) -> int:
    """Open orders that wait for one of the listings, or a variant of it."""
    rows = rows_json(_row(listing) for listing in listings)
    row: Any = connection.execute(LISTINGS["count_waiting_for"], {"rows": rows}).fetchone()
    return int(row[0])


def unknown_skus(tx: Connection, skus: Iterable[str]) -> frozenset[str]:
    """The SKUs that stock does not know; no statement when there are none."""
    wanted = sorted(set(skus))
    if not wanted:
        return frozenset()
    return frozenset(row[0] for row in tx.execute(LISTINGS["unknown_skus"], {"skus": wanted}))


def waiting(connection: Connection, after: int, limit: int) -> list[int]:
    """A stretch of the fulfillment orders that are held for a SKU, with an id above `after`."""
    return [row[0] for row in connection.execute(LISTINGS["waiting"], {"after": after, "limit": limit})]


def lock_ready(tx: Connection, ids: Sequence[int]) -> list[int]:
    """Lock those of some fulfillment orders, with their orders, that can go on, or at least get one more SKU."""
    return [row[0] for row in tx.execute(LISTINGS["lock_ready"], {"ids": list(ids)})]


def lock_order(tx: Connection, order_id: int) -> None:
    """Lock the order, so that no newer content is stored meanwhile."""
    tx.execute(LISTINGS["lock_order"], {"id": order_id})


def open_lines(tx: Connection, ids: Sequence[int]) -> list[OpenLine]:
    """The lines that some fulfillment orders work on."""
    return [
        OpenLine(id_, order_id, line_id, Listing(*listing), sku, is_known)
        for id_, order_id, line_id, *listing, sku, is_known in tx.execute(LISTINGS["open_lines"], {"ids": list(ids)})
    ]


def write_skus(tx: Connection, changed: Sequence[NewSku]) -> None:
    """Give lines their SKU; lines with nothing to pick are removed from their fulfillment order."""
    named = [
        {"order_id": one.line.order_id, "line_id": one.line.line_id, "sku": one.sku}
        for one in changed
        if one.sku != NOTHING
    ]
    left_out = [
        {
            "fulfillment_order_id": one.line.fulfillment_order_id,
            "order_id": one.line.order_id,
            "line_id": one.line.line_id,
        }
        for one in changed
        if one.sku == NOTHING
    ]
    if named:
        tx.execute(LISTINGS["set_skus"], {"rows": rows_json(named)})
    if left_out:
        tx.execute(LISTINGS["leave_out"], {"rows": rows_json(left_out)})


def set_fulfilled_by(tx: Connection, fulfilled_by: Mapping[int, FulfilledBy]) -> None:
    """Who fulfils whole orders, by order id, after lines of theirs became nobody's."""
    if fulfilled_by:
        rows = rows_json({"id": id_, "fulfilled_by": kind} for id_, kind in fulfilled_by.items())
        tx.execute(LISTINGS["set_fulfilled_by"], {"rows": rows})


def _row(listing: Listing) -> dict[str, Any]:
    return {
        "platform": listing.platform,
        "shop": listing.shop,
        "product_id": listing.product_id,
        "platform_sku": listing.platform_sku,
    }
