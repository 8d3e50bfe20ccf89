"""Counted stock: load what warehouses report, ask them again, and take over what they corrected."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from adapters.ports import StockCount, Warehouse
from adapters.rejection import Rejected
from domain.errors import FulfilmentError, Malformed, Transient
from infra.config.settings import Location, Settings
from infra.engine.author import Author
from infra.engine.event_loop import EventLoopThread
from infra.process.clock import Clock
from infra.tables.locations import note_stock_asked, note_stock_fault
from infra.tables.pool import Connection, Database
from infra.tables.recount import Changes, held_at, write_count
from infra.tables.stock import count_in
from infra.tables.unreadable import UnreadableEntry, replace_rows
from infra.telemetry.log import get_logger
from ops.guarded_calls import guarded_calls

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    """How many SKUs a location reported, and the rows of its count that could not be read."""

    skus: int
    rejected: tuple[Rejected, ...] = ()


def stock_up(
    settings: Settings, db: Database, clock: Clock, locations: Iterable[Location]
) -> dict[str, Loaded | FulfilmentError]:
    """Count in what each location reports of SKUs that are unknown there.

    By location: what was loaded, or why its warehouse could not be read. Whatever one of them says, the others are
    loaded. A location whose gate is shut is not asked: GateShut. Raises only what our own database being away raises.
    """
    loaded: dict[str, Loaded | FulfilmentError] = {}
    with guarded_calls(settings, db, clock) as calls:
        for location in locations:
            try:
                loaded[location.name] = load_stock(db, calls.event_loop, location, calls.warehouse(location))
            except FulfilmentError as error:
                loaded[location.name] = error
            except psycopg.OperationalError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever one count raises, nobody else waits for it
                loaded[location.name] = Malformed("stock_unreadable", type(error).__name__)
    return loaded


def load_stock(db: Database, event_loop: EventLoopThread, location: Location, warehouse: Warehouse) -> Loaded:
    """Count in what the warehouse reports; SKUs known already are left alone.

    Rows that could not be read are recorded, until a later count has them right.
    """
    count = ask_count(event_loop, warehouse)
    levels = {level.sku: level.quantity for level in count.levels}
    with db.transaction() as tx:
        count_in(tx, location.name, levels)
        note_bad_rows(tx, location, count)
    return Loaded(len(levels), count.rejected)


@dataclass(frozen=True, slots=True)
class Counted:
    """A location's count: SKUs it reported, and by SKU the pieces that are new, more or fewer.

    `refused`: SKUs whose count is not taken over, because more is promised; our figure and the count.
    `rejected`: rows of the count that could not be read.
    """

    skus: int
    new: Mapping[str, int]
    raised: Mapping[str, int]
    lowered: Mapping[str, int]
    refused: Mapping[str, tuple[int, int]]
    rejected: tuple[Rejected, ...] = ()


def count_again(
    settings: Settings, db: Database, clock: Clock, locations: Iterable[Location], author: Author
) -> dict[str, Counted | FulfilmentError]:
    """Count every location by itself: what is wrong with one, or with its answer, keeps no other from it.

    `author` is noted with every correction. Raises psycopg.OperationalError when the database is away.
    """
    done: dict[str, Counted | FulfilmentError] = {}
    with guarded_calls(settings, db, clock) as calls:
        for location in locations:
            with _named(location.name, done):
                done[location.name] = count_location(db, calls.event_loop, location, calls.warehouse(location), author)
            note_answer(db, location.name, done[location.name])
    return done


def note_answer(db: Database, location: str, answer: object) -> None:
    """Keep why a location could not be counted, until it is."""
    with db.connection() as connection:
        note_stock_fault(connection, location, answer.code if isinstance(answer, FulfilmentError) else None)


@contextmanager
def _named(location: str, done: dict[str, Counted | FulfilmentError]) -> Iterator[None]:
    """What went wrong with a location is its answer."""
    try:
        yield
    except FulfilmentError as error:
        done[location] = error
    except psycopg.OperationalError:
        raise
    except Exception as error:
        log.exception("stock_not_counted", location=location)
        done[location] = Transient("count_not_written", type(error).__name__)


def count_location(
    db: Database, event_loop: EventLoopThread, location: Location, warehouse: Warehouse, author: Author
) -> Counted:
    """Ask one warehouse and write its count. Raises what the call raises.

    A SKU whose row cannot be read keeps our figure, and the row is recorded.
    """
    with db.connection() as connection:
        note_stock_asked(connection, location.name)
        before = held_at(connection, location.name)
    count = ask_count(event_loop, warehouse)
    counted = {level.sku: level.quantity for level in count.levels}
    changes: Changes = write_count(db, location.name, before, counted, author)
    with db.transaction() as tx:
        note_bad_rows(tx, location, count)
    if changes.refused:
        log.error("stock_count_refused", location=location.name, skus=len(changes.refused))
    return Counted(len(counted), changes.new, changes.raised, changes.lowered, changes.refused, count.rejected)


def ask_count(event_loop: EventLoopThread, warehouse: Warehouse) -> StockCount:
    """What the warehouse counts now. Raises what the call raises."""

    async def ask() -> StockCount:
        return await warehouse.stock()

    return event_loop.run(ask())


def note_bad_rows(tx: Connection, location: Location, count: StockCount) -> None:
    """Record the rows of a count that could not be read, in place of those of the count before it."""
    rows = [UnreadableEntry(row.position, row.code, row.field, row.key) for row in count.rejected]
    replace_rows(tx, location.account, rows, by="stock")
