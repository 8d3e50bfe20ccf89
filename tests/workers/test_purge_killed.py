"""A purge that is killed anywhere leaves every order whole or forgotten, and the next one ends what it began."""

import os
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from infra.config.retention import Retention
from infra.process.failpoints import ENVIRONMENT_KEY, PURGE_POINTS
from infra.retention.purge import Purge

pytestmark = pytest.mark.slow

ORDERS = 450
PAGES = 250
PLANT = """
WITH raw AS (
    INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, received_at, body)
    SELECT 'taobao', 's1', g::text, '1', 'pull', 'bulk', now() - interval '1 year', 'somebody'
    FROM generate_series(1, %(orders)s) AS g RETURNING id, platform_order_id
), made AS (
    INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source,
        member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor,
        balance_open, platform_hold, placed_at, changed_at, buyer_id, buyer_memo, seller_memo, seller_flag,
        received_at, created_at)
    SELECT 'taobao', 's1', platform_order_id, id, 'closed', 'normal', 'shelf', 'none', 'CNY', 5, 0, 0, 0, 5, 5,
        false, false, now(), now(), 'somebody', '', '', 0, now(), now() - interval '1 year' FROM raw RETURNING id
), received AS (
    INSERT INTO receiver SELECT id, 'somebody', '', '', '', '', '', '', '', 'plain', '' FROM made
), paged AS (
    INSERT INTO warehouse_page (location, after, body, received_at)
    SELECT 'east', '', 'somebody', now() - interval '1 year' FROM generate_series(1, %(pages)s)
)
INSERT INTO fulfillment_order (order_id, state, lane, finished_at, closed_reason)
SELECT id, 'closed', 'bulk', now() - interval '1 year', 'x' FROM made
"""
STANDS = """
SELECT t.cause IS NOT NULL, c.name = '' AND o.buyer_id = '' AND octet_length(r.body) = 0,
       c.name <> '' AND o.buyer_id <> '' AND octet_length(r.body) > 0, count(*)::int
FROM orders AS o JOIN receiver AS c ON c.order_id = o.id JOIN raw_payload AS r ON r.id = o.raw_payload_id
LEFT JOIN tombstone AS t ON t.order_id = o.id
GROUP BY 1, 2, 3
"""
WHOLE, FORGOTTEN = (False, False, True), (True, True, False)


@pytest.fixture
def planted(database):
    with database.connection() as connection:
        connection.execute(PLANT, {"orders": ORDERS, "pages": PAGES})
    return database


@pytest.fixture
def purge(database_url, redis_url, tmp_path):
    """Purge in a process of its own, killed at a failpoint if one is named; its exit status."""

    def run(point: str | None = None) -> int:
        armed = [{"at": point, "do": "kill"}] if point else []
        environment = {
            **os.environ,
            "ORDERLANE_DATABASE_URL": database_url.reveal(),
            "ORDERLANE_REDIS_URL": redis_url.reveal(),
            ENVIRONMENT_KEY: msgspec.json.encode(armed).decode(),
        }
        command = [sys.executable, "-m", "workers.main", "retention", "purge"]
        with (tmp_path / "purge.log").open("ab") as log:
            return subprocess.run(command, env=environment, stdout=log, stderr=log, check=False).returncode

    return run


def stands(database):
    """Orders by how they stand: (has a tombstone, nothing personal is left, all of it is left)."""
    with database.connection() as connection:
        return Counter({row[:3]: row[3] for row in connection.execute(STANDS).fetchall()})


@pytest.mark.parametrize("point", PURGE_POINTS)
def test_an_order_is_whole_or_forgotten_wherever_it_dies(planted, purge, point):
    for _ in range(2):
        assert purge(point) == -signal.SIGKILL
        found = stands(planted)
        assert found[WHOLE] + found[FORGOTTEN] == ORDERS
        assert (found[FORGOTTEN] > 0) == (point in {"purge.committed", "purge.deleted"})
    assert purge() == 0
    assert stands(planted) == {FORGOTTEN: ORDERS}
    with planted.connection() as connection:
        sums = "SELECT (SELECT sum(payable_minor) FROM orders), (SELECT count(*) FROM warehouse_page)"
        assert connection.execute(sums).fetchone() == (5 * ORDERS, 0)
    assert purge() == 0


def test_two_at_once_forget_each_order_once(planted):
    purges = [Purge(planted, Retention(), batches_max=None, batch=20) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        done = list(threads.map(lambda one: one.run(), purges))
    # What one of them held, the other has passed over: the next round finds it.
    left = Purge(planted, Retention(), batches_max=None).run()
    assert sum(one["persons"] for one in (*done, left)) == ORDERS
    assert sum(one["pages"] for one in (*done, left)) == PAGES
    assert stands(planted) == {FORGOTTEN: ORDERS}
