"""Orders that came while their shop was watched are begun one by one, once, and what a person holds stays held."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import pytest

from actors.orders.take_over import Adoption, TakeOverDuty
from domain.errors import Conflict
from domain.holds import HoldCode
from domain.take_over import Mode
from infra.engine.author import Author
from infra.monitoring.invariants import find_breaches
from infra.tables.take_over import KeptOutFilter, count_kept_out
from ops.verbs.adopt import adopt_order
from ops.verbs.hold_orders import hold
from ops.verbs.holds import release
from ops.views.kept_out import kept_out_orders
from ops.views.order import view_order
from tests.actors.processes import process_with

# The usual trade is paid at 2026-11-22 01:01 UTC.
PAID = datetime(2026, 11, 22, 1, 1, tzinfo=UTC)
LATER = "2026-11-23 10:00:00"
LI = Author("li", "the buyer is not known")


@pytest.fixture
def watched(merchant):
    """The merchant's process once its shop is watched, with stock."""
    merchant.stock("east", **{"TEE-1": 10})
    return process_with(merchant, Mode.WATCH)


@pytest.fixture
def go_live():
    """The same shop live again. The watch began two days before the usual trade is paid, which is ours."""

    def switch(watched, **how):
        watched.rows("UPDATE shop SET watched_since = %s", PAID - timedelta(days=2))
        return process_with(watched, Mode.LIVE, **{"take_over_from": PAID} | how)

    return switch


@pytest.fixture
def held_unpaid(merchant, trade, unpaid):
    """The process of the watched shop; its only order was held by a person before it was paid."""
    merchant.stock("east", **{"TEE-1": 10})
    merchant.deliver(trade(tid="1001", **unpaid))
    merchant.flow()
    hold(merchant.db, ids(merchant)[0], HoldCode.MANUAL_FRAUD, LI)
    watched = process_with(merchant, Mode.WATCH)
    watched.deliver(trade(tid="1001", modified=LATER))
    watched.flow()
    return watched


def ids(merchant):
    return [row[0] for row in merchant.rows("SELECT id FROM orders ORDER BY id")]


def closed(merchant):
    return merchant.rows("SELECT state, closed_reason FROM fulfillment_order ORDER BY id")


def breaches(merchant):
    with merchant.db.connection() as connection:
        return list(find_breaches(connection))


def settle_hold(merchant, code=HoldCode.MANUAL_FRAUD):
    return release(merchant.db, ids(merchant)[0], code, Author("wang", "it is settled"))


def test_what_a_person_holds_stays_held_through_the_watch_and_after_it(held_unpaid, go_live):
    assert (closed(held_unpaid), held_unpaid.holds()) == ([("closed", "watched")], ["manual_fraud"])
    assert held_unpaid.counters() == (10, 0, 0)
    live = go_live(held_unpaid)
    assert TakeOverDuty(live.db).tend() == 1
    live.flow()
    assert (live.states(), live.holds(), live.courier.bookings) == (["on_hold"], ["manual_fraud"], [])
    assert (live.counters(), breaches(live)) == ((10, 1, 0), [])
    assert settle_hold(live).state == "paid"
    live.flow()
    assert (live.states(), len(live.courier.bookings), breaches(live)) == (["allocated"], 1, [])


def test_what_a_person_holds_stays_held_when_another_person_adopts_it(held_unpaid, go_live):
    live = go_live(held_unpaid, take_over_from=None)
    adopted = adopt_order(live.db, ids(live)[0], Author("wang", "ours"))
    assert (adopted.outcome, adopted.state) == (Adoption.ADOPTED, "on_hold")
    live.flow()
    assert (live.states(), live.courier.bookings) == (["on_hold"], [])


def test_a_hold_that_is_released_while_the_order_is_kept_out_is_over(held_unpaid, go_live):
    assert settle_hold(held_unpaid).state == "closed"
    live = go_live(held_unpaid)
    assert TakeOverDuty(live.db).tend() == 1
    live.flow()
    assert len(live.courier.bookings) == 1


