"""A person releases a hold: the order goes on by itself from where it stood, and nobody asks the same again."""

import pytest

from domain.errors import Conflict
from domain.holds import HoldCode
from domain.outcomes import Hold
from domain.states import State, Step
from infra.engine.replay import Author
from infra.engine.results import Place
from infra.engine.settle import Writes, stop, write
from ops.holds import release

LI = Author("li", "asked the buyer")


@pytest.fixture
def stocked(merchant):
    merchant.stock(**{"TEE-1": 10})
    return merchant


@pytest.fixture
def let_go(stocked):
    def let_go(code):
        return release(stocked.db, stocked.one("SELECT order_id FROM fulfillment_order"), code, LI)

    return let_go


def hold(merchant, code, step):
    """Stop the one fulfillment order where it stands."""
    [(id_, order_id, state, lane)] = merchant.rows("SELECT id, order_id, state, lane FROM fulfillment_order")
    writes = Writes()
    stop(step, Place(id_, lane, order_id, id_, None, State(state)), Hold(code), writes)
    with merchant.db.transaction() as tx:
        write(tx, step, writes)


def test_review_respects_what_a_person_released(stocked, trade, let_go):
    stocked.deliver(trade(receiver_address="待定"))
    stocked.flow(Step.REVIEW)
    assert stocked.holds() == ["address_vague"]
    released = let_go(HoldCode.ADDRESS_VAGUE)
    assert (released.state, released.due, released.still_held_by) == ("paid", ("review",), ())
    stocked.flow(Step.REVIEW)
    assert (stocked.states(), stocked.holds()) == (["approved"], [])
    assert stocked.rows("SELECT who, verb, reason FROM audit") == [("li", "hold_released", LI.reason)]


def test_without_a_person_review_asks_again(stocked, trade):
    stocked.deliver(trade(receiver_address="待定"))
    stocked.flow(Step.REVIEW)
    stocked.rows("UPDATE hold SET released_at = now(), released_by = 'li'")
    stocked.rows("INSERT INTO work (step, subject_id, lane) SELECT 'review', id, 'bulk' FROM fulfillment_order")
    stocked.run(Step.REVIEW)
    assert (stocked.states(), stocked.holds()) == (["on_hold"], ["address_vague"])


def test_new_content_is_asked_again(stocked, trade, let_go):
    first = trade(receiver_address="待定")
    stocked.deliver(first)
    stocked.flow(Step.REVIEW)
    let_go(HoldCode.ADDRESS_VAGUE)
    newer = {**first, "receiver_address": "自提", "modified": "2026-11-22 09:20:00"}
    stocked.deliver(newer)
    stocked.flow(Step.REVIEW)
    assert (stocked.states(), stocked.holds()) == (["on_hold"], ["address_vague"])


def test_the_last_of_several_holds_lets_the_order_go(stocked, trade, let_go):
    stocked.deliver(trade(receiver_address="待定", buyer_message="投诉"))
    stocked.flow(Step.REVIEW)
    first = let_go(HoldCode.ADDRESS_VAGUE)
    assert (first.state, first.still_held_by, first.due) == ("on_hold", ("sensitive_word",), ())
    let_go(HoldCode.SENSITIVE_WORD)
    stocked.flow(Step.REVIEW)
    assert stocked.states() == ["approved"]


def test_short_stock_is_promised_anew_not_waived(stocked, trade, let_go):
    stocked.deliver(trade(pieces=11))
    stocked.flow(Step.REVIEW)
    assert let_go(HoldCode.STOCK_SHORT_PAID).due == ("reserve",)
    stocked.flow(Step.REVIEW)
    assert stocked.holds() == ["stock_short_paid"], "there is still not enough"
    stocked.rows("UPDATE stock_pool SET on_hand = 20")
    let_go(HoldCode.STOCK_SHORT_PAID)
    stocked.flow(Step.REVIEW)
    assert (stocked.states(), stocked.holds()) == (["approved"], [])


def test_a_label_hold_leads_on_to_the_label(stocked, trade, let_go):
    stocked.deliver(trade(tid="1001"))
    stocked.flow(Step.ROUTE)
    stocked.platform.refunds.add("1001")
    stocked.run(Step.LABEL)
    assert (stocked.states(), stocked.holds()) == (["on_hold"], ["refund_requested"])
    stocked.platform.refunds.clear()
    released = let_go(HoldCode.REFUND_REQUESTED)
    assert (released.state, released.due) == ("allocated", ("label",))
    stocked.run(Step.LABEL)
    assert len(stocked.courier.waybills) == 1


def test_a_booked_package_is_not_labelled_again(stocked, trade, let_go):
    stocked.deliver(trade())
    stocked.flow(Step.LABEL)
    hold(stocked, HoldCode.BUYER_CHANGED, Step.NORMALIZE)
    assert stocked.states() == ["on_hold"]
    released = let_go(HoldCode.BUYER_CHANGED)
    assert (released.state, released.due) == ("allocated", ())
    assert stocked.due(Step.LABEL) == []


def test_of_two_people_the_second_is_told_who_was_faster(stocked, trade, let_go):
    stocked.deliver(trade(receiver_address="待定"))
    stocked.flow(Step.REVIEW)
    let_go(HoldCode.ADDRESS_VAGUE)
    with pytest.raises(Conflict, match=r"li released it at"):
        let_go(HoldCode.ADDRESS_VAGUE)
    with pytest.raises(Conflict, match=r"is not held by sensitive_word$"):
        let_go(HoldCode.SENSITIVE_WORD)


def test_a_hold_past_the_door_only_makes_its_side_due(stocked, trade, let_go):
    stocked.deliver(trade())
    stocked.flow(Step.LABEL)
    stocked.scan("handed_over")
    assert stocked.states() == ["in_transit"]
    stocked.rows("UPDATE writeback SET status = 'refused'")
    stocked.rows("DELETE FROM work WHERE step = 'writeback'")
    hold(stocked, HoldCode.WRITEBACK_REFUSED, Step.WRITEBACK)
    released = let_go(HoldCode.WRITEBACK_REFUSED)
    assert (released.state, released.due) == ("in_transit", ("writeback",))
    stocked.run(Step.WRITEBACK)
    assert len(stocked.platform.told) == 1
