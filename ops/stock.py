"""Load a location's counted stock from its warehouse."""

from collections.abc import Sequence

from adapters.ports import StockLevel, Warehouse
from infra.db.pool import Database
from infra.db.stock import count_in
from infra.outside import Outside


def load_stock(db: Database, outside: Outside, location: str, warehouse: Warehouse) -> int:
    """Count in what the warehouse reports; SKUs known already are left alone. Returns the number of SKUs."""
    levels = {level.sku: level.quantity for level in outside.run(_levels(warehouse))}
    with db.transaction() as tx:
        count_in(tx, location, levels)
    return len(levels)


async def _levels(warehouse: Warehouse) -> Sequence[StockLevel]:
    return await warehouse.stock()
