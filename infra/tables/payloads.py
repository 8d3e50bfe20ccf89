"""Raw payloads, as platforms sent them."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from domain.order import Lane
from infra.tables.pool import Connection
from infra.tables.sql import load

PAYLOADS = load("payloads")


class NewPayload(NamedTuple):
    """A payload to store, with its provisional lane and the change time that the platform told."""

    platform_order_id: str
    version: bytes
    lane: Lane
    changed_at: datetime
    body: bytes


class KnownChange(NamedTuple):
    """A change that a listing shows. `is_shipped`: the listing shows the order as shipped."""

    platform_order_id: str
    changed_at: datetime
    is_shipped: bool


class PayloadRow(NamedTuple):
    """A stored payload. `joined_at`: when its shop joined us. `kept_before`: orders paid earlier are another system's.

    `mode`: how its shop is served. `size`: of the body, in bytes.

    `body` is None where it is too large to come with the others, or `is_forgotten`: the order was purged or erased.
    """

    id: int
    platform: str
    shop: str
    lane: Lane
    lane_by: str | None
    received_at: datetime
    joined_at: datetime | None
    kept_before: datetime | None
    mode: str | None
    size: int
    is_forgotten: bool
    body: bytes | None


def store_payloads(
    tx: Connection, platform: str, shop: str, payloads: Sequence[NewPayload], *, source: str, contents_max: int
) -> list[tuple[int, Lane]]:
    """Store payloads of one shop; (id, lane) of the new ones. Content that is already stored, and content of forgotten
    orders, is not stored again.

    An order keeps `contents_max` contents of a day; the further ones are counted as refused.
    """
    named = {
        "platform": platform,
        "shop": shop,
        "source": source,
        "platform_order_ids": [one.platform_order_id for one in payloads],
        "versions": [one.version for one in payloads],
        "lanes": [one.lane for one in payloads],
        "changed_ats": [one.changed_at for one in payloads],
        "bodies": [one.body for one in payloads],
        "contents_max": contents_max,
    }
    return [(id_, Lane(lane)) for id_, lane in tx.execute(PAYLOADS["store_raw"], named).fetchall()]


def full_of_unread(
    tx: Connection, platform: str, shop: str, platform_order_ids: Sequence[str], most: int
) -> frozenset[str]:
    """Given orders, returns the orders with at least `most` stored payloads that could not be read or wait to be
    read.
    """
    named = {"platform": platform, "shop": shop, "platform_order_ids": list(platform_order_ids), "most": most}
    return frozenset(row[0] for row in tx.execute(PAYLOADS["unread_versions"], named).fetchall())


def known_changes(
    connection: Connection, platform: str, shop: str, listed: Sequence[KnownChange], *, shop_id: int, margin_s: float
) -> set[tuple[str, datetime]]:
    """(platform order id, change time) of the listed changes that need no fetch.

    `margin_s`: a payload that came so soon after its change may be an older one, and does not count as stored.
    """
    named = {
        "platform": platform,
        "shop": shop,
        "shop_id": shop_id,
        "margin_s": margin_s,
        "platform_order_ids": [one.platform_order_id for one in listed],
        "changed_ats": [one.changed_at for one in listed],
        "are_shipped": [one.is_shipped for one in listed],
    }
    return set(connection.execute(PAYLOADS["known_changes"], named).fetchall())


def load_payloads(tx: Connection, payload_ids: Sequence[int], most: int) -> list[PayloadRow]:
    """Payloads by order and change time; the smallest bodies come with them, up to `most` bytes together. No lock."""
    rows = tx.execute(PAYLOADS["load_raw"], {"ids": list(payload_ids), "most": most})
    return [PayloadRow(*row)._replace(lane=Lane(row[3])) for row in rows]


def load_body(tx: Connection, payload_id: int) -> bytes:
    """One body, however large."""
    row = tx.execute(PAYLOADS["load_body"], {"id": payload_id}, binary=True).fetchone()
    assert row is not None
    body: bytes = row[0]
    return body


class WaitingPayload(NamedTuple):
    """A payload that waits to be read, and the lane that it had. `account`: its shop's."""

    id: int
    lane: str
    account: str


def choose_lane(tx: Connection, platform_order_id: str, place: str, *, lane: str, by: str) -> list[WaitingPayload]:
    """Set the lane of payloads under a platform's order id that are no order yet; locks them.

    `place`: the shop, with or without its platform; empty: any shop.
    """
    named = {"place": place, "platform_order_id": platform_order_id, "lane": lane, "by": by}
    return [WaitingPayload(*row) for row in tx.execute(PAYLOADS["choose_payload_lane"], named).fetchall()]


def move_payloads(tx: Connection, payload_ids: Sequence[int], lane: str) -> list[int]:
    """Move the reading of payloads to a lane; returns the ids of payloads that still wait to be read. Locks their
    work.
    """
    rows = tx.execute(PAYLOADS["move_payload_work"], {"ids": list(payload_ids), "lane": lane})
    return [row[0] for row in rows]
