"""A statement that waits for a lock reads everything else as it was before: lines are read after the lock."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from infra.tables.orders import lock_fulfillment, lock_fulfillment_of_orders
from infra.tables.packages import load_unlabelled
from infra.tables.pool import Database

# Somebody waits for a lock in the database of this test; other tests share the server.
WAITS = """SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"""


@pytest.fixture
def one_order(database):
    """An order of two pieces in one package; (order, fulfillment order, package)."""
    with database.transaction() as tx:
        raw = tx.execute(
            """INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
               VALUES ('taobao', 's1', 'T1', 'v', 'pull', 'p1', '') RETURNING id"""
        ).fetchone()[0]
        order = tx.execute(
            """INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type,
                   source, member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor,
                   paid_minor, balance_open, platform_hold, placed_at, changed_at, buyer_id, buyer_memo, seller_memo,
                   seller_flag, received_at)
               VALUES ('taobao', 's1', 'T1', %s, 'to_ship', 'normal', 'shelf', 'none', 'CNY', 0, 0, 0, 0, 0, 0, false,
                   false, now(), now(), '', '', '', 0, now()) RETURNING id""",
            [raw],
        ).fetchone()[0]
        part = tx.execute(
            "INSERT INTO fulfillment_order (order_id, state, lane) VALUES (%s, 'allocated', 'p1') RETURNING id", [order]
        ).fetchone()[0]
        tx.execute(
            """INSERT INTO order_line (order_id, line_id, product_id, platform_sku, sku, title, quantity,
                   unit_price_minor, paid_minor, is_gift, refund_open, refunded, planned)
               VALUES (%s, 'l1', '', '', 'A', '', 2, 0, 0, false, false, false, 2)""",
            [order],
        )
        tx.execute(
            "INSERT INTO fulfillment_line (fulfillment_order_id, order_id, line_id, quantity) VALUES (%s, %s, 'l1', 2)",
            [part, order],
        )
        package = tx.execute(
            """INSERT INTO package (fulfillment_order_id, number, courier, account, location)
               VALUES (%s, 1, 'sf', 'sf/main', 'east') RETURNING id""",
            [part],
        ).fetchone()[0]
    return order, part, package


def quantities(locked):
    return [one.quantities for one in locked]


READS = {
    "by id": lambda tx, order, part, package: quantities(lock_fulfillment(tx, [part])),
    "of an order": lambda tx, order, part, package: quantities(lock_fulfillment_of_orders(tx, [order])[order]),
    "in a package": lambda tx, order, part, package: [row.lines for row in load_unlabelled(tx, [package])],
}


@pytest.mark.parametrize("read", READS)
def test_whoever_waited_reads_what_the_other_has_left(database: Database, one_order, read):
    order, part, package = one_order

    def wait_and_read():
        with database.transaction() as tx:
            return READS[read](tx, order, part, package)

    with ThreadPoolExecutor(1) as pool, database.connection() as watch:
        with database.transaction() as tx:
            tx.execute("SELECT FROM fulfillment_order WHERE id = %s FOR UPDATE", [part])
            tx.execute("UPDATE fulfillment_line SET quantity = 1, packed = 1 WHERE fulfillment_order_id = %s", [part])
            tx.execute("UPDATE package_line SET quantity = 1 WHERE package_id = %s", [package])
            found = pool.submit(wait_and_read)
            while not watch.execute(WAITS).fetchone():
                assert not found.done()
        assert found.result() == [(("l1", 1),)]


def test_control_a_subselect_of_the_waiting_statement_reads_what_was_there_before(database: Database, one_order):
    _, part, _ = one_order
    stale = """SELECT (SELECT sum(l.quantity) FROM fulfillment_line AS l WHERE l.fulfillment_order_id = f.id)
               FROM fulfillment_order AS f WHERE f.id = %s FOR UPDATE OF f"""

    def wait_and_read():
        with database.transaction() as tx:
            return tx.execute(stale, [part]).fetchone()[0]

    with ThreadPoolExecutor(1) as pool, database.connection() as watch:
        with database.transaction() as tx:
            tx.execute("SELECT FROM fulfillment_order WHERE id = %s FOR UPDATE", [part])
            tx.execute("UPDATE fulfillment_line SET quantity = 1, packed = 1 WHERE fulfillment_order_id = %s", [part])
            found = pool.submit(wait_and_read)
            while not watch.execute(WAITS).fetchone():
                assert not found.done()
        assert found.result() == 2
