"""The process that works off a bulk act is killed again and again: each order is held once, and none is left out."""

import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from domain.holds import HoldCode
from infra.engine.author import Author
from infra.tables.order_list import OrderFilter
from ops.verbs.bulk_acts import confirm, draft
from ops.verbs.choose import orders_of
from ops.verbs.many import VERBS
from ops.views.bulk_acts import look

pytestmark = pytest.mark.slow

ORDERS = 600
KILLS = 3
DEADLINE_S = 90.0
_SIX = Path(__file__).parent / "cli/six_orders.sql"


@pytest.fixture
def sweeper(database_url, redis_url, tmp_path):
    """A sweeper process of our own, killed at the end."""
    environment = {
        **os.environ,
        "ORDERLANE_DATABASE_URL": database_url.reveal(),
        "ORDERLANE_REDIS_URL": redis_url.reveal(),
    }

    @contextmanager
    def running():
        with (tmp_path / "sweeper.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "workers.sweeper"], env=environment, stdout=log, stderr=log
            )
            try:
                yield
            finally:
                process.kill()
                process.wait()

    return running


def test_a_killed_sweeper_doubles_nothing_and_leaves_nothing_out(database, sweeper):
    many = _SIX.read_text().replace("generate_series(1, 6)", f"generate_series(1, {ORDERS})")
    with database.connection() as connection:
        connection.execute(many.encode())
    chosen = orders_of(database, OrderFilter(lane="bulk"))
    li = Author("li", "the warehouse is being counted")
    bulk = draft(database, VERBS["order.hold"], {"code": HoldCode.MANUAL}, chosen, chosen={}, author=li)
    confirm(database, bulk.id, bulk.token, li)
    pause, ends_at = threading.Event(), time.monotonic() + DEADLINE_S

    def wait_until(is_enough):
        while not is_enough(look(database, bulk.id)):
            assert time.monotonic() < ends_at, look(database, bulk.id)
            pause.wait(0.01)

    for kill in range(KILLS):
        with sweeper():
            wait_until(lambda now: now.items.get("done", 0) > ORDERS * (kill + 1) // (KILLS + 2))  # noqa: B023 - at once
        assert not look(database, bulk.id).is_over
    with sweeper():
        wait_until(lambda now: now.is_over)
    assert look(database, bulk.id).results == {"held": ORDERS}
    with database.connection() as connection:
        acts = connection.execute("SELECT count(*), count(DISTINCT object) FROM audit WHERE verb = 'order_held'")
        assert acts.fetchone() == (ORDERS, ORDERS)
        holds = connection.execute(
            "SELECT count(*) FROM hold JOIN fulfillment_order AS f ON f.id = fulfillment_order_id"
        )
        assert holds.fetchone() == (ORDERS,)
