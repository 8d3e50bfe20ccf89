import json

import pytest

from infra.process import failpoints


@pytest.fixture
def stocked(merchant):
    merchant.stock(**{"TEE-1": 10})
    return merchant


def again(merchant):
    """Review is due once more."""
    merchant.rows("INSERT INTO work (step, subject_id, lane) SELECT 'review', id, 'bulk' FROM fulfillment_order")
    merchant.run("review")


def test_a_clean_order_is_approved_in_its_final_lane_with_its_reasons(stocked, trade):
    stocked.deliver(trade(trade_attr='{"live": 1, "vip": "plus"}'))
    stocked.flow("review")
    assert stocked.rows("SELECT state, lane FROM fulfillment_order") == [("approved", "p0")]
    assert stocked.rows("SELECT lane FROM work WHERE step = 'route'") == [("p0",)]
    [[facts]] = stocked.rows("SELECT facts FROM event WHERE kind = 'review_moved'")
    assert facts["lane"] == "p0"
    assert facts["reasons"]
    assert facts["rules"] == stocked.tools.rules.version


def test_every_reason_is_found_at_once(stocked, trade):
    stocked.deliver(trade(pieces=11, buyer_message="投诉", receiver_address="待定", refund="WAIT_SELLER_AGREE"))
    stocked.flow("review")
    assert stocked.states() == ["on_hold"]
    assert stocked.holds() == ["address_vague", "refund_requested", "sensitive_word", "stock_short_paid"]
    opened = stocked.rows("SELECT facts->>'code' FROM event WHERE kind = 'hold_opened'")
    assert len(opened) == len(set(opened)) == 4, "a hold that is open is not told again"


def test_a_hold_is_released_when_its_reason_is_gone(stocked, trade):
    stocked.deliver(trade(pieces=11))
    stocked.flow("review")
    assert stocked.holds() == ["stock_short_paid"]
    stocked.rows("UPDATE stock_pool SET on_hand = 20")
    stocked.rows("INSERT INTO work (step, subject_id, lane) SELECT 'reserve', id, 'bulk' FROM fulfillment_order")
    stocked.flow("review")
    assert (stocked.states(), stocked.holds()) == (["approved"], [])
    moves = stocked.rows("SELECT from_state, to_state FROM event WHERE kind = 'review_moved' ORDER BY id")
    assert moves == [("paid", "on_hold"), ("on_hold", "paid"), ("paid", "approved")]


def test_a_hold_that_somebody_else_opened_stays(stocked, trade):
    stocked.deliver(trade())
    stocked.flow("reserve")
    stocked.rows(
        """INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at)
           SELECT id, 'dead_letter', 'label', 'engineering', now() FROM fulfillment_order"""
    )
    stocked.run("review")
    assert (stocked.states(), stocked.holds()) == (["on_hold"], ["dead_letter"])
    again(stocked)
    assert (stocked.states(), stocked.holds()) == (["on_hold"], ["dead_letter"])


@pytest.mark.parametrize("resume", ["approved", "allocated", "packed"])
def test_what_was_stopped_after_its_approval_is_not_reviewed(stocked, trade, resume):
    stocked.deliver(trade())
    stocked.flow("reserve")
    stocked.rows("UPDATE fulfillment_order SET state = 'on_hold', resume_state = %s", resume)
    stocked.run("review")
    assert stocked.states() == ["on_hold"]
    assert stocked.due("review") == []


def test_a_review_that_raises_releases_nothing(stocked, trade):
    stocked.deliver(trade(pieces=11))
    stocked.flow("review")
    stocked.rows("UPDATE fulfillment_order SET reservation = 'reserved'")
    failpoints.arm(json.dumps([{"at": "review.decide", "do": "raise"}]))
    try:
        again(stocked)
    finally:
        failpoints.arm("")
    assert stocked.holds() == ["stock_short_paid"]
    assert [attempts for _, attempts in stocked.due("review")] == [1]
