"""A hand-over that was scanned while another hold kept the order is known to the stop that is asked for later."""

import pytest


@pytest.fixture
def held(labelled):
    """A labelled order that a hold keeps for another reason, and whose goods are in the house."""
    labelled.rows("UPDATE fulfillment_order SET state = 'on_hold', resume_state = 'allocated'")
    labelled.rows(
        """INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at)
           SELECT id, 'address_vague', 'review', 'service', now() FROM fulfillment_order"""
    )
    return labelled


def climb(merchant, stops):
    for _ in range(3):
        stops.climb()
        stops.fall_due()
        merchant.run("warehouse")


def test_a_parcel_that_left_during_another_hold_is_never_told_as_stopped(held, stops):
    held.courier.can_intercept = True
    held.scan("handed_over")
    assert (held.states(), held.one("SELECT count(*) FROM early_scan")) == (["on_hold"], 1)
    stops.ask()
    stops.climb()
    assert (stops.status(), held.courier.asked["cancel"]) == ([("close", "asked", "intercept")], 0)
    climb(held, stops)
    assert (held.states(), stops.status()) == (["in_transit"], [("close", "asked", "intercept")])
    assert (stops.living(), held.courier.asked["cancel"], held.courier.asked["intercept"]) == (["SF0001"], 0, 1)
    assert (held.counters(), held.rows("SELECT 1 FROM early_scan"), stops.breaches()) == ((8, 0, 0), [], [])


def test_control_what_no_scan_told_of_is_voided(held, stops):
    stops.ask()
    climb(held, stops)
    assert (held.states(), stops.ends(), stops.living()) == (["closed"], ["stopped"], [])
