"""An erasure that is killed leaves each order whole or erased, and the next purge of the sweeper ends it."""

import os
import signal
import subprocess
import sys

import msgspec
import pytest

from infra.config.retention import Retention
from infra.process.failpoints import ENVIRONMENT_KEY, ERASE_POINTS
from infra.retention.purge import Purge
from ops.views.erasures import erasures, show

pytestmark = pytest.mark.slow

ORDERS = 5
PLANT = """
WITH raw AS (
    INSERT INTO raw_payload (platform, shop, platform_order_id, version, source, lane, body)
    SELECT 'taobao', 's1', '500' || g, '1', 'pull', 'bulk', 'somebody' FROM generate_series(1, %(orders)s) AS g
    RETURNING id, platform_order_id
), made AS (
    INSERT INTO orders (platform, shop, platform_order_id, raw_payload_id, platform_state, order_type, source,
        member_level, currency, goods_minor, discount_minor, freight_minor, tax_minor, payable_minor, paid_minor,
        balance_open, platform_hold, placed_at, changed_at, buyer_id, buyer_memo, seller_memo, seller_flag, received_at)
    SELECT 'taobao', 's1', platform_order_id, id, 'closed', 'normal', 'shelf', 'none', 'CNY', 5, 0, 0, 0, 5, 5,
        false, false, now(), now(), 'somebody', '', '', 0, now() FROM raw RETURNING id
), received AS (
    INSERT INTO receiver SELECT id, 'somebody', '', '', '', '', '', '', '', 'plain', '' FROM made
)
INSERT INTO fulfillment_order (order_id, state, lane, finished_at, closed_reason)
SELECT id, 'closed', 'bulk', now(), 'x' FROM made
"""
LEFT = """
SELECT (SELECT count(*) FROM receiver WHERE name <> ''),
       (SELECT count(*) FROM raw_payload WHERE octet_length(body) > 0),
       (SELECT count(*) FROM tombstone WHERE cause = 'erased'),
       (SELECT count(*) FROM erasure_order WHERE done_at IS NULL)
"""


@pytest.mark.parametrize("point", ERASE_POINTS)
def test_it_is_ended_by_the_purge_wherever_it_dies(database, database_url, redis_url, tmp_path, point):
    with database.connection() as connection:
        connection.execute(PLANT, {"orders": ORDERS})
    environment = {
        **os.environ,
        "ORDERLANE_DATABASE_URL": database_url.reveal(),
        "ORDERLANE_REDIS_URL": redis_url.reveal(),
        ENVIRONMENT_KEY: msgspec.json.encode([{"at": point, "do": "kill", "subjects": [3]}]).decode(),
    }
    orders = [f"500{number}" for number in range(1, ORDERS + 1)]
    command = [sys.executable, "-m", "workers.main", "erase", *orders, "--reason", "asked by mail"]
    with (tmp_path / "erase.log").open("ab") as log:
        done = subprocess.run(command, env=environment, stdout=log, stderr=log, check=False)
    assert done.returncode == -signal.SIGKILL

    def left():
        with database.connection() as connection:
            return connection.execute(LEFT).fetchone()

    receivers, bodies, erased, still_open = left()
    assert receivers == bodies == still_open == ORDERS - erased
    assert 0 < erased < ORDERS
    [record] = erasures(database, only_open=True)
    Purge(database, Retention(), batches_max=None).run()
    assert left() == (0, 0, ORDERS, 0)
    ended = show(database, record.id)
    assert ended.done_at is not None
    assert {tuple(sorted(one.rows)) for one in ended.orders} == {("orders", "raw_payload", "receiver")}
