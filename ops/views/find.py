"""Find an order by whatever a person has at hand."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from domain.errors import Conflict, FulfilmentError, Poison, Refused, Transient
from infra.tables.pool import Connection
from infra.tables.sql import load

INSPECT = load("inspect")
_BIGINT_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Match:
    """One order that an id may mean."""

    id: int
    platform: str
    shop: str
    platform_order_id: str
    placed_at: datetime

    @property
    def full_id(self) -> str:
        """The id that means this order and no other."""
        return f"{self.platform}/{self.shop}/{self.platform_order_id}"


@dataclass(frozen=True, slots=True)
class _Unread:
    platform: str
    shop: str
    platform_order_id: str
    received_at: datetime
    dead_letter: int | None
    code: str | None
    message: str | None
    forgotten: str | None
    forgotten_at: datetime | None


def find(tx: Connection, text: str) -> list[Match]:
    """Orders that `text` may mean, oldest first.

    It is our own id, the platform's order id, ``shop/platform-order-id``,
    ``platform/shop/platform-order-id``, or a waybill.
    """
    wanted = text.strip()
    if not wanted.isprintable():
        return []
    found = {match.id: match for match in _matches(tx, wanted)}
    return [found[id_] for id_ in sorted(found)]


def _matches(tx: Connection, wanted: str) -> Iterator[Match]:
    with tx.cursor(row_factory=class_row(Match)) as cursor:
        if wanted.isascii() and wanted.isdigit() and len(wanted) <= _BIGINT_DIGITS:
            yield from cursor.execute(INSPECT["find_by_id"], {"id": int(wanted)})
        yield from cursor.execute(INSPECT["find_by_platform_order_id"], {"platform_order_id": wanted})
        yield from cursor.execute(INSPECT["find_by_waybill"], {"waybill": wanted})
        place, _, platform_order_id = wanted.rpartition("/")
        if place:
            # The place is a shop, or a platform and a shop; a shop's own name may hold a slash.
            shops = [place, place.partition("/")[2]]
            cursor.execute(INSPECT["find_by_shop"], {"shops": shops, "platform_order_id": platform_order_id})
            yield from (match for match in cursor if place in {match.shop, f"{match.platform}/{match.shop}"})


def why_missing(tx: Connection, text: str) -> FulfilmentError:
    """What there is instead of an order: an unreadable payload (Poison), one that waits to be read
    (Conflict), one that could not be fetched (Transient), one that was forgotten, or nothing at all (Refused).
    """
    wanted = text.strip()
    if not wanted.isprintable():
        return _unknown(wanted)
    asked = {"platform_order_id": wanted.rpartition("/")[2]}
    with tx.cursor(row_factory=class_row(_Unread)) as cursor:
        unread = cursor.execute(INSPECT["unread_payloads"], asked).fetchone()
    if unread is not None:
        return _not_an_order_yet(unread)
    gap = tx.execute(INSPECT["unfetched"], asked).fetchone()
    if gap is not None:
        account, platform_order_id, noticed_at, tries, error, letter = gap
        facts = {"order": f"{account}/{platform_order_id}", "at": _time(noticed_at), "tries": tries, "error": error}
        fault = "tried" if tries else "not_tried"
        return Transient("order_not_fetched", facts={"fault": fault, **facts, "letter": letter})
    return _unknown(wanted)


def _not_an_order_yet(unread: _Unread) -> FulfilmentError:
    name = f"{unread.platform}/{unread.shop}/{unread.platform_order_id}"
    came = {"order": name, "at": _time(unread.received_at)}
    if unread.forgotten_at is not None:
        gone = {"forgotten": unread.forgotten, "forgotten_at": _time(unread.forgotten_at)}
        return Refused("order_forgotten", facts={**came, **gone})
    if unread.dead_letter is None:
        return Conflict("order_not_normalized", facts=came)
    reason = f"{unread.code}: {unread.message}" if unread.message else unread.code
    return Poison("order_quarantined", facts={**came, "reason": reason, "letter": unread.dead_letter})


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}"


def _unknown(wanted: str) -> Refused:
    return Refused("order_unknown", facts={"id": wanted} if wanted.isprintable() else {"fault": "unprintable"})