@pytest.mark.parametrize("status", ["WAIT_BUYER_CONFIRM_GOODS", "TRADE_FINISHED", "TRADE_CLOSED"])
def test_nobody_need_look_at_what_others_have_shipped_or_what_is_over(held_unpaid, trade, status):
    held_unpaid.deliver(trade(tid="1001", status=status, modified="2026-11-24 10:00:00"))
    held_unpaid.flow()
    assert held_unpaid.holds() == []


def test_the_rules_take_back_their_holds_of_an_order_that_is_kept_out(merchant, trade, unpaid):
    merchant.stock("east", **{"TEE-1": 10})
    merchant.deliver(trade(tid="1001", **unpaid))
    merchant.flow()
    hold(merchant.db, ids(merchant)[0], HoldCode.MANUAL, LI)
    merchant.rows("UPDATE hold SET step = 'review', code = 'seller_flag'")
    watched = process_with(merchant, Mode.WATCH)
    watched.deliver(trade(tid="1001", modified=LATER))
    watched.flow()
    assert (closed(watched), watched.holds()) == ([("closed", "watched")], [])


def cut_in_two(merchant, state="closed", reason="watched"):
    """A second part of the only order, as one that was planned before its payment."""
    merchant.rows(
        """INSERT INTO fulfillment_order (order_id, number, state, lane, closed_reason, finished_at)
        SELECT order_id, 2, %s, lane, %s, CASE WHEN %s = 'closed' THEN now() END FROM fulfillment_order""",
        state,
        reason,
        state,
    )


def test_an_order_in_two_parts_is_begun_once(watched, trade, go_live):
    watched.deliver(trade(tid="1001", pieces=2))
    watched.flow()
    cut_in_two(watched)
    live = go_live(watched)
    duty = TakeOverDuty(live.db)
    assert [duty.tend(), duty.tend()] == [1, 0]
    assert closed(live) == [("paid", None), ("closed", "nothing_left")]
    live.flow()
    with pytest.raises(Conflict, match="not_kept_out"):
        adopt_order(live.db, ids(live)[0], LI)
    live.flow()
    assert (len(live.courier.bookings), live.counters(), breaches(live)) == (1, (10, 0, 2), [])


def test_what_a_person_holds_of_one_part_the_order_is_held_for(watched, trade, go_live):
    watched.deliver(trade(tid="1001"))
    watched.flow()
    cut_in_two(watched)
    watched.rows(
        """INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at)
        SELECT id, 'manual', 'person', 'service', now() FROM fulfillment_order WHERE number = 2"""
    )
    live = go_live(watched)
    assert TakeOverDuty(live.db).tend() == 1
    live.flow()
    open_holds = "SELECT number, code FROM hold JOIN fulfillment_order AS f ON f.id = fulfillment_order_id"
    assert live.rows(f"{open_holds} WHERE released_at IS NULL") == [(1, "manual")]
    assert (live.states(), live.courier.bookings) == (["on_hold", "closed"], [])


def test_an_order_in_two_parts_counts_once(watched, trade):
    watched.deliver(trade(tid="1001"))
    watched.flow()
    cut_in_two(watched)
    with watched.db.connection() as connection:
        assert [(one.orders, one.would_ship, one.is_all) for one in count_kept_out(connection)] == [(1, 1, True)]
    assert len(kept_out_orders(watched.db, KeptOutFilter())) == 1


@pytest.mark.parametrize("state", ["paid", "allocated", "in_transit"])
def test_an_order_of_which_a_part_is_under_way_is_not_begun_again(watched, trade, go_live, state):
    watched.deliver(trade(tid="1001"))
    watched.flow()
    cut_in_two(watched, state, None)
    live = go_live(watched)
    assert TakeOverDuty(live.db).tend() == 0
    with pytest.raises(Conflict, match="not_kept_out"):
        adopt_order(live.db, ids(live)[0], LI)
    with live.db.connection() as connection:
        assert count_kept_out(connection) == []
    assert kept_out_orders(live.db, KeptOutFilter()) == []


