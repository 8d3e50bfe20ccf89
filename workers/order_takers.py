"""Which locations take orders, as the settings and adapters of this process say, for queries that cannot ask them."""

from actors.tools import Tools
from infra.tables.locations import note_order_takers


def note_order_takers_of(tools: Tools) -> None:
    """Store since when each location takes orders: what was labelled there before was told in another way."""
    takers = sorted(name for name in tools.warehouses if tools.capabilities(name).takes_orders)
    with tools.db.transaction() as tx:
        note_order_takers(tx, takers)
