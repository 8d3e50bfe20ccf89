"""Orders that another system ships, and what would be done with them."""

from infra.tables.pool import Database
from infra.tables.take_over import KeptOutFilter, KeptOutRow, find_kept_out
from ops.views.looking import looking

LISTED_MAX = 10_000


def kept_out_orders(db: Database, chosen: KeptOutFilter, limit: int = LISTED_MAX) -> list[KeptOutRow]:
    """Kept-out orders, the earliest paid first, `limit` at most; with what would have been done with each."""
    with looking(db) as tx:
        return find_kept_out(tx, chosen, limit)