@pytest.fixture
def three(watched, trade, go_live):
    """Three orders that are ours, of a shop that is live again."""
    watched.deliver(*(trade(tid=str(tid)) for tid in (1001, 1002, 1003)))
    watched.flow()
    return go_live(watched)


def break_content(merchant, order_id):
    """Store what no version of the program can read."""
    merchant.rows("UPDATE orders SET order_type = 'unheard of' WHERE id = %s", order_id)


def test_orders_that_cannot_be_begun_keep_no_later_order_waiting(three):
    forget = """INSERT INTO tombstone (platform, shop, platform_order_id, order_id, cause, end_state)
        SELECT platform, shop, platform_order_id, id, 'erased', 'closed' FROM orders WHERE id < %s"""
    three.rows(forget, ids(three)[2])
    duty = TakeOverDuty(three.db, stretch=2)
    assert [duty.tend(), duty.tend(), duty.tend()] == [0, 1, 0]
    assert three.states() == ["closed", "closed", "paid"]


def test_a_round_that_begins_as_many_as_it_may_goes_on_behind_them(three, monkeypatch):
    monkeypatch.setattr("actors.orders.take_over.BEGUN_MAX", 2)
    duty = TakeOverDuty(three.db)
    assert [duty.tend(), duty.tend(), duty.tend()] == [2, 1, 0]


def test_an_order_that_raises_is_held_and_the_others_are_begun(three):
    broken = ids(three)[1]
    break_content(three, broken)
    duty = TakeOverDuty(three.db)
    assert duty.tend() == 2
    assert (three.states(), three.holds()) == (["paid", "closed", "paid"], ["not_begun"])
    assert three.rows("SELECT owner, facts ->> 'error' FROM hold") == [("engineering", "ValueError")]
    assert [duty.tend(), three.one("SELECT count(*) FROM hold")] == [0, 1]
    three.rows("UPDATE orders SET order_type = 'normal'")
    assert "not_begun" in str(view_order(three.db, broken).timeline)
    assert duty.tend() == 0
    release(three.db, broken, HoldCode.NOT_BEGUN, Author("wang", "mended"))
    assert duty.tend() == 1
    three.flow()
    assert (three.states(), three.holds()) == (["allocated"] * 3, [])


def test_a_person_who_adopts_an_order_that_could_not_be_begun_ends_its_hold(three):
    break_content(three, ids(three)[1])
    TakeOverDuty(three.db).tend()
    three.rows("UPDATE orders SET order_type = 'normal'")
    adopt_order(three.db, ids(three)[1], LI)
    three.flow()
    assert (three.states(), three.holds()) == (["allocated"] * 3, [])


def test_an_order_that_somebody_holds_in_the_database_is_begun_later(three):
    duty = TakeOverDuty(type(three.db)(three.db._conninfo, 2, lock_timeout_ms=50))
    with three.db.transaction() as other:
        other.execute("SELECT 1 FROM orders WHERE id = %s FOR UPDATE", (ids(three)[1],))
        assert duty.tend() == 2
    assert three.holds() == []
    assert duty.tend() == 1
    duty.db.close()


def test_a_person_hears_of_an_order_that_raises_and_the_others_are_adopted(three):
    broken = ids(three)[1]
    break_content(three, broken)
    for order_id in ids(three):
        with pytest.raises(ValueError, match="OrderType") if order_id == broken else nullcontext():
            adopt_order(three.db, order_id, LI)
    assert three.states() == ["paid", "closed", "paid"]
    assert three.one("SELECT count(*) FROM audit WHERE verb = 'order_adopted'") == 2
