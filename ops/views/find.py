"""Find an order by whatever a person has at hand."""

from collections.abc import Iterator
from datetime import datetime

from domain.errors import Conflict, Facts, FulfilmentError, Poison, Refused, Transient
from infra.tables.inspect import (
    Match,
    UnreadPayload,
    find_by_id,
    find_by_platform_order_id,
    find_by_shop,
    find_by_waybill,
    unfetched,
    unread_payload,
)
from infra.tables.pool import Connection

_BIGINT_DIGITS = 18


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
    if wanted.isascii() and wanted.isdigit() and len(wanted) <= _BIGINT_DIGITS:
        yield from find_by_id(tx, int(wanted))
    yield from find_by_platform_order_id(tx, wanted)
    yield from find_by_waybill(tx, wanted)
    place, _, platform_order_id = wanted.rpartition("/")
    if place:
        # The place is a shop, or a platform and a shop; a shop's own name may hold a slash.
        found = find_by_shop(tx, [place, place.partition("/")[2]], platform_order_id)
        yield from (match for match in found if place in {match.shop, f"{match.platform}/{match.shop}"})


def why_missing(tx: Connection, text: str) -> FulfilmentError:
    """The error for an id without an order: its payload is unreadable (Poison) or waits to be read (Conflict), the
    order could not be fetched (Transient) or was forgotten, or the id is unknown (Refused).
    """
    wanted = text.strip()
    if not wanted.isprintable():
        return _unknown(wanted)
    asked = wanted.rpartition("/")[2]
    unread = unread_payload(tx, asked)
    if unread is not None:
        return _not_an_order_yet(unread)
    gap = unfetched(tx, asked)
    if gap is not None:
        account, platform_order_id, noticed_at, tries, error, letter = gap
        facts: Facts = {
            "fault": "tried" if tries else "not_tried",
            "order": f"{account}/{platform_order_id}",
            "at": _time(noticed_at),
            "tries": tries,
            "error": error,
            "letter": letter,
        }
        return Transient("order_not_fetched", facts=facts)
    return _unknown(wanted)


def _not_an_order_yet(unread: UnreadPayload) -> FulfilmentError:
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
