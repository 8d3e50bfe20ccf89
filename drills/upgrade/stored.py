"""Orders that lie in a database of the earlier version when the new one comes."""

from pathlib import Path

from infra.tables.pool import Database
from infra.tables.sql import load

LOOKS = load("looks", Path(__file__).parent)
_SCRIPT = Path(__file__).with_name("stored.sql")


def store_orders(db: Database, orders: int) -> None:
    """Fill the tables of the earlier version's schema, vacuumed and analyzed."""
    with db.direct() as session:
        session.execute(LOOKS["patience"], {"orders": str(orders)})
        session.execute(_SCRIPT.read_bytes())
        session.execute(LOOKS["settle"])


def wake(db: Database, share: int, of: int) -> int:
    """Let the local next step of every `of`-th stored order be due; `share`: which of them, from 0."""
    with db.connection() as connection:
        return connection.execute(LOOKS["wake"], {"share": share, "of": of}).rowcount
