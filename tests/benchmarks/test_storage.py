import psycopg
import pytest
from psycopg import sql

from benchmarks.floor.recording import Begin, Statement
from benchmarks.storage.__main__ import figures
from benchmarks.storage.measure import Cost
from benchmarks.storage.plans import Plan, examples, explain
from benchmarks.storage.store import FILL, buffers, fill
from infra.config.secret import Secret
from infra.monitoring.invariants import find_breaches
from infra.servers import Connection
from infra.tables.stock import count_in

ORDERS = 60
TABLES = ("raw_payload", "orders", "receiver", "fulfillment_order", "package", "shipment", "writeback", "notice")


def count(connection, table):
    query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
    return connection.execute(query).fetchone()[0]


@pytest.fixture
def stored(database, database_url):
    with database.transaction() as tx:
        tx.execute("INSERT INTO shop (account) VALUES ('taobao/s1'), ('taobao/s2')")
        tx.execute("INSERT INTO location (name) VALUES ('east')")
        count_in(tx, "east", {f"SKU-{number}": 1000 for number in range(7)})
    connection = Connection(database_url, Secret(""), embedded=True)
    fill(connection, ORDERS)
    return connection


def test_stored_orders_are_whole_and_break_no_invariant(stored, database):
    with database.connection() as connection:
        counts = {table: count(connection, table) for table in TABLES}
        shops = connection.execute("SELECT count(DISTINCT shop) FROM orders").fetchone()[0]
        breaches = {breach.name for breach in find_breaches(connection)}

    assert set(counts.values()) == {ORDERS}
    assert shops == 2
    assert breaches == set()


def test_buffers_are_counted(stored, database):
    before = buffers(stored)
    with database.direct() as session:
        session.execute("SELECT count(*) FROM orders")

    assert buffers(stored) > before


def test_a_plan_names_what_it_reads(stored):
    one = Statement(b"/* orders.one */ SELECT * FROM orders WHERE id = %(id)s", {"id": 1})
    every = Statement(b"/* orders.every */ SELECT count(*) FROM event", None)
    twice = Statement(b"/* shop.twice */ INSERT INTO shop (account) VALUES ('taobao/s1')", None)

    plans = explain(stored, examples([Begin(), every, one, one, twice, Statement(b"SELECT 1", None)]))

    assert set(plans) == {"orders.one", "orders.every"}
    assert any("event" in name for name in plans["orders.every"].scans)
    assert plans["orders.one"].buffers > 0
    with psycopg.connect(stored.database_url.reveal()) as session:
        assert session.execute("SELECT count(*) FROM shop").fetchone() == (2,)


def test_ratios_are_of_many_to_few_and_changed_plans_are_named():
    few = Cost(10, 5.0, 200.0, 1, 0.0, {}, {"a": Plan(("a_pkey",), 3), "b": Plan(("b_pkey",), 3)})
    many = Cost(1000, 5.5, 250.0, 1, 0.0, {}, {"a": Plan(("a_pkey",), 4), "b": Plan(("all of b",), 90)})

    found = figures(few, many)

    assert found["statements_1m_vs_10k"] == pytest.approx(1.1)
    assert found["buffers_1m_vs_10k"] == pytest.approx(1.25)
    assert found["changed_plans"] == ["b"]


def test_every_table_of_a_finished_order_is_filled():
    assert len(FILL) == 12
