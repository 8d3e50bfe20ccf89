"""What the list of orders says of orders whose parcel has left."""

from datetime import timedelta

from ops.views.order_list import WaitsFor
from tests.actors.tracking.conftest import COLLECTED, DAY, DELIVERED, LEFT, SIGNED, K, event, look, waits


def test_a_list_says_that_what_was_handed_over_waits_for_its_courier(left):
    merchant = left()
    merchant.rows("DELETE FROM work WHERE step IN ('writeback', 'notify')")
    assert waits(merchant).kind is WaitsFor.COURIER


def test_a_list_says_that_what_was_delivered_waits_for_its_completion(left, clock):
    merchant = left()
    clock.now = SIGNED + timedelta(minutes=1)
    look(merchant, COLLECTED, DELIVERED)
    merchant.rows("DELETE FROM work WHERE step IN ('writeback', 'notify')")
    assert (waits(merchant).kind, waits(merchant).due_at) == (WaitsFor.COMPLETION, SIGNED + DAY)


def test_a_list_names_the_case_of_what_came_back_and_says_that_nothing_moves_it_once_that_is_closed(left, clock):
    merchant = left()
    merchant.rows("DELETE FROM work WHERE step IN ('writeback', 'notify')")
    clock.now = LEFT + timedelta(hours=50)
    look(merchant, COLLECTED, event(K.RETURNED, 49, "631"))
    assert (merchant.states(), merchant.due("track")) == (["in_transit"], [])
    assert (waits(merchant).kind, waits(merchant).owner, waits(merchant).codes) == (
        WaitsFor.CASE,
        "warehouse",
        ("returned_to_sender",),
    )
    merchant.rows("UPDATE order_case SET closed_at = now(), closed_by = 'li', reason = 'on the shelf'")
    assert merchant.states() == ["in_transit"]
    assert waits(merchant).kind is WaitsFor.AFTER_SALE


def test_a_lost_parcel_whose_case_is_closed_waits_for_its_courier_as_long_as_that_is_asked(left, clock):
    merchant = left()
    merchant.rows("DELETE FROM work WHERE step IN ('writeback', 'notify')")
    clock.now = LEFT + timedelta(hours=50)
    look(merchant, COLLECTED, event(K.LOST, 49))
    assert waits(merchant).codes == ("lost",)
    merchant.rows("UPDATE order_case SET closed_at = now(), closed_by = 'li', reason = 'paid for'")
    assert waits(merchant).kind is WaitsFor.COURIER
    clock.now = LEFT + timedelta(days=31)
    look(merchant)
    merchant.rows("UPDATE order_case SET closed_at = now(), closed_by = 'li', reason = 'paid for'")
    assert waits(merchant).kind is WaitsFor.AFTER_SALE
