"""What is read of kept-out orders is bounded, however many there are."""

from collections.abc import Iterator
from typing import Any

import pytest

from infra.tables.take_over import COUNTED_MAX, TAKE_OVER, count_kept_out, waiting_in_watch

KEPT_OUT, LOOKED = 20_000, 1_000
# Shops s1 is live after a watch, s2 is watched. Of the kept-out orders each tenth is shipped. As many orders are live.
_FILL = """
INSERT INTO shop (account, mode, take_over_from, watched_since, live_since)
VALUES ('taobao/s1', 'live', '2026-11-20', '2026-11-01', '2026-11-25'),
    ('taobao/s2', 'watch', NULL, '2026-11-01', NULL);
INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
SELECT 'taobao', 's' || 1 + i %% 2, i::text, 'v', 'pull', 'p1', '' FROM generate_series(1, %(orders)s) AS i;
INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source, member_level,
    currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor, balance_open,
    platform_hold, placed_at, paid_at, changed_at, buyer_id, buyer_memo, seller_memo, seller_flag, received_at)
SELECT 'taobao', shop, platform_order_id, id, CASE WHEN id %% 10 = 0 THEN 'shipped' ELSE 'to_ship' END, 'normal',
    'shelf', 'none', 'CNY', 0, 0, 0, 0, 0, 0, false, false, now(),
    CASE WHEN id %% 100 = 2 THEN '2026-11-21' ELSE '2026-11-10' END::timestamptz, now(), '', '', '', 0, now()
FROM raw_payload ORDER BY id;
INSERT INTO fulfillment_order (order_id, state, lane, closed_reason, finished_at)
SELECT id, CASE WHEN id <= %(kept_out)s THEN 'closed' ELSE 'allocated' END, 'p1',
       CASE WHEN id <= %(kept_out)s THEN 'watched' END, CASE WHEN id <= %(kept_out)s THEN now() END
FROM orders ORDER BY id;
INSERT INTO watch_decision (order_id, outcome, lane, rules, holds, packages)
SELECT id, 'ship', 'p1', '', '[]', '[]' FROM orders WHERE id <= %(kept_out)s;
INSERT INTO package (fulfillment_order_id, number, courier, account, location)
SELECT id, 1, 'sf', 'sf/main', 'east' FROM fulfillment_order WHERE id > %(kept_out)s;
INSERT INTO work (step, subject_id, lane, account, shop)
SELECT 'label', p.id, 'p1', p.account, 'taobao/s' || 1 + p.id %% 2 FROM package AS p ORDER BY p.id LIMIT 10;
INSERT INTO work (step, subject_id, lane, account)
SELECT 'writeback', p.id, 'p1', 'taobao/s2' FROM package AS p LIMIT 3;
"""
_TABLES = ("orders", "raw_payload", "fulfillment_order", "watch_decision", "package", "work", "shop")
# As the orders were counted before: each of them, at each look.
_UNBOUNDED = """
SELECT o.platform || '/' || o.shop, f.closed_reason, count(*) FROM fulfillment_order AS f
JOIN orders AS o ON o.id = f.order_id LEFT JOIN watch_decision AS d ON d.order_id = o.id
WHERE f.closed_reason IN ('not_taken_over', 'watched')
  AND o.platform_state IN ('unpaid', 'hold', 'to_ship', 'part_shipped')
GROUP BY 1, 2
"""
_IDS = list(range(1, LOOKED + 1))
GIVEN: dict[str, dict[str, Any]] = {
    "count_kept_out": {"looked": LOOKED},
    "stretch_of_kept_out": {"after": 5_000, "looked": LOOKED},
    "due_to_begin": {"ids": _IDS},
}
# For one kept-out order: a few pages of the index and the table of each of four tables.
PAGES_EACH = 16


@pytest.fixture
def many(database) -> Iterator[Any]:
    with database.connection() as connection:
        connection.execute("SET statement_timeout = 0")
        # Rows as they are after months, without the triggers and checks of each of them.
        connection.execute("SET session_replication_role = replica")
        named = {"kept_out": KEPT_OUT, "orders": 2 * KEPT_OUT}
        for statement in (_FILL % named).split(";\n"):
            if statement.strip():
                connection.execute(statement.encode())
        connection.execute("SET session_replication_role = origin")
        connection.execute(f"ANALYZE {', '.join(_TABLES)}".encode())
        yield connection


def explain(connection, query, given):
    [[[plan]]] = connection.execute(b"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + query, given)
    return plan["Plan"]


def nodes(plan):
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


def pages(plan):
    return plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]


def whole_tables(plan):
    """Tables that grow with the orders, and that the plan reads from end to end."""
    return {
        node["Relation Name"]
        for node in nodes(plan)
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] not in {"shop", "work"}
    }


@pytest.mark.slow
def test_twenty_thousand_kept_out_orders_are_looked_at_in_stretches(many):
    for name, given in GIVEN.items():
        plan = explain(many, TAKE_OVER[name], given)
        assert whole_tables(plan) == set(), name
        assert pages(plan) < LOOKED * PAGES_EACH, name
        if name != "due_to_begin":
            used = {node.get("Index Name") for node in nodes(plan)}
            assert "fulfillment_order_kept_out" in used, name
    control = explain(many, _UNBOUNDED.encode(), None)
    assert whole_tables(control) >= {"orders"}

    counts = count_kept_out(many)
    assert {(one.account, one.reason, one.is_all) for one in counts} == {
        ("taobao/s1", "watched", False),
        ("taobao/s2", "watched", False),
    }
    # Each tenth order is shipped, and those have even numbers: they are all of one shop.
    assert sorted(one.orders for one in counts) == [COUNTED_MAX * 4 // 10, COUNTED_MAX // 2]
    assert all(one.would_ship == one.orders for one in counts)
    assert {one.is_all for one in count_kept_out(many, KEPT_OUT + 1)} == {True}

    due = many.execute(TAKE_OVER["due_to_begin"], {"ids": list(range(1, KEPT_OUT + 1))}).fetchall()
    of_s1 = many.execute(
        """SELECT id FROM orders WHERE shop = 's1' AND paid_at > '2026-11-20' AND platform_state = 'to_ship'
        AND id <= %s ORDER BY id""",
        (KEPT_OUT,),
    ).fetchall()
    assert due == of_s1
    assert len(due) == KEPT_OUT // 100
    assert (waiting_in_watch(many, "taobao/s2"), waiting_in_watch(many, "taobao/s1")) == (
        {"label": 5, "writeback": 3},
        {},
    )


def test_without_an_ended_watch_nothing_is_looked_at(database):
    with database.connection() as connection:
        connection.execute("INSERT INTO shop (account) VALUES ('taobao/s1')")
        plan = explain(connection, TAKE_OVER["stretch_of_kept_out"], {"after": 0, "looked": LOOKED})
        [kept_out] = [node for node in nodes(plan) if node.get("Relation Name") == "fulfillment_order"]
    assert kept_out["Actual Loops"] == 0
