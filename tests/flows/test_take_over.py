"""From watch to live with real processes: a watching worker beside a live one, and kill -9 on both sides."""

import os
import signal
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest

from domain.errors import Conflict
from domain.ledger_check import Verdict
from infra.config.settings import read_settings
from infra.engine.author import Author
from infra.tables.take_over import KeptOutFilter
from ops.verbs.adopt import adopt_order
from ops.views.kept_out import kept_out_orders
from sandbox.spec import Dirt
from workers.release import release
from workers.supervisor import Supervisor, roles, supervised

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("runs")]

ORDERS, SHIPPED_BY_OTHERS, LATER = 50, 10, 6
LI = Author("li", "the other system has stopped")


def configure(demo, **how):
    """Write the settings anew, and read and release them as a restart does."""
    file = demo.stage.settings_file
    tree = msgspec.toml.decode(file.read_bytes())
    for shop in tree["shops"]:
        shop.update(how)
    file.write_bytes(msgspec.toml.encode(tree))
    settings = read_settings(file, {**os.environ, **demo.supervisor.environment})
    release(settings)
    return replace(demo, settings=settings)


def another_house(demo):
    """Workers and a sweeper with the settings as they stand in the file now, beside those that run."""
    ours = demo.supervisor
    beside = Supervisor(roles(demo.settings), ours.environment, None, ours.log_file, drain_s=ours.drain_s)
    return replace(demo, supervisor=beside)


def kill_worker(demo):
    os.kill(demo.supervisor.pids("worker")[0], signal.SIGKILL)


def test_fifty_orders_go_from_watch_to_live_and_none_ships_twice(prepare, until, finish, count):
    with prepare(ORDERS, dirt=Dirt(unpaid=0.1, closed=0.1)) as demo:
        watching = configure(demo, mode="watch")
        with supervised(watching.supervisor):
            stored = "SELECT count(DISTINCT platform_order_id) FROM orders"
            until(lambda: watching.look() and count(watching, stored) >= watching.look().visible >= ORDERS)
            kill_worker(watching)
            ledger = demo.stage.read("_ledger")
            assert (ledger["write_backs"], ledger["waybills"]) == ([], [])
            assert count(watching, "SELECT count(*) FROM fulfillment_order WHERE state <> 'closed'") == 0
            assert count(watching, "SELECT count(*) FROM watch_decision WHERE outcome = 'ship'") > ORDERS / 2
            shipped = ship_by_others(watching)
            outcome = go_live(watching, until, finish, count)
        assert outcome.comparison.agrees, outcome.summary()
        assert outcome.comparison.duplicate_waybills == 0
        assert outcome.comparison.verdicts[Verdict.DONE] >= ORDERS / 2
        ledger = demo.stage.read("_ledger")
        told = Counter(str(row["tid"]) for row in ledger["write_backs"])
        assert set(told.values()) == {1}
        assert not told.keys() & shipped
        labels = "SELECT count(*) FROM package AS p JOIN shipment AS s ON s.package_id = p.id AND s.status = 'booked'"
        assert count(demo, labels) == len([one for one in ledger["waybills"] if one["is_alive"]])
        of_shipped = f"""{labels} JOIN fulfillment_order AS f ON f.id = p.fulfillment_order_id
            JOIN orders AS o ON o.id = f.order_id WHERE o.platform_order_id = ANY(%s)"""
        assert count(demo, of_shipped, sorted(shipped)) == 0


def ship_by_others(demo):
    """The other system ships some orders; the ids of them. Of half of them nobody has read it yet at the switch."""
    open_orders = kept_out_orders(demo.db, KeptOutFilter())
    to_ship = [one.platform_order_id for one in open_orders if one.platform_state == "to_ship"]
    shipped = to_ship[:SHIPPED_BY_OTHERS]
    for tid in shipped:
        demo.stage.pull("ship_by_hand", tid=tid)
    return set(shipped)


def adopt_all(db, order_ids):
    """Adopt what is kept out of some orders; what was adopted before is left as it is."""
    for order_id in order_ids:
        with suppress(Conflict):
            adopt_order(db, order_id, LI)


def go_live(watching, until, finish, count):
    """Live processes beside the watching ones; a person adopts what waits; orders come in; workers are killed."""
    live = another_house(configure(watching, mode="live", take_over_from=datetime.now(UTC)))
    with supervised(live.supervisor):
        chosen = [one.id for one in kept_out_orders(live.db, KeptOutFilter())]
        adopt_all(live.db, chosen[::2])
        shop = live.settings.shops[0].name
        [sku] = [row[0] for row in rows(live, "SELECT sku FROM stock_pool ORDER BY on_hand DESC, sku LIMIT 1")]
        for _ in range(LATER):
            live.stage.pull("add_order", shop=shop, lines=[{"sku": sku}])
        until(lambda: live.look().written_back > 0)
        kill_worker(live)
        kill_worker(watching)
        adopt_all(live.db, chosen)
        watching.supervisor.stop()
        return finish(live)


def rows(demo, query):
    with demo.db.connection() as connection:
        return connection.execute(query).fetchall()
