import pytest

LATER = {"modified": "2026-11-22 11:00:00"}
STEP_PAID = {"type": "step", "step_trade_status": "FRONT_PAID_FINAL_NOPAID"}
ALL_PAID = {"type": "step", "step_trade_status": "FRONT_PAID_FINAL_PAID"}


@pytest.fixture
def stocked(merchant):
    merchant.stock(**{"TEE-1": 10, "CAP-1": 10})
    return merchant


def amend(merchant, trade):
    merchant.deliver(trade)
    merchant.run("normalize")


def test_payment_makes_a_waiting_order_paid_and_reviewed(stocked, trade, unpaid):
    stocked.deliver(trade(tid="1001", **unpaid))
    stocked.flow()
    assert stocked.states() == ["pending_payment"]
    assert stocked.counters() == (10, 1, 0)
    stocked.deliver(trade(tid="1001", **LATER))
    stocked.flow("review")
    assert stocked.states() == ["approved"]


def test_a_deposit_holds_until_the_balance_is_paid(stocked, trade, unpaid):
    stocked.deliver(trade(tid="1001", **unpaid))
    stocked.flow()
    amend(stocked, trade(tid="1001", **unpaid, **STEP_PAID, modified="2026-11-22 10:00:00"))
    assert (stocked.states(), stocked.holds()) == (["pending_payment"], ["presale_balance_open"])
    stocked.deliver(trade(tid="1001", **ALL_PAID, **LATER))
    stocked.flow("review")
    assert (stocked.states(), stocked.holds()) == (["approved"], [])
    assert stocked.rows("SELECT released_by FROM hold") == [("review",)]


def test_a_presale_that_comes_in_with_its_deposit_is_freed_by_the_balance(stocked, trade, unpaid):
    stocked.deliver(trade(tid="1001", **unpaid, **STEP_PAID))
    stocked.flow()
    assert (stocked.states(), stocked.holds()) == (["pending_payment"], ["presale_balance_open"])
    stocked.deliver(trade(tid="1001", **ALL_PAID, **LATER))
    stocked.flow("review")
    assert (stocked.states(), stocked.holds()) == (["approved"], [])


@pytest.mark.parametrize("until", ["reserve", "review"])
def test_a_closed_order_gives_its_stock_back(stocked, trade, until):
    stocked.deliver(trade(tid="1001", pieces=4))
    stocked.flow(until)
    assert stocked.counters() == (10, 4, 0)
    stocked.deliver(trade(tid="1001", pieces=4, status="TRADE_CLOSED", **LATER))
    stocked.flow()
    assert stocked.states() == ["closed"]
    assert stocked.counters() == (10, 0, 0)
    assert stocked.rows("SELECT closed_reason FROM fulfillment_order") == [("closed_by_platform",)]
    assert stocked.courier.waybills == []


def test_a_closed_order_leaves_no_hold_for_anybody(merchant, trade):
    merchant.deliver(trade(tid="1001"))
    merchant.flow()
    assert merchant.holds() == ["sku_unmapped"]
    amend(merchant, trade(tid="1001", status="TRADE_CLOSED", **LATER))
    assert (merchant.states(), merchant.holds()) == (["closed"], [])


def test_other_lines_before_the_review_are_reserved_again(stocked, trade):
    stocked.deliver(trade(tid="1001", pieces=2))
    stocked.flow("reserve")
    stocked.deliver(trade(tid="1001", pieces=3, sku="CAP-1", **LATER))
    stocked.flow("route")
    assert stocked.states() == ["allocated"]
    assert (stocked.counters("TEE-1"), stocked.counters("CAP-1")) == ((10, 0, 0), (10, 0, 3))


def test_a_short_order_that_wants_less_now_gets_it(stocked, trade):
    stocked.deliver(trade(tid="1001", pieces=11))
    stocked.flow()
    assert (stocked.states(), stocked.holds()) == (["on_hold"], ["stock_short_paid"])
    stocked.deliver(trade(tid="1001", pieces=9, **LATER))
    stocked.flow("review")
    assert (stocked.states(), stocked.holds()) == (["approved"], [])


@pytest.mark.parametrize(
    ("changes", "hold"),
    [
        ({"refund": "WAIT_SELLER_AGREE"}, "refund_requested"),
        ({"receiver_address": "学院路***"}, "buyer_changed"),
        ({"pieces": 2}, "buyer_changed"),
        ({"seller_memo": "请轻放"}, None),
    ],
)
@pytest.mark.parametrize("until", ["review", "route"])
def test_a_change_after_the_approval_stops_the_order(stocked, trade, changes, hold, until):
    stocked.deliver(trade(tid="1001"))
    stocked.flow(until)
    [before] = stocked.states()
    amend(stocked, trade(tid="1001", **changes, **LATER))
    assert stocked.states()[0] == (before if hold is None else "on_hold")
    assert stocked.holds() == ([] if hold is None else [hold])
    stocked.run("label")
    assert len(stocked.courier.waybills) == (1 if hold is None and until == "route" else 0)


def test_what_has_left_is_not_stopped(stocked, trade):
    stocked.deliver(trade(tid="1001"))
    stocked.flow("label")
    stocked.scan("accepted", "packed", "handed_over")
    amend(stocked, trade(tid="1001", receiver_address="学院路***", **LATER))
    assert (stocked.states(), stocked.holds()) == (["in_transit"], [])
