"""Orders that are stopped after they have left, in whole runs: their parcels come back, and are counted once."""

import os
import signal

import pytest

from actors.stops.asking import StopRequest, ask
from domain.stops import StopAsker, StopCode, StopGoal
from infra.tables.orders import lock_fulfillment
from sandbox.spec import CourierDelays, Dirt

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("runs")]

ORDERS = 30
SPOTLESS = Dirt(presale_open=0, refund_asked=0, vague_address=0, short_stock=0, unpaid=0, closed=0)
# Nothing is delivered while a test runs.
SLOW = CourierDelays(out_s=3_600.0, delivered_s=3_600.0)
LEFT = "SELECT count(*) FROM fulfillment_order WHERE reservation = 'consumed'"
OPEN = "SELECT count(*) FROM stop WHERE status = 'asked'"


def stop_all(demo):
    """A person stops every order that has left; how many."""
    with demo.db.transaction() as tx:
        shops = dict(
            tx.execute(
                "SELECT f.id, o.platform || '/' || o.shop FROM fulfillment_order AS f"
                " JOIN orders AS o ON o.id = f.order_id WHERE f.reservation = 'consumed'"
            ).fetchall()
        )
        requests = [
            StopRequest(
                locked=one,
                shop=shops[one.id],
                asked_by=StopAsker.PERSON,
                author="li",
                code=StopCode.PERSON,
                goal=StopGoal.CLOSE,
            )
            for one in lock_fulfillment(tx, sorted(shops))
        ]
        ask(tx, requests)
    return len(requests)


def test_parcels_come_back_once_though_answers_are_lost_and_a_worker_dies(play, until, finish, count):
    with play(ORDERS, follows=True, dirt=SPOTLESS, courier=SLOW) as demo:
        assert finish(demo).comparison.agrees
        demo.stage.pull("set_courier", lose_answers=5, drop_calls=5, is_nasty=True)
        stopped = stop_all(demo)
        assert stopped == count(demo, LEFT) >= ORDERS
        os.kill(demo.supervisor.pids("worker")[0], signal.SIGKILL)
        until(lambda: count(demo, OPEN) == 0, 180.0)
        until(lambda: count(demo, "SELECT count(*) FROM parcel_return WHERE received_at IS NULL") == 0, 180.0)
        closed = "SELECT count(*) FROM fulfillment_order WHERE state = 'closed' AND closed_reason = 'stopped'"
        until(lambda: count(demo, closed) == stopped, 180.0)
        ledger = demo.stage.read("_ledger")
        back = count(demo, "SELECT coalesce(sum(sellable), 0) FROM parcel_return_line")
        assert back == sum(row["returned"] for row in ledger["stock"]) == sum(row["left"] for row in ledger["stock"])
        assert count(demo, "SELECT count(*) FROM parcel_return_line WHERE sent <> sellable") == 0
        assert count(demo, "SELECT count(*) FROM stop WHERE status = 'stopped'") == stopped
        assert count(demo, "SELECT count(*) FROM dead_letter") == 0
        assert count(demo, "SELECT count(*) FROM order_case WHERE closed_at IS NULL") == 0
        assert count(demo, "SELECT count(*) FROM event WHERE kind = 'move_refused'") == 0


def test_parcels_whose_interception_fails_are_too_late_and_somebodys(play, until, finish, count):
    with play(ORDERS, follows=True, dirt=SPOTLESS, courier=CourierDelays(out_s=20.0, delivered_s=25.0)) as demo:
        assert finish(demo).comparison.agrees
        demo.stage.pull("set_courier", intercepts="fails")
        stopped = stop_all(demo)
        until(lambda: count(demo, OPEN) == 0, 240.0)
        assert count(demo, "SELECT count(*) FROM stop WHERE status = 'too_late'") == stopped
        assert count(demo, "SELECT count(*) FROM order_case WHERE kind = 'stop_too_late'") == stopped
        assert count(demo, "SELECT count(*) FROM parcel_return") == 0
        assert count(demo, "SELECT count(*) FROM dead_letter") == 0
