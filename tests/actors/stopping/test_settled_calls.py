"""A call that ends without any effect while its order is being stopped: the stop goes on, and waits for nobody."""

import pytest

from domain.errors import Refused, Transient

NO_EFFECT = [Refused("address_unserviceable"), Transient("courier_busy")]
ENDS = {"label": ["ask_courier"], "dispatch": ["ask_warehouse", "void"]}


@pytest.fixture
def before(merchant, take_orders, first):
    """One order of two pieces, whose next step is the label, or the dispatch."""

    def go(step):
        take_orders()
        merchant.stock(**{"TEE-1": 10})
        merchant.deliver(first)
        merchant.flow({"label": "route", "dispatch": "label"}[step])
        return merchant

    return go


@pytest.fixture
def stop_during(stops, monkeypatch):
    """Let a stop be asked for, and look around, while an outside call runs."""

    def during(outside, call, then):
        real = getattr(outside, call)

        async def stopped_meanwhile(*args, **kwargs):
            if not stops.ends():
                stops.ask()
                stops.merchant.run("stop")
                then()
            return await real(*args, **kwargs)

        monkeypatch.setattr(outside, call, stopped_meanwhile)

    return during


def waited_for(merchant):
    return [row[0] for row in merchant.rows("SELECT facts ->> 'waits_for' FROM event WHERE step = 'stop'") if row[0]]


def is_stopped(merchant, stops):
    assert (merchant.states(), stops.ends(), stops.living()) == (["closed"], ["stopped"], [])
    assert (merchant.counters("TEE-1"), stops.breaches()) == ((10, 0, 0), [])


@pytest.mark.parametrize("error", NO_EFFECT, ids=["refused", "not reached"])
@pytest.mark.parametrize(("step", "call"), [("label", "create"), ("dispatch", "place")])
def test_a_call_that_had_no_effect_lets_the_stop_go_on(before, stops, stop_during, step, call, error):  # noqa: PLR0917 - fixtures
    merchant = before(step)
    outside = merchant.courier if step == "label" else next(iter(merchant.tools.warehouses.values()))
    faults = outside.errors if step == "label" else outside.faults
    stop_during(outside, call, lambda: faults.update({call: [error]}))
    merchant.run(step)
    assert stops.ends() == ["asked"]
    stops.climb()
    assert waited_for(merchant) == ENDS[step]
    is_stopped(merchant, stops)


@pytest.mark.parametrize("step", ["label", "dispatch"])
def test_a_hold_found_at_the_last_moment_lets_the_stop_go_on(before, stops, stop_during, step):
    merchant = before(step)
    merchant.rows("UPDATE shipment SET checked_at = now() - interval '1 day'")
    stop_during(merchant.platform, "fetch", lambda: merchant.platform.refunds.add("1001"))
    merchant.run(step)
    assert "refund_requested" in merchant.holds()
    stops.climb()
    assert waited_for(merchant) == ENDS[step]
    is_stopped(merchant, stops)


def test_a_call_that_may_have_had_an_effect_keeps_the_stop_waiting(before, stops, stop_during):
    merchant = before("label")
    merchant.courier.can_find = False
    stop_during(merchant.courier, "create", lambda: merchant.courier.errors.update(create=[ValueError("odd")]))
    merchant.run("label")
    stops.climb()
    assert (stops.ends(), merchant.courier.asked["create"]) == (["asked"], 1), "nobody knows what the courier has"
