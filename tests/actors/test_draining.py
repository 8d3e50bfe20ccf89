"""A worker that is told to stop in the middle of a subject begins none of its further calls, and counts no attempt."""

import threading

import pytest

from actors.orders import decrypt_receiver
from actors.orders.decrypt_receiver import reveal
from adapters.ports import Purpose
from infra.engine.remote import NotCalledError
from infra.queue.bells import BellKey
from workers.wiring import make_runners


@pytest.fixture
def told_to_stop():
    return threading.Event()


@pytest.fixture
def house(make_merchant, trade, told_to_stop):
    """One order with its package, and workers that can be told to stop."""
    merchant = make_merchant(ship_on="label")
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(trade(tid="1001"))
    merchant.flow("route")
    merchant.runners = make_runners(merchant.tools, merchant.event_loop, 1_000_000, told_to_stop.is_set)
    return merchant


@pytest.fixture
def stop_during(told_to_stop, monkeypatch):
    """The worker is told to stop while the next such call is under way."""

    def stop_during(port, name):
        call = getattr(port, name)

        async def last(*given):
            told_to_stop.set()
            monkeypatch.setattr(port, name, call)
            return await call(*given)

        monkeypatch.setattr(port, name, last)

    return stop_during


def run_once(house, step):
    """One batch: work that was not called is due again at once."""
    [(lane, account)] = house.rows("SELECT lane, account FROM work WHERE step = %s", step)
    house.runners[step].run(BellKey(step, lane, account))
    return [attempts for _, attempts in house.due(step)]


def test_after_the_last_check_nobody_is_revealed_or_booked(house, stop_during, told_to_stop):
    stop_during(house.platform, "fetch")
    assert run_once(house, "label") == [0]
    assert (house.platform.asked["reveal"], house.courier.asked["create"]) == (0, 0)
    assert house.rows("SELECT call_deadline FROM shipment") == [(None,)], "surely nothing was booked"
    told_to_stop.clear()
    assert run_once(house, "label") == []


def test_after_the_receiver_is_known_nothing_is_booked(house, stop_during):
    stop_during(house.platform, "reveal")
    assert run_once(house, "label") == [0]
    assert (house.platform.asked["reveal"], house.courier.asked["create"]) == (1, 0)


def test_a_booking_that_is_under_way_is_finished(house, stop_during):
    stop_during(house.courier, "create")
    assert run_once(house, "label") == []
    assert house.rows("SELECT status FROM shipment") == [("booked",)]


def test_a_shop_that_was_asked_is_not_told_any_more_and_asked_again(house, stop_during, told_to_stop):
    house.run("label")
    house.rows("UPDATE writeback SET call_deadline = now() - interval '1 second'")
    stop_during(house.platform, "status")
    asked = house.platform.asked["status"]
    assert run_once(house, "writeback") == [0]
    assert (house.platform.asked["status"] - asked, house.platform.told) == (1, [])
    assert house.one("SELECT call_deadline IS NOT NULL FROM writeback"), "an earlier call stays as unclear as it was"
    told_to_stop.clear()
    house.fall_due()
    assert run_once(house, "writeback") == []
    assert house.platform.told == ["SF0001"]


def test_of_many_receivers_no_more_are_asked_for(house, stop_during, told_to_stop, monkeypatch):
    monkeypatch.setattr(decrypt_receiver, "_AT_ONCE", 1)
    stop_during(house.platform, "reveal")
    tokens = {"1": "a", "2": "b", "3": "c"}
    found = house.event_loop.run(reveal(house.tools, "taobao/s1", tokens, Purpose.NOTICE, told_to_stop.is_set))
    assert [isinstance(one, NotCalledError) for one in found.values()] == [False, True, True]
    assert house.platform.asked["reveal"] == 1
