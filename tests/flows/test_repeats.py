"""The same orders delivered again and again at the same moment: each is one order, one reservation, one package."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from threading import Barrier
from uuid import uuid4

import pytest

from adapters.ports import ListedChange
from domain.order import Lane
from infra.engine.remote import Lease
from infra.queue.bells import BellKey
from workers.wiring import wired_worker

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("runs")]

ORDERS = 6
THREADS = 8
DEADLINE_S = 60.0


def read_window(demo, runtime):
    """Read the shop's whole window and store it, as a puller does that knows nothing of the others."""
    runner = runtime.runners["pull"]
    with demo.db.transaction() as tx:
        shops = [row[0] for row in tx.execute("SELECT id FROM shop")]
        intended = runner.step.intend(tx, shops)
    key = BellKey("pull", Lane.P1, demo.settings.shops[0].account)
    lease = Lease(key, uuid4(), runner.clock.monotonic() + DEADLINE_S)
    answers = runner.event_loop.run(runner.step.call(intended.intents, lease))
    assert [answer.is_whole for answer in answers.values()] == [True]


def fetched(demo, runtime):
    """What the platform answers for each order, as (listed, payload)."""
    runner = runtime.runners["pull"]
    platform = runner.step.tools.platform(demo.settings.shops[0].account)
    return [
        (
            ListedChange(row["tid"], datetime.fromtimestamp(row["modified"], UTC)),
            runner.event_loop.run(platform.fetch(row["tid"])),
        )
        for row in demo.stage.read("_ledger")["ordered"]
    ]


def exported(listed):
    """The same orders in other bytes, as somebody exported them to a file."""
    return [(one, replace(raw, version=raw.version[::-1], body=raw.body + b"\n")) for one, raw in listed]


def test_one_order_one_reservation_one_package(prepare, finish, count):
    start = Barrier(THREADS)
    with prepare(ORDERS, shops=1) as demo:
        with wired_worker(demo.settings) as runtime, ThreadPoolExecutor(THREADS) as threads:
            store, shop = runtime.runners["pull"].step.store, demo.settings.shops[0]
            known = fetched(demo, runtime)
            ways = (
                lambda: read_window(demo, runtime),
                lambda: store(shop, "webhook", known),
                lambda: store(shop, "file", exported(known)),
                lambda: store(shop, "pull", [*known, *known]),
            )

            def race(deliver):
                start.wait()
                deliver()
                for step, lane in product(("normalize", "reserve"), Lane):
                    runtime.runners[step].run(BellKey(step, lane, ""))

            for raced in [threads.submit(race, way) for way in (*ways, *ways)]:
                raced.result()
            assert count(demo, "SELECT count(*) FROM raw_payload") == 2 * ORDERS
        demo.supervisor.start()
        outcome = finish(demo)
        demo.supervisor.stop()
        assert outcome.comparison.agrees, outcome.summary()
        assert outcome.comparison.orders == ORDERS
        assert count(demo, "SELECT count(*) FROM orders") == ORDERS
        assert count(demo, "SELECT count(*) FROM fulfillment_order") == ORDERS
        packages = count(demo, "SELECT count(*) FROM package")
        assert packages == count(demo, "SELECT count(*) FROM shipment") == len(demo.stage.read("_ledger")["waybills"])
        assert packages == count(demo, "SELECT count(*) FROM fulfillment_order WHERE reservation = 'consumed'")
        routed = "SELECT count(*) - count(DISTINCT order_id) FROM event WHERE kind = 'route_moved'"
        assert count(demo, routed) == 0
        miscounted = (
            "SELECT count(*) FROM stock_pool AS s WHERE reserved + allocated <> (SELECT coalesce(sum(quantity), 0)"
            " FROM reservation AS v WHERE v.sku = s.sku AND status IN ('reserved', 'allocated'))"
        )
        assert count(demo, miscounted) == 0
