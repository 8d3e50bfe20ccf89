"""Parcels that have left and that nobody follows are followed by the sweeper's duty."""

from datetime import timedelta

from actors.parcels.unfollowed import UnfollowedParcels
from adapters.ports import TrackEvent
from tests.actors.tracking.conftest import TRACKING, K, event, look


def test_a_hand_over_that_an_earlier_version_stored_is_followed(left, clock):
    merchant = left(orders=2)
    merchant.rows("DELETE FROM work WHERE step = 'track'")
    merchant.rows("UPDATE fulfillment_order SET state = 'in_transit'")
    merchant.rows("UPDATE package SET handed_over_at = now() - interval '40 days' WHERE id = 2")
    merchant.rows("UPDATE package SET handed_over_at = now() - interval '3 hours' WHERE id = 1")
    duty = UnfollowedParcels(merchant.db, merchant.bells, {"sf/main": TRACKING}, 30 * 86_400)
    assert (duty.tend(), duty.tend()) == (1, 0), "the other has been under way for too long"
    assert merchant.rows("SELECT subject_id, account, lane, shop FROM work WHERE step = 'track'") == [
        (1, TRACKING, "bulk", "taobao/s1")
    ]
    clock.now = merchant.one("SELECT now()")
    look(merchant, event(K.COLLECTED, 2), TrackEvent("80", K.DELIVERED, clock.now - timedelta(hours=1)))
    assert merchant.states() == ["delivered", "in_transit"]
    assert UnfollowedParcels(merchant.db, merchant.bells, {}, 30 * 86_400).tend() == 0


def test_parcels_that_left_long_before_any_was_followed_are_left(left):
    merchant = left()
    merchant.rows("DELETE FROM work WHERE step = 'track'")
    merchant.rows("UPDATE package SET handed_over_at = now() - interval '2 days'")
    assert UnfollowedParcels(merchant.db, merchant.bells, {"sf/main": TRACKING}, 30 * 86_400).tend() == 0
