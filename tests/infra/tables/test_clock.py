"""The clocks that run are found by index among many orders."""

import json
from pathlib import Path

import pytest

from domain.clocks import ClockName
from domain.ship_by import ON_THE_CLOCK
from infra.tables.clock import CLOCK, load_running

WAITING = "UPDATE orders SET ship_from = ship_by - interval '30 minutes' WHERE id % 1000 = 0"
LATE = """
WITH late AS (UPDATE orders SET ship_by = now() - interval '2 days' WHERE id IN (1000, 2000, 3001) RETURNING id)
INSERT INTO clock_alarm (order_id, percent, next_at) SELECT id, 100, now() FROM late
"""
GIVEN = {
    "states": sorted(ON_THE_CLOCK),
    "shop": None,
    "within_h": 24.0,
    "limit": 50,
    "looked_max": 500_000,
    "followed_max": 20_000,
    "hours": 72,
    "resting": [],
    "turned": [],
}


@pytest.fixture
def many(database):
    """30,000 orders that are due one a minute, of which one in a thousand is still in the house."""
    with database.connection() as connection:
        connection.execute(Path(__file__).with_name("many_orders.sql").read_bytes())
        connection.execute(WAITING)
        connection.execute(LATE)
        connection.execute("ANALYZE")
    return database


def scanned(node):
    if node["Node Type"] == "Seq Scan":
        yield node["Relation Name"]
    for child in node.get("Plans", ()):
        yield from scanned(child)


def test_running_clocks_read_no_whole_table_and_come_first_due_first(many):
    with many.transaction() as tx:
        for clock in ClockName:
            query = CLOCK[f"running_{clock}"].decode()
            [[[plan]]] = tx.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}", GIVEN).fetchall()
            whole = [table for table in scanned(plan["Plan"]) if table in {"orders", "fulfillment_order", "package"}]
            assert whole == [], json.dumps(plan, indent=1)
        late = load_running(tx, ClockName.SHIP_BY, GIVEN["states"], shop=None, within_h=24, limit=3)
        assert [row.order_name for row in late] == ["taobao/s1/t1000", "taobao/s2/t2000", "taobao/s1/t1"]
        waiting = load_running(tx, ClockName.SHIP_FROM, GIVEN["states"], shop=None, within_h=None, limit=2)
        assert [row.order_name for row in waiting] == ["taobao/s1/t1000", "taobao/s2/t2000"]
