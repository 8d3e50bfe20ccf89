"""Parcels that a warehouse books for orders that nobody wants any more: each has an owner."""

from adapters.documents import EventPackage
from ops.views.ledgers import our_ledger


def unwanted(merchant):
    return merchant.rows(
        "SELECT kind, owner, facts ->> 'waybill', facts ->> 'courier' FROM order_case ORDER BY facts ->> 'waybill'"
    )


def test_a_parcel_that_a_warehouse_books_for_a_closed_order_is_a_case_of_its_own(booking, tell):
    """Its number stands in no package: without the case nobody would know of the waybill."""
    booking.rows("UPDATE fulfillment_order SET state = 'closed', closed_reason = 'refunded', finished_at = now()")
    boxes_told = (EventPackage("SF1", "sf", 0, (("1001", 2),)), EventPackage("SF2", "sf", 0, (("1002", 1),)))
    tell(("packed", {"packages": boxes_told[:1]}), ("packed", {"packages": boxes_told}))
    tell(("handed_over", {"packages": boxes_told, "is_final": True}))
    kind = "unwanted_parcel"
    assert unwanted(booking) == [(kind, "logistics", "SF1", "sf"), (kind, "logistics", "SF2", "sf")]
    assert booking.rows("SELECT 1 FROM package WHERE cancelled_at IS NULL") == []
    assert our_ledger(booking.db).shown_waybills == {"SF1", "SF2"}


def test_a_parcel_that_a_warehouse_books_after_its_refusal_is_a_case_of_its_own(booking, tell):
    tell(("refused", {"code": "capacity"}))
    tell(("handed_over", {"packages": (EventPackage("SF1", "sf"),), "is_final": True}))
    assert unwanted(booking) == [("unwanted_parcel", "logistics", "SF1", "sf")]


def test_a_parcel_that_a_warehouse_books_during_a_hold_is_known_by_its_event(booking, tell):
    booking.rows("UPDATE fulfillment_order SET state = 'on_hold', resume_state = state")
    tell(("packed", {"packages": (EventPackage("SF1", "sf"),)}))
    assert unwanted(booking) == []
    assert our_ledger(booking.db).shown_waybills == {"SF1"}
