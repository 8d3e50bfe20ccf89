"""Orders and lines that are not ours to ship: no stock, no label, no hold; open until the platform shows their end."""

from datetime import UTC, datetime, timedelta

import pytest

from infra.engine.worker_lock import PRESENCE_CLASS, Presence
from infra.sweeper.earlier_versions import wake_waiting

LATER = {"modified": "2026-11-22 11:00:00"}
MARKS = [{"is_sh_ship": True}, {"shop_pick": "1"}, {"shipping_type": "virtual"}, {"no_shipping": True}]
SERVICE = {"oid": 90, "num": 1, "price": "9.00", "payment": "9.00", "title": "安装"}


@pytest.fixture
def stocked(merchant):
    merchant.stock(**{"TEE-1": 10, "CAP-1": 10})
    return merchant


@pytest.mark.parametrize("marks", MARKS)
@pytest.mark.parametrize("end", ["TRADE_FINISHED", "TRADE_CLOSED"])
def test_what_is_not_ours_is_followed_to_its_end(stocked, trade, marks, end):
    stocked.deliver(trade(tid="1001", **marks))
    stocked.flow()
    assert (stocked.states(), stocked.holds(), stocked.counters()) == (["paid"], [], (10, 0, 0))
    assert stocked.courier.waybills == []
    assert stocked.rows("SELECT ship_by FROM orders") == [(None,)]
    stocked.deliver(trade(tid="1001", status=end, **marks, **LATER))
    stocked.flow()
    assert stocked.rows("SELECT state, closed_reason FROM fulfillment_order") == [("closed", "not_ours")]
    assert (stocked.holds(), stocked.counters()) == ([], (10, 0, 0))


def test_of_whom_nobody_knows_who_ships_it_the_stock_is_kept_and_the_order_held(stocked, trade):
    stocked.deliver(trade(tid="1001", shipping_type="teleport"))
    stocked.flow()
    assert (stocked.states(), stocked.holds()) == (["on_hold"], ["fulfiller_unknown"])
    assert (stocked.counters(), stocked.courier.waybills) == ((10, 1, 0), [])


def test_cash_on_delivery_is_held_and_has_a_clock(stocked, trade):
    stocked.deliver(trade(tid="1001", type="cod", cod_status="NEW_CREATED", pay_time=None))
    stocked.flow()
    assert (stocked.states(), stocked.holds()) == (["on_hold"], ["cash_on_delivery"])
    [(ship_by,)] = stocked.rows("SELECT ship_by FROM orders")
    assert ship_by == datetime(2026, 11, 24, 1, 0, tzinfo=UTC), "48 hours after its creation"


def test_a_service_beside_the_goods_goes_with_nobody(stocked, trade):
    stocked.deliver(trade(tid="1001", payment="19.00", service_orders=[SERVICE]))
    stocked.flow()
    assert (stocked.states(), stocked.holds()) == (["allocated"], [])
    assert stocked.counters() == (10, 0, 1)
    assert stocked.rows("SELECT line_id FROM package_line") == [("1001",)]


def test_a_payload_that_an_earlier_version_asked_for_is_asked_for_again_once(stocked, trade):
    """Its fields do not say who ships; the platform, asked as we ask now, does."""
    whole = trade(tid="1001")
    stocked.deliver({name: value for name, value in whole.items() if name != "shipping_type"})
    stocked.flow()
    assert stocked.holds() == ["fulfiller_unknown"]
    stocked.platform.trades["1001"] = whole
    for _ in range(2):
        stocked.fall_due()
        stocked.run("pull")
        stocked.flow()
    assert (stocked.states(), stocked.holds()) == (["allocated"], [])
    assert (stocked.platform.asked["fetch 1001"], stocked.rows("SELECT * FROM pull_gap")) == (2, [])


def test_one_that_the_platform_does_not_say_either_is_asked_for_once(stocked, trade):
    stocked.deliver(trade(tid="1001", shipping_type="teleport"))
    for _ in range(3):
        stocked.fall_due()
        stocked.run("pull")
        stocked.flow()
    assert (stocked.platform.asked["fetch 1001"], stocked.holds()) == (1, ["fulfiller_unknown"])


@pytest.mark.parametrize(
    ("marks", "waits"), [({"is_sh_ship": True}, "100 years"), ({"shipping_type": "teleport"}, "5 seconds"), ({}, None)]
)
def test_while_an_earlier_worker_lives_what_it_would_ship_waits_for_its_end(stocked, trade, marks, waits):
    """An unknown one only for the platform to be asked: nearly all of those are ours."""
    earlier = Presence(stocked.db)
    stocked.deliver(trade(tid="1001", **marks))
    stocked.run("normalize")
    due = stocked.rows("SELECT due_at - now() FROM work WHERE step = 'normalize'")
    assert wake_waiting(stocked.db) == 0
    earlier.close()
    # Until the server has let go of its lock.
    stocked.rows(f"SELECT pg_advisory_xact_lock({PRESENCE_CLASS}, {earlier.worker})")
    if waits is None:
        assert (due, stocked.states()) == ([], ["paid"])
        return
    assert stocked.states() == []
    [(left,)] = due
    assert left > timedelta(days=36_000) if waits == "100 years" else left <= timedelta(seconds=5)
    assert wake_waiting(stocked.db) == (1 if waits == "100 years" else 0)


@pytest.mark.parametrize("marks", MARKS)
def test_an_order_that_an_earlier_worker_stored_without_its_fulfiller_is_not_labelled(stocked, trade, marks):
    """An earlier version stores each line as the merchant's; the last look before the label sees whose it is."""
    whole = trade(tid="1001")
    stocked.deliver(whole)
    stocked.flow("route")
    assert stocked.states() == ["allocated"]
    stocked.platform.trades["1001"] = {**whole, **marks}
    stocked.run("label")
    assert stocked.courier.waybills == []
    for _ in range(2):
        stocked.fall_due()
        stocked.flow()
    assert (stocked.courier.waybills, stocked.states(), stocked.holds()) == ([], ["paid"], [])
    assert stocked.counters() == (10, 0, 0)
    [(fulfiller,)] = stocked.rows("SELECT fulfilled_by FROM orders")
    assert fulfiller not in {"merchant", "unknown"}


def test_control_without_the_last_look_the_order_of_others_is_labelled(stocked, trade, monkeypatch):
    async def ask(_self, _one):
        return

    monkeypatch.setattr("actors.orders.last_check.LastCheck.ask", ask)
    whole = trade(tid="1001")
    stocked.deliver(whole)
    stocked.flow("route")
    stocked.platform.trades["1001"] = {**whole, "is_sh_ship": True}
    stocked.run("label")
    assert len(stocked.courier.waybills) == 1
