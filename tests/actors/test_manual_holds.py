"""A person stops an order: it stands still at every step from then on, and only a person lets it go."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import Conflict, Refused
from domain.holds import HoldCode
from domain.states import State
from infra.engine.author import Author
from infra.monitoring.invariants import find_breaches
from infra.queue.bells import BellKey
from infra.tables.fulfillment import NewPart, add_parts
from infra.tables.holds import HOLDS, HoldFilter, list_holds, open_by_person
from infra.tables.lines import Quantity, add_quantities, set_quantities
from ops.faces.terminal.words import WORDS
from ops.verbs.change import Change
from ops.verbs.hold_orders import assign, hold, hold_in, snooze
from ops.verbs.holds import release

LI = Author("li", "the buyer has called")
WANG = Author("wang", "it is settled")
SPARE_S = 0.05


@pytest.fixture
def stocked(merchant):
    merchant.stock(**{"TEE-1": 10})
    return merchant


def order_of(merchant):
    return merchant.one("SELECT min(id) FROM orders")


def stop(merchant, code=HoldCode.MANUAL, **how):
    return hold(merchant.db, order_of(merchant), code, LI, **how)


def go_on(merchant, code=HoldCode.MANUAL):
    return release(merchant.db, order_of(merchant), code, WANG)


def breaches(merchant):
    with merchant.db.connection() as connection:
        return find_breaches(connection)


@pytest.mark.parametrize(
    ("done", "was", "leads_to"),
    [
        ("normalize", "paid", ("review",)),
        ("reserve", "paid", ("review",)),
        ("review", "approved", ("route",)),
        ("route", "allocated", ("label",)),
        ("label", "allocated", ()),
    ],
)
def test_it_stands_still_wherever_it_was_and_goes_on_from_there(stocked, trade, done, was, leads_to):
    stocked.deliver(trade())
    stocked.flow(done)
    booked = len(stocked.courier.waybills)
    held = stop(stocked)
    assert (held.states, held.was, held.left) == (("on_hold",), (was,), ())
    stocked.flow()
    stocked.scan("accepted", "packed")
    assert (stocked.states(), stocked.holds()) == (["on_hold"], ["manual"])
    assert (len(stocked.courier.waybills), stocked.platform.told) == (booked, [])
    released = go_on(stocked)
    assert (released.state, released.due, released.still_held_by) == (was, leads_to, ())
    stocked.flow()
    stocked.scan("accepted", "packed", "handed_over")
    stocked.flow()
    assert (stocked.states(), len(stocked.platform.told), breaches(stocked)) == (["in_transit"], 1, [])


@pytest.mark.parametrize(("scans", "was"), [(["accepted"], "in_warehouse"), (["accepted", "packed"], "packed")])
def test_in_the_warehouse_it_is_held_until_it_has_left(stocked, trade, scans, was):
    stocked.deliver(trade())
    stocked.flow("label")
    stocked.scan(*scans)
    assert stop(stocked).was == (was,)
    assert go_on(stocked).state == was
    stocked.scan("handed_over")
    with pytest.raises(Conflict) as caught:
        stop(stocked)
    assert WORDS.refusal(caught.value) == f"order_left: order {order_of(stocked)} is in_transit"
    assert stocked.holds() == []


def test_what_leaves_against_it_is_told_to_a_person(stocked, trade):
    stocked.deliver(trade())
    stocked.flow("label")
    stocked.scan("accepted", "packed")
    stop(stocked)
    stocked.scan("handed_over")
    stocked.flow()
    assert (stocked.states(), stocked.holds(), stocked.platform.told) == (
        ["on_hold"],
        ["manual", "shipped_elsewhere"],
        [],
    )


def test_an_order_that_is_not_paid_yet_is_held_once_it_is(stocked, trade, unpaid):
    first = trade(tid="1001", **unpaid)
    stocked.deliver(first)
    stocked.flow("normalize")
    assert stop(stocked).states == ("pending_payment",)
    stocked.deliver(trade(tid="1001", modified="2026-11-22 09:30:00"))
    stocked.flow()
    assert (stocked.states(), stocked.holds()) == (["on_hold"], ["manual"])
    go_on(stocked)
    stocked.flow("label")
    assert stocked.states() == ["allocated"]


def test_review_does_not_take_it_back(stocked, trade):
    stocked.deliver(trade(tid="1001"))
    stocked.flow("reserve")
    stop(stocked)
    stocked.run("review")
    stocked.deliver(trade(tid="1001", modified="2026-11-22 09:30:00"))
    stocked.flow("label")
    assert (stocked.states(), stocked.holds()) == (["on_hold"], ["manual"])


def test_control_a_hold_of_the_rules_is_taken_back_by_review(stocked, trade):
    stocked.deliver(trade(tid="1001"))
    stocked.flow("reserve")
    stop(stocked)
    stocked.rows("UPDATE hold SET step = 'review'")
    stocked.run("review")
    assert (stocked.states(), stocked.holds()) == (["approved"], [])


def test_several_holds_stand_beside_each_other(stocked, trade):
    stocked.deliver(trade(receiver_address="待定"))
    stocked.flow("review")
    stop(stocked, HoldCode.MANUAL_FRAUD)
    stop(stocked)
    assert stocked.holds() == ["address_vague", "manual", "manual_fraud"]
    assert release(stocked.db, order_of(stocked), HoldCode.ADDRESS_VAGUE, WANG).still_held_by == (
        "manual",
        "manual_fraud",
    )
    go_on(stocked, HoldCode.MANUAL_FRAUD)
    assert go_on(stocked).due == ("review",)
    stocked.flow("label")
    assert stocked.states() == ["allocated"]


def test_it_is_held_once_with_each_code(stocked, trade):
    stocked.deliver(trade())
    stocked.flow("review")
    stop(stocked)
    with pytest.raises(Conflict, match="hold_open") as caught:
        stop(stocked)
    assert caught.value.facts == {"order": order_of(stocked), "hold": "manual"}


def test_an_order_that_is_over_cannot_be_held(stocked, trade):
    stocked.deliver(trade())
    stocked.flow("normalize")
    stocked.rows("UPDATE fulfillment_order SET state = 'closed', finished_at = now(), closed_reason = 'cancelled'")
    with pytest.raises(Conflict, match="order_ended"):
        stop(stocked)


def test_owner_due_time_and_reason_are_kept(stocked, trade):
    stocked.deliver(trade())
    stocked.flow("review")
    due = datetime(2030, 1, 2, 3, tzinfo=UTC)
    held = stop(stocked, HoldCode.MANUAL_FRAUD, owner="zhao", due_at=due)
    assert (held.owner, held.due_at) == ("zhao", due)
    [row] = stocked.rows("SELECT step, owner, due_at, facts FROM hold")
    assert row == ("person", "zhao", due, {"by": "li", "reason": "the buyer has called"})
    [(kind, step, cause, before, after)] = stocked.rows(
        "SELECT kind, step, cause, from_state, to_state FROM event WHERE step = 'person'"
    )
    assert (kind, step, cause, before, after) == ("hold_opened", "person", "person", "approved", "on_hold")
    [(who, verb, reason, before, after, facts)] = stocked.rows(
        "SELECT who, verb, reason, before, after, facts FROM audit"
    )
    assert (who, verb, reason) == ("li", "order_held", "the buyer has called")
    assert facts == {"code": "manual_fraud", "owner": "zhao", "due_at": due.isoformat()}
    assert before == {"states": ["approved"], "holds": []}
    assert after == {"states": ["on_hold"], "holds": ["manual_fraud"]}


def test_without_them_the_code_decides(stocked, trade):
    stocked.deliver(trade())
    stocked.flow("review")
    assert stop(stocked, HoldCode.MANUAL_FRAUD).owner == "finance"
    assert stocked.one("SELECT extract(epoch FROM due_at - opened_at) / 3600 FROM hold") == 4


class Slow:
    """A real step that waits at its end, with its rows locked, until it may go on."""

    def __init__(self, step):
        self.step, self.inner = step.step, step
        self.inside, self.may_end = threading.Event(), threading.Event()

    def work(self, tx, subject_ids):
        results = self.inner.work(tx, subject_ids)
        self.inside.set()
        self.may_end.wait(SPARE_S)
        return results


def test_a_step_that_has_begun_ends_and_then_it_is_held(stocked, trade):
    stocked.deliver(trade())
    stocked.flow("review")
    runner = stocked.runners["route"]
    slow = Slow(runner.step)

    def act():
        assert slow.inside.wait(20)
        return stop(stocked)

    with ThreadPoolExecutor(1) as threads:
        acting = threads.submit(act)
        replace(runner, step=slow).run(BellKey("route", "bulk", ""))
        held = acting.result(20)
    assert (held.was, stocked.states()) == (("allocated",), ["on_hold"])
    stocked.flow()
    assert stocked.courier.waybills == []


def run_against(merchant, tx_part):
    """Run route while another transaction has done `tx_part` and not committed yet."""
    began = threading.Event()

    def route():
        began.set()
        return merchant.run("route")

    with ThreadPoolExecutor(1) as threads:
        with merchant.db.transaction() as tx:
            tx_part(tx)
            routing = threads.submit(route)
            assert began.wait(20)
            is_over = threading.Event()
            routing.add_done_callback(lambda _: is_over.set())
            waited = not is_over.wait(SPARE_S)
        routing.result(20)
    merchant.flow()
    return waited


def test_a_step_that_begins_meanwhile_waits_and_finds_it_held(stocked, trade):
    stocked.deliver(trade())
    stocked.flow("review")
    assert run_against(stocked, lambda tx: hold_in(Change(tx, LI), order_of(stocked), HoldCode.MANUAL, LI))
    assert (stocked.states(), stocked.one("SELECT count(*) FROM package")) == (["on_hold"], 0)
    assert go_on(stocked).due == ("route",)
    stocked.flow("label")
    assert len(stocked.courier.waybills) == 1


def test_control_a_hold_that_locks_and_moves_nothing_stops_nobody(stocked, trade):
    stocked.deliver(trade())
    stocked.flow("review")
    id_ = stocked.one("SELECT id FROM fulfillment_order")
    how = {"code": "manual", "owner": "li", "due_h": 1, "due_at": None, "facts": {}}
    run_against(stocked, lambda tx: open_by_person(tx, [id_], **how))
    assert len(stocked.courier.waybills) == 1, "labelled though it has a hold"


@pytest.mark.parametrize("ship_on", ["label", "handover"])
def test_a_call_that_is_under_way_is_recorded_and_nothing_follows_from_it(make_merchant, trade, ship_on):
    merchant = make_merchant(ship_on=ship_on)
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(trade())
    merchant.flow("route")
    create = merchant.courier.create

    async def held_meanwhile(booking):
        stop(merchant)
        return await create(booking)

    merchant.courier.create = held_meanwhile
    merchant.flow()
    assert (merchant.states(), merchant.platform.told) == (["on_hold"], [])
    assert merchant.one("SELECT status FROM shipment") == "booked"
    go_on(merchant)
    merchant.flow()
    assert len(merchant.courier.waybills) == 1
    assert len(merchant.platform.told) == (1 if ship_on == "label" else 0)


LINES = ("7001", "7002")
TWO_LINES = {
    "order": [
        {
            "oid": int(oid),
            "num_iid": 600000000001,
            "title": "棉质T恤",
            "num": 1,
            "price": "10.00",
            "payment": "10.00",
            "refund_status": "NO_REFUND",
            "status": "WAIT_SELLER_SEND_GOODS",
            "outer_iid": sku,
        }
        for oid, sku in zip(LINES, ("TEE-1", "TEE-2"), strict=True)
    ]
}
SUMS = {"payment": "20.00", "total_fee": "20.00", "orders": TWO_LINES}


def test_a_part_that_comes_to_be_later_is_held_too(stocked, trade):
    stocked.stock(**{"TEE-2": 10})
    stocked.deliver(trade(tid="1001", **SUMS))
    stocked.flow("review")
    stop(stocked)
    add_part(stocked)
    assert stocked.rows("SELECT code, owner, fulfillment_order_id FROM hold ORDER BY id") == [
        ("manual", "service", 1),
        ("manual", "service", 2),
    ]
    stocked.rows("INSERT INTO work (step, subject_id, lane) VALUES ('review', 2, 'bulk')")
    stocked.flow("label")
    assert stocked.states() == ["on_hold", "on_hold"]
    go_on(stocked)
    assert "manual" not in stocked.holds()


def test_control_of_a_hold_of_the_rules_a_later_part_knows_nothing(stocked, trade):
    stocked.stock(**{"TEE-2": 10})
    stocked.deliver(trade(tid="1001", **SUMS))
    stocked.flow("review")
    stop(stocked)
    stocked.rows("UPDATE hold SET step = 'review'")
    add_part(stocked)
    assert stocked.rows("SELECT fulfillment_order_id FROM hold") == [(1,)]


def add_part(merchant):
    """What a step does that takes the second line into a part of its own."""
    with merchant.db.transaction() as tx:
        [part] = add_parts(tx, [NewPart(1, 1, 1, State.PAID)])
        set_quantities(tx, [Quantity(1, 1, LINES[1], 0)])
        add_quantities(tx, [Quantity(part, 1, LINES[1], 1)])


def test_all_parts_of_an_order_are_held_at_once_but_those_that_have_left(stocked, trade):
    stocked.stock(**{"TEE-2": 10})
    stocked.deliver(trade(tid="1001", **SUMS))
    stocked.flow("review")
    add_part(stocked)
    stocked.rows("UPDATE fulfillment_order SET state = 'in_transit' WHERE id = 1")
    held = stop(stocked)
    assert (held.states, held.was, held.left) == (("on_hold",), ("paid",), ("in_transit",))


def open_list(merchant, **wanted):
    with merchant.db.connection() as connection:
        return list_holds(connection, HoldFilter(**wanted), limit=10)


@pytest.fixture
def held(stocked, trade):
    stocked.deliver(trade())
    stocked.flow("review")
    stop(stocked)
    return stocked


def test_a_hold_is_given_to_somebody(held):
    [one] = open_list(held)
    due = one.seen_at + timedelta(hours=5)
    [done] = assign(held.db, [one.id], "zhao", LI, due_at=due)
    assert (done.owner, done.was_owner, done.due_at, done.was_due_at) == ("zhao", "service", due, one.due_at)
    [now] = open_list(held, owner="zhao")
    assert (now.owner, now.due_at) == ("zhao", due)
    assert open_list(held, owner="service") == []
    [(object_, before, after, facts)] = held.rows(
        "SELECT object, before, after, facts FROM audit WHERE verb = 'hold_assigned'"
    )
    assert object_ == f"hold/{one.id}"
    assert (before["owner"], after["owner"], facts["order_id"]) == ("service", "zhao", one.order_id)
    assert held.one("SELECT facts ->> 'by' FROM event WHERE kind = 'hold_assigned'") == "li"


def test_a_snoozed_hold_reminds_nobody_and_holds_on(held):
    [one] = open_list(held)
    held.rows("UPDATE hold SET due_at = now() - interval '1 hour'")
    until = one.seen_at + timedelta(hours=5)
    snooze(held.db, [one.id], until, LI)
    [now] = open_list(held, is_snoozed=True)
    assert (now.is_snoozed, now.snoozed_until) == (True, until)
    assert open_list(held, is_snoozed=False) == []
    assert expired(held) == []
    held.flow()
    assert held.states() == ["on_hold"]
    snooze(held.db, [one.id], None, LI)
    assert expired(held) == [("service", 1)]


def test_assigning_ends_a_snooze(held):
    [one] = open_list(held)
    snooze(held.db, [one.id], one.seen_at + timedelta(hours=5), LI)
    assign(held.db, [one.id], "zhao", LI)
    assert open_list(held, is_snoozed=False)[0].snoozed_until is None


def expired(merchant):
    with merchant.db.connection() as connection:
        return connection.execute(HOLDS["expired_holds"]).fetchall()


@pytest.mark.parametrize(
    "act", [lambda db, ids: assign(db, ids, "zhao", LI), lambda db, ids: snooze(db, ids, None, LI)]
)
def test_all_or_none_of_several_and_who_was_faster_is_named(held, trade, act):
    [one] = open_list(held)
    held.deliver(trade())
    held.flow("review")
    hold(held.db, held.one("SELECT max(id) FROM orders"), HoldCode.MANUAL, LI)
    [_, other] = open_list(held)
    release(held.db, one.order_id, HoldCode.MANUAL, WANG)
    with pytest.raises(Conflict) as late:
        act(held.db, [other.id, one.id])
    assert WORDS.refusal(late.value).startswith(f"hold_not_open: hold {one.id}: wang released it at 20")
    with pytest.raises(Refused) as unknown:
        act(held.db, [other.id, 99])
    assert WORDS.refusal(unknown.value) == "hold_unknown: there is no hold 99"
    assert [(each.owner, each.snoozed_until) for each in open_list(held)] == [("service", None)]
    assert held.one("SELECT count(*) FROM audit WHERE verb IN ('hold_assigned', 'hold_snoozed')") == 0


def test_two_people_at_one_hold_take_turns(held):
    """The one releases while the other assigns: nobody waits for the other for ever."""
    [one] = open_list(held)
    with ThreadPoolExecutor(2) as threads:
        for _ in range(5):
            acts = [
                threads.submit(lambda: release(held.db, one.order_id, HoldCode.MANUAL, WANG)),
                threads.submit(lambda: assign(held.db, [one.id], "zhao", LI)),
            ]
            assert all(act.exception(20) is None or isinstance(act.exception(20), Conflict) for act in acts)
            held.rows("UPDATE hold SET released_at = NULL, released_by = NULL, released_reason = NULL")
