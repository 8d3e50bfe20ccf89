"""Ask warehouses for their stock again, and take over what they corrected."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from adapters.ports import Warehouse
from adapters.rejection import Rejected
from domain.errors import FulfilmentError, Transient
from infra.config.settings import Location, Settings
from infra.engine.author import Author
from infra.engine.event_loop import Outside
from infra.process.clock import Clock
from infra.tables.locations import note_stock_asked, note_stock_fault
from infra.tables.pool import Database
from infra.tables.recount import Changes, held_at, write_count
from infra.telemetry.log import get_logger
from ops.guarded_calls import guarded_calls
from ops.verbs.stock import ask_count, note_bad_rows

log = get_logger(__name__)


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
                done[location.name] = count_location(db, calls.outside, location, calls.warehouse(location), author)
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


def count_location(db: Database, outside: Outside, location: Location, warehouse: Warehouse, author: Author) -> Counted:
    """Ask one warehouse and write its count. Raises what the call raises.

    A SKU whose row cannot be read keeps our figure, and the row is recorded.
    """
    with db.connection() as connection:
        note_stock_asked(connection, location.name)
        before = held_at(connection, location.name)
    count = ask_count(outside, warehouse)
    counted = {level.sku: level.quantity for level in count.levels}
    changes: Changes = write_count(db, location.name, before, counted, author)
    with db.transaction() as tx:
        note_bad_rows(tx, location, count)
    if changes.refused:
        log.error("stock_count_refused", location=location.name, skus=len(changes.refused))
    return Counted(len(counted), changes.new, changes.raised, changes.lowered, changes.refused, count.rejected)
