"""What is read for one order does not grow with the orders that are stored."""

import json

import pytest

from infra.tables.lines import LINES

_FILL = """
INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
SELECT 'taobao', 's1', i::text, 'v', 'pull', 'p1', '' FROM generate_series(1, 10000) AS i;
INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source, member_level,
    currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor, balance_open,
    platform_hold, placed_at, changed_at, buyer_id, buyer_memo, seller_memo, seller_flag, received_at)
SELECT 'taobao', 's1', platform_order_id, id, 'to_ship', 'normal', 'shelf', 'none', 'CNY', 0, 0, 0, 0, 0, 0, false,
    false, now(), now(), '', '', '', 0, now() FROM raw_payload;
INSERT INTO fulfillment_order (order_id, state, lane) SELECT id, 'allocated', 'p1' FROM orders;
INSERT INTO order_line (order_id, line_id, product_id, platform_sku, sku, title, quantity, unit_price_minor, paid_minor,
    is_gift, refund_open, refunded, planned)
SELECT id, 'l1', '', '', 'A', '', 2, 0, 0, false, false, false, 2 FROM orders;
INSERT INTO fulfillment_line (fulfillment_order_id, order_id, line_id, quantity, packed)
SELECT id, order_id, 'l1', 2, 2 FROM fulfillment_order;
INSERT INTO package (fulfillment_order_id, number, courier, account, location)
SELECT id, 1, 'sf', 'sf/main', 'east' FROM fulfillment_order;
INSERT INTO package_line (package_id, fulfillment_order_id, order_id, line_id, quantity)
SELECT p.id, f.id, f.order_id, 'l1', 2 FROM package AS p JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id;
ANALYZE raw_payload, orders, fulfillment_order, order_line, fulfillment_line, package, package_line, shipment;
"""
_ONE = {"fulfillment_order_id": 500, "order_id": 500, "line_id": "l1", "quantity": 1}
GIVEN = {
    "load_plan": {"order_ids": [500]},
    "load_shipped": {"order_ids": [500]},
    "set_quantities": {"rows": json.dumps([_ONE])},
}
# A few pages of each index on the way, and what an update writes; the whole index of package lines is more than 50.
PAGES_MAX = 55


@pytest.mark.parametrize("name", GIVEN)
def test_one_order_among_many_is_found_by_indexes(database, name):
    with database.connection() as connection:
        # Rows as they are after years, without the triggers and checks of each of them.
        connection.execute("SET session_replication_role = replica")
        connection.execute(_FILL)
        connection.execute("SET session_replication_role = origin")
        explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {LINES[name].decode()}"
        [[[plan]]] = connection.execute(explain, GIVEN[name])
    assert plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"] < PAGES_MAX
