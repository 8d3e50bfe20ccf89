"""The timeline of orders: events that are added and never changed."""

from collections.abc import Iterable

from infra.tables.pool import Connection
from infra.tables.rows import Row, rows_json
from infra.tables.sql import load

EVENTS = load("events")


def tell(tx: Connection, events: Iterable[Row]) -> None:
    """Add events. Rows of `order_id`, `fulfillment_order_id`, `package_id`, `kind`, `step`, `cause`, `from_state`,
    `to_state` and `facts`, which hold no personal data.
    """
    tx.execute(EVENTS["tell"], {"rows": rows_json(events)})
