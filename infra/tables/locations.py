"""Locations: how far their scans were read, and when their stock was asked for."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from infra.tables.pool import Connection
from infra.tables.sql import load

LOCATIONS = load("locations")


class LocationRow(NamedTuple):
    """`cursor`: up to where the location's scans were read."""

    id: int
    name: str
    cursor: str


def load_locations(tx: Connection, location_ids: Sequence[int]) -> list[LocationRow]:
    """The locations with these ids; without a lock."""
    return [LocationRow(*row) for row in tx.execute(LOCATIONS["load_location"], {"ids": list(location_ids)})]


def advance_feed(tx: Connection, location_id: int, *, after: str, cursor: str, size: int) -> bool:
    """Move the cursor of a feed from `after` to `cursor` and count the page's `size` in bytes.

    False, and nothing is moved, where the feed does not stand at `after` any more. Locks the location's row.
    """
    named = {"id": location_id, "after": after, "cursor": cursor, "size": size}
    return tx.execute(LOCATIONS["advance_feed"], named).fetchone() is not None


def note_feeds_read(tx: Connection, location_ids: Sequence[int]) -> None:
    """Store that these feeds could be read just now."""
    tx.execute(LOCATIONS["note_feeds_read"], {"ids": list(location_ids)})


def ensure_locations(tx: Connection, names: Sequence[str]) -> None:
    """Make the rows of locations that have none yet."""
    tx.execute(LOCATIONS["ensure_locations"], {"names": list(names)})


def note_order_takers(tx: Connection, names: Sequence[str]) -> None:
    """Store which locations take orders from now on; since when, of those that did already, stays."""
    tx.execute(LOCATIONS["note_order_takers"], {"names": list(names)})


def find_locations(tx: Connection, names: Sequence[str]) -> dict[str, int]:
    """Ids by name, of the locations that have a row."""
    return {name: id_ for id_, name in tx.execute(LOCATIONS["find_locations"], {"names": list(names)}).fetchall()}


class SilentFeed(NamedTuple):
    """A shop or location that could not be read for `silent_s` seconds."""

    account: str
    since: datetime
    silent_s: float


def silent_feeds(connection: Connection, patience_s: float) -> list[SilentFeed]:
    """Shops and locations that could not be read for longer than `patience_s` and that nobody has paused."""
    return [SilentFeed(*row) for row in connection.execute(LOCATIONS["silent_feeds"], {"patience_s": patience_s})]


def asked_s_ago(connection: Connection, names: Sequence[str]) -> dict[str, float | None]:
    """Seconds since the stock of each location was last asked for; None: never."""
    return dict(connection.execute(LOCATIONS["asked"], {"names": list(names)}).fetchall())


def note_stock_asked(tx: Connection, name: str) -> None:
    """Store that the stock of a location was asked for just now."""
    tx.execute(LOCATIONS["note_asked"], {"name": name})


def note_stock_fault(connection: Connection, location: str, code: str | None) -> None:
    """The last count of a location ended with an error of this code; None: it was had."""
    connection.execute(LOCATIONS["note_stock_fault"], {"name": location, "code": code})
