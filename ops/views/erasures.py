"""Erasures: which orders a person is in, what is in the way, and the records that prove it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.errors import Conflict, Refused
from infra.retention.erase import can_erase, order_state, search, usable
from infra.tables import erasure
from infra.tables.erasure import OrderState, list_erasures, load_erasure, unread_names
from infra.tables.pool import Connection, Database
from infra.tables.retention import OrderName
from ops.views.find import find, why_missing
from ops.views.looking import foreseeing, looking


@dataclass(frozen=True, slots=True)
class ErasedOrder:
    """One order of an erasure. `rows`: changed or deleted, by table."""

    name: str
    rows: dict[str, int]
    done_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """The record of an erasure. `subject`: SHA-256 of the names of its orders, in hex."""

    id: int
    who: str
    reason: str
    owner: str
    subject: str
    asked_at: datetime
    due_at: datetime
    done_at: datetime | None
    orders: tuple[ErasedOrder, ...]


@dataclass(frozen=True, slots=True)
class ErasureLine:
    """One line of a list of erasures."""

    id: int
    who: str
    owner: str
    asked_at: datetime
    due_at: datetime
    done_at: datetime | None
    orders: int
    orders_open: int


class InTheWay(StrEnum):
    """Why an order cannot be erased yet."""

    LETTERS_OPEN = "letters_open"
    NOT_READ = "not_read"
    NOT_ENDED = "not_ended"


@dataclass(frozen=True, slots=True)
class InFlight:
    """An order that has not ended. `states`: of its fulfillment orders; `holds` and `letters` count open ones."""

    order: str
    code: InTheWay
    states: str
    holds: int
    letters: int


@dataclass(frozen=True, slots=True)
class ErasurePlan:
    """What would be erased now, and what is in the way."""

    orders: tuple[str, ...]
    in_flight: tuple[InFlight, ...]


def orders_named(db: Database, ids: Sequence[str]) -> list[OrderName]:
    """The orders that ids mean, also payloads that never became one.

    Raises what `why_missing` says of an unknown id, and Conflict ``order_ambiguous`` for one that means several.
    """
    found: dict[str, OrderName] = {}
    with looking(db) as tx:
        for text in ids:
            matches = [OrderName(one.platform, one.shop, one.platform_order_id) for one in find(tx, text)]
            some = matches or _unread(tx, text.strip())
            if not some:
                raise why_missing(tx, text)
            if len(some) > 1:
                shown = ", ".join(map(str, some))
                raise Conflict("order_ambiguous", facts={"id": text.strip(), "orders": shown})
            found[str(some[0])] = some[0]
    return list(found.values())


def _unread(tx: Connection, text: str) -> list[OrderName]:
    if not text.isprintable():
        return []
    place, _, platform_order_id = text.rpartition("/")
    return unread_names(tx, platform_order_id, place)


def orders_of(db: Database, words: Sequence[str]) -> list[OrderName]:
    """The orders that name a person. Raises Refused ``nothing_matches``, and ``words_unusable`` for words too short."""
    if not usable(words):
        raise Refused("words_unusable")
    found = search(db, words)
    if not found:
        raise Refused("nothing_matches", facts={"fault": "no_order"})
    return found


def plan(db: Database, orders: Sequence[OrderName]) -> ErasurePlan:
    """What an erasure would do, changing nothing."""
    with foreseeing(db) as tx:
        flying = [found for one in orders if (found := _in_flight(tx, one))]
    return ErasurePlan(tuple(map(str, orders)), tuple(flying))


def _in_flight(tx: Connection, order: OrderName) -> InFlight | None:
    if can_erase(tx, order):
        return None
    found = order_state(tx, order)
    return InFlight(str(order), _in_the_way(found), found.states or "", found.holds, found.letters)


def _in_the_way(found: OrderState) -> InTheWay:
    if found.letters:
        return InTheWay.LETTERS_OPEN
    return InTheWay.NOT_READ if found.order_id is None else InTheWay.NOT_ENDED


def show(db: Database, id_: int) -> Erasure:
    """The record of an erasure, by its number. Raises Refused ``erasure_unknown``."""
    with looking(db) as connection:
        found = load_erasure(connection, id_)
    if found is None:
        raise Refused("erasure_unknown", facts={"erasure": id_})
    record, orders = found
    erased = tuple(ErasedOrder(str(one.order), one.rows, one.done_at) for one in orders)
    return Erasure(**record._asdict(), orders=erased)


def erasures(db: Database, *, only_open: bool = False) -> list[ErasureLine]:
    """All erasures, or only those that wait for the end of an order, by number."""
    with looking(db) as connection:
        return [ErasureLine(*row) for row in list_erasures(connection, only_open=only_open)]


def erased_names(db: Database) -> list[OrderName]:
    """Every order that was ever erased: what a restored backup does not know, so it is kept apart from backups."""
    with looking(db) as connection:
        return erasure.erased_names(connection)
