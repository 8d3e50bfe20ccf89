"""The timeline of orders: events that are added and never changed."""

from collections.abc import Iterable

from infra.tables.pool import Connection
from infra.tables.rows import Row, rows_json
from infra.tables.sql import load

EVENTS = load("events")


def record_events(tx: Connection, events: Iterable[Row]) -> None:
    """Add events. Rows of `order_id`, `fulfillment_order_id`, `package_id`, `kind`, `step`, `cause`, `from_state`,
    `to_state` and `facts`, which hold no personal data.
    """
    tx.execute(EVENTS["record"], {"rows": rows_json(events)})
