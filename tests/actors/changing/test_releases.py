"""A release never ships what the hold was about."""

import pytest

from domain.errors import Conflict
from domain.holds import HoldCode
from ops.verbs import holds
from ops.verbs.holds import foresee, release
from ops.verbs.stop_orders import stop
from tests.actors.changing.conftest import LI


def let_go(house, code, **how):
    return release(house.db, house.order, code, LI, **how)


@pytest.fixture
def refunded(at_step):
    """An order that waits because the buyer wants the money back."""
    house = at_step("review", refund="WAIT_SELLER_AGREE")
    assert house.merchant.holds() == ["refund_requested"]
    return house


def test_a_refund_is_not_released_like_a_vague_address(refunded):
    with pytest.raises(Conflict, match="refund_open"):
        let_go(refunded, HoldCode.REFUND_REQUESTED)
    assert (refunded.merchant.states(), refunded.audited()) == (["on_hold"], [])


def test_control_without_the_check_a_refunded_order_ships(refunded, monkeypatch):
    monkeypatch.setattr(holds, "may_release", lambda *_, **__: None)
    let_go(refunded, HoldCode.REFUND_REQUESTED)
    refunded.merchant.flow()
    assert refunded.waybills() == ["booked"]


def test_a_refunded_order_ships_by_an_act_of_its_own(refunded):
    let_go(refunded, HoldCode.REFUND_REQUESTED, despite_refund=True)
    refunded.merchant.flow()
    assert refunded.waybills() == ["booked"]
    facts = refunded.merchant.one("SELECT facts FROM audit WHERE verb = 'hold_released'")
    assert facts["despite_refund"] is True


def test_a_refunded_order_is_ended_by_a_stop(refunded):
    stop(refunded.db, refunded.order, LI)
    refunded.stop_runs()
    assert (refunded.merchant.states(), refunded.merchant.holds()) == (["closed"], [])
    assert refunded.merchant.counters() == (10, 0, 0)


def test_an_open_stop_is_not_released(at_step):
    house = at_step("label")
    stop(house.db, house.order, LI)
    with pytest.raises(Conflict, match="stop_open"):
        let_go(house, HoldCode.STOPPING)
    assert house.merchant.states() == ["on_hold"]


@pytest.fixture
def changed(at_step):
    """A labelled order that is held because the buyer has changed the address."""
    house = at_step("label")
    house.merchant.rows("UPDATE fulfillment_order SET state = 'on_hold', resume_state = 'allocated'")
    house.merchant.rows(
        "INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at, facts)"
        " SELECT id, 'buyer_changed', 'normalize', 'service', now(), jsonb_build_object('changed', 'receiver')"
        " FROM fulfillment_order"
    )
    return house


def test_a_label_to_the_former_address_is_never_sent(changed):
    with pytest.raises(Conflict, match="label_outdated") as caught:
        let_go(changed, HoldCode.BUYER_CHANGED)
    assert caught.value.facts["changed"] == "receiver"
    assert changed.merchant.states() == ["on_hold"]


def test_without_a_label_the_changed_order_goes_on(changed):
    changed.merchant.rows("UPDATE shipment SET status = 'voided', voided_at = now()")
    assert let_go(changed, HoldCode.BUYER_CHANGED).state == "allocated"


def test_a_living_waybill_is_cancelled_rather_than_forgotten(changed):
    changed.merchant.rows("UPDATE hold SET code = 'unwanted_waybill'")
    with pytest.raises(Conflict, match="waybill_lives"):
        let_go(changed, HoldCode.UNWANTED_WAYBILL)
    changed.merchant.rows("UPDATE shipment SET void_status = 'refused'")
    assert let_go(changed, HoldCode.UNWANTED_WAYBILL).still_held_by == ()


def test_the_preview_of_many_says_the_same(refunded):
    code = HoldCode.REFUND_REQUESTED
    with refunded.db.transaction() as tx:
        assert foresee(tx, [refunded.order], code, despite_refund=False) == {refunded.order: "refund_open"}
        assert foresee(tx, [refunded.order], code, despite_refund=True) == {refunded.order: "released"}
        assert foresee(tx, [refunded.order], HoldCode.MANUAL, despite_refund=False) == {refunded.order: "hold_not_open"}
