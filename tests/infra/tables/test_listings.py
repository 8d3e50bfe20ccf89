"""Ten thousand orders that wait for a SKU, among as many that do not: all go on, and each statement has its index."""

from pathlib import Path

import pytest

from actors.orders.waiting_for_skus import STRETCH, send_all_on
from domain.listings import NOTHING, Listing
from infra.tables.listings import (
    LISTINGS,
    count_waiting_for,
    count_wanted,
    drop_entry,
    list_entries,
    list_wanted,
    load_entries,
    lock_entries,
    put_entries,
    unknown_skus,
)
from infra.tables.rows import rows_json

WAITING = 10_000
CUP, MUG, MUG_RED = (
    Listing("taobao", "s1", "cup"),
    Listing("taobao", "s1", "mug"),
    Listing("taobao", "s1", "mug", "red"),
)
NO_LIMIT = "SET statement_timeout = 0"  # twenty thousand rows on a busy machine may take longer than a statement may
PLANT = Path(__file__).with_name("waiting_orders.sql").read_bytes()


@pytest.fixture
def plant(database):
    def plant(waiting, others):
        with database.connection() as connection:
            connection.execute(NO_LIMIT)
            connection.execute(PLANT, {"orders": waiting + others, "waiting": waiting})
            connection.execute("INSERT INTO stock_pool (sku, on_hand) VALUES ('TEE-1', 0), ('CUP-1', 0)")
            connection.execute(
                """INSERT INTO listing_sku (platform, shop, product_id, sku, author)
                   SELECT 'taobao', 's1', g::text, 'X', 'x' FROM generate_series(1, 20000) AS g"""
            )
            connection.execute(
                "VACUUM ANALYZE hold, fulfillment_order, fulfillment_line, order_line, orders, listing_sku"
            )

    return plant


def explain(connection, name, **named):
    connection.execute(NO_LIMIT)
    plan = connection.execute(b"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + LISTINGS[name], named).fetchone()[0][0]
    return plan["Plan"]


def nodes(plan):
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def indexes(plan):
    return {node["Index Name"] for node in nodes(plan) if "Index Name" in node}


def scanned(plan):
    return {node["Relation Name"] for node in nodes(plan) if node["Node Type"] == "Seq Scan"}


def test_ten_thousand_waiting_orders_go_on_in_stretches_of_a_few_statements(plant, database):
    plant(WAITING, WAITING)
    with database.transaction() as tx:
        put_entries(tx, {CUP: "CUP-1"}, "li")
    before = database.counts.statements
    assert send_all_on(database) == WAITING
    assert database.counts.statements - before <= (WAITING // STRETCH + 1) * 14
    with database.connection() as connection:
        due = connection.execute(
            """SELECT count(*), count(*) FILTER (WHERE w.lane = f.lane), count(*) FILTER (WHERE w.due_at <= now())
               FROM work AS w JOIN fulfillment_order AS f ON f.id = w.subject_id WHERE w.step = 'reserve'"""
        ).fetchone()
        assert due == (WAITING, WAITING, WAITING)
        skus = connection.execute("SELECT sku, count(*) FROM order_line WHERE line_id = '2' GROUP BY sku").fetchall()
        assert skus == [("CUP-1", 2 * WAITING)]
    assert send_all_on(database) == 0


def test_each_look_reads_a_stretch_by_its_indexes_whatever_else_is_stored(plant, database):
    plant(WAITING, WAITING)
    with database.transaction() as tx:
        put_entries(tx, {CUP: "CUP-1"}, "li")
    with database.connection() as connection:
        plan = explain(connection, "waiting", after=0, limit=STRETCH)
        assert indexes(plan) == {"hold_sku_unmapped"}
        assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 50
        ids = [row[0] for row in connection.execute(LISTINGS["waiting"], {"after": 0, "limit": STRETCH})]
    with database.transaction() as tx:
        plan = explain(tx, "lock_ready", ids=ids)
        assert scanned(plan) <= {"stock_pool", "work", "dead_letter"}, "tables that are empty here, or hold two rows"
        assert indexes(plan) >= {"fulfillment_order_pkey", "orders_pkey", "order_line_pkey", "listing_sku_pkey"}
        plan = explain(tx, "open_lines", ids=ids)
        assert scanned(plan) <= {"stock_pool"}
        listing = {"platform": "taobao", "shop": "s1", "product_id": "cup", "platform_sku": ""}
        plan = explain(tx, "entries", rows=rows_json([listing]))
        assert (scanned(plan), indexes(plan)) == (set(), {"listing_sku_pkey"})


def test_what_waits_is_counted_by_listing(plant, database):
    plant(30, 5)
    with database.connection() as connection:
        connection.execute(
            "UPDATE order_line SET sku = 'OLD', product_id = 'mug' WHERE line_id = '2' AND order_id %% 3 = 0", []
        )
        found = list_wanted(connection, 10)
        assert [(one.product, one.given, one.orders) for one in found] == [("cup", "", 20), ("mug", "OLD", 10)]
        assert count_wanted(connection) == (2, 30)
        assert [one.product for one in list_wanted(connection, 1)] == ["cup"]
        assert count_waiting_for(connection, [MUG]) == 10
        assert count_waiting_for(connection, [MUG_RED]) == 0


def test_the_map_keeps_the_last_word(database):
    with database.transaction() as tx:
        put_entries(tx, {CUP: "A", MUG: NOTHING, MUG_RED: "R"}, "li")
        put_entries(tx, {CUP: "B"}, "mei")
        assert load_entries(tx, [MUG_RED]) == {MUG: NOTHING, MUG_RED: "R"}
        assert lock_entries(tx, [MUG_RED, CUP]) == {CUP: "B", MUG_RED: "R"}
        first, *others = list_entries(tx, Listing("", "", ""), 10)
        assert (first.sku, first.author, first.is_known, [one.sku for one in others]) == (
            "B",
            "mei",
            False,
            [None, "R"],
        )
        assert [one.variant for one in list_entries(tx, MUG, 10)] == ["red"]
        assert unknown_skus(tx, {"A"}) == {"A"}
        assert (drop_entry(tx, CUP), drop_entry(tx, CUP)) == ("B", None)


def test_nothing_is_asked_for_no_listing(database):
    before = database.counts.statements
    with database.transaction() as tx:
        started = database.counts.statements
        assert (load_entries(tx, []), unknown_skus(tx, [])) == ({}, frozenset())
        assert database.counts.statements == started
    assert before <= started
