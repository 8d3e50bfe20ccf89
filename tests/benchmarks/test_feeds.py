"""The benchmark of feeds plants orders that a warehouse was told of, and reads all that the warehouse has to tell."""

import pytest

from benchmarks.feeds.__main__ import KINDS, catch_up, plant
from infra.config.secret import Secret
from infra.monitoring.invariants import find_breaches
from infra.servers import Connection

ORDERS = 300


@pytest.fixture
def planted(database, database_url):
    stores = Connection(database_url, Secret(""), embedded=True)
    plant(stores, ORDERS)
    return stores


def test_a_backlog_is_read_once_and_nothing_of_it_is_lost(planted, database):
    figures = catch_up(planted, ORDERS)
    assert (figures["events"], figures["lost"]) == (ORDERS * len(KINDS), 0)
    assert (figures["waiting"], figures["unreadable"]) == (0, 0)
    with database.connection() as session:
        states = session.execute("SELECT state, reservation, count(*) FROM fulfillment_order GROUP BY 1, 2").fetchall()
        stock = session.execute("SELECT sum(on_hand), sum(allocated) FROM stock_location").fetchone()
        due = dict(session.execute("SELECT step, count(*) FROM work GROUP BY step").fetchall())
        assert find_breaches(session) == []
    assert states == [("packed", "consumed", ORDERS)]
    assert stock == (0, 0)
    assert due == {"warehouse": 1, "writeback": ORDERS, "track": ORDERS}
    assert figures["calls_per_event"] < 0.01
    assert figures["statements_per_event"] < 0.1
