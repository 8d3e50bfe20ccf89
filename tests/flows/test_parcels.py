"""Parcels of whole runs: whatever the courier does with its events, each order ends where its parcel did."""

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("runs")]

ORDERS = 30
LEFT = "SELECT count(*) FROM fulfillment_order WHERE reservation = 'consumed'"


def test_a_nasty_courier_changes_nothing(play, until, finish, count):
    with play(ORDERS, follows=True) as demo:
        demo.stage.pull("set_courier", is_nasty=True, shows_late_s=0.5)
        outcome = finish(demo)
        assert outcome.comparison.agrees, outcome.summary()
        left = count(demo, LEFT)
        assert left >= 0.9 * ORDERS
        until(lambda: count(demo, f"{LEFT} AND state = 'delivered'") == left)
        assert count(demo, "SELECT count(*) FROM parcel_event WHERE kind = 'other'") == count(
            demo, "SELECT count(DISTINCT package_id) FROM parcel_event"
        )
        assert count(demo, "SELECT count(*) FROM order_case") == 0
        assert count(demo, "SELECT count(*) FROM event WHERE kind = 'move_refused'") == 0
        assert demo.look().is_over


def test_a_courier_that_may_not_be_asked_holds_no_order_and_still_books(play, until, finish, count):
    with play(ORDERS, follows=True) as demo:
        demo.stage.pull("set_courier", can_track=False)
        outcome = finish(demo)
        assert outcome.comparison.agrees, outcome.summary()
        left = count(demo, LEFT)
        until(lambda: count(demo, "SELECT count(*) FROM gate WHERE name = 'sf/main/tracking'") == 1)
        assert count(demo, f"{LEFT} AND state = 'packed'") == left
        assert count(demo, "SELECT count(*) FROM gate WHERE name = 'sf/main'") == 0
        assert count(demo, "SELECT count(*) FROM dead_letter") == 0
        assert count(demo, "SELECT count(*) FROM hold WHERE step = 'track'") == 0
