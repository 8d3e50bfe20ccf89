"""Load a location's counted stock from its warehouse."""

from dataclasses import dataclass

from adapters.ports import StockCount, Warehouse
from adapters.rejection import Rejected
from infra.db.pool import Database
from infra.db.stock import count_in
from infra.db.unreadable import Entry, replace_rows
from infra.outside import Outside
from infra.settings import Location


@dataclass(frozen=True, slots=True)
class Loaded:
    """How many SKUs a location reported, and the rows of its count that could not be read."""

    skus: int
    rejected: tuple[Rejected, ...] = ()


def load_stock(db: Database, outside: Outside, location: Location, warehouse: Warehouse) -> Loaded:
    """Count in what the warehouse reports; SKUs known already are left alone.

    Rows that could not be read are recorded, until a later count has them right.
    """
    count = outside.run(_count(warehouse))
    levels = {level.sku: level.quantity for level in count.levels}
    with db.transaction() as tx:
        count_in(tx, location.name, levels)
        replace_rows(tx, location.account, [_entry(row) for row in count.rejected], by="stock")
    return Loaded(len(levels), count.rejected)


async def _count(warehouse: Warehouse) -> StockCount:
    return await warehouse.stock()


def _entry(row: Rejected) -> Entry:
    return Entry(row.position, row.code, row.field, row.key)
