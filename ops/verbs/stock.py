"""Load a location's counted stock from its warehouse."""

from dataclasses import dataclass

from adapters.ports import StockCount, Warehouse
from adapters.rejection import Rejected
from infra.config.settings import Location
from infra.engine.event_loop import Outside
from infra.tables.pool import Connection, Database
from infra.tables.stock import count_in
from infra.tables.unreadable import Entry, replace_rows


@dataclass(frozen=True, slots=True)
class Loaded:
    """How many SKUs a location reported, and the rows of its count that could not be read."""

    skus: int
    rejected: tuple[Rejected, ...] = ()


def load_stock(db: Database, outside: Outside, location: Location, warehouse: Warehouse) -> Loaded:
    """Count in what the warehouse reports; SKUs known already are left alone.

    Rows that could not be read are recorded, until a later count has them right.
    """
    count = ask_count(outside, warehouse)
    levels = {level.sku: level.quantity for level in count.levels}
    with db.transaction() as tx:
        count_in(tx, location.name, levels)
        note_bad_rows(tx, location, count)
    return Loaded(len(levels), count.rejected)


def ask_count(outside: Outside, warehouse: Warehouse) -> StockCount:
    """What the warehouse counts now. Raises what the call raises."""

    async def ask() -> StockCount:
        return await warehouse.stock()

    return outside.run(ask())


def note_bad_rows(tx: Connection, location: Location, count: StockCount) -> None:
    """Record the rows of a count that could not be read, in place of those of the count before it."""
    rows = [Entry(row.position, row.code, row.field, row.key) for row in count.rejected]
    replace_rows(tx, location.account, rows, by="stock")
