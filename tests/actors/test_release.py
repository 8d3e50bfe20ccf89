"""A person releases a hold: the order goes on by itself from where it stood, and nobody asks the same again."""

from dataclasses import replace

import pytest

from domain.errors import Conflict, Refused
from domain.holds import HoldCode
from domain.outcomes import Hold
from domain.states import State
from infra.config.rules import load_rules
from infra.engine.author import Author
from infra.engine.results import SubjectRef
from infra.engine.write_outcomes import Writes, stop, write
from ops.faces.terminal.words import WORDS
from ops.verbs.hold_orders import hold as hold_order
from ops.verbs.holds import release

LI = Author("li", "asked the buyer")


@pytest.fixture
def stocked(merchant):
    merchant.stock(**{"TEE-1": 10})
    return merchant


@pytest.fixture
def release_hold(stocked):
    def release_hold(code):
        order_id = stocked.one("SELECT order_id FROM fulfillment_order")
        return release(stocked.db, order_id, code, LI, despite_refund=code is HoldCode.REFUND_REQUESTED)

    return release_hold


def hold(merchant, code, step):
    """Stop the one fulfillment order where it stands."""
    [(id_, order_id, state, lane)] = merchant.rows("SELECT id, order_id, state, lane FROM fulfillment_order")
    writes = Writes()
    stop(step, SubjectRef(id_, lane, order_id, id_, None, State(state)), Hold(code), writes)
    with merchant.db.transaction() as tx:
        write(tx, step, writes)


def test_review_respects_what_a_person_released(stocked, trade, release_hold):
    stocked.deliver(trade(receiver_address="待定"))
    stocked.flow("review")
    assert stocked.holds() == ["address_vague"]
    released = release_hold(HoldCode.ADDRESS_VAGUE)
    assert (released.state, released.due, released.still_held_by) == ("paid", ("review",), ())
    stocked.flow("review")
    assert (stocked.states(), stocked.holds()) == (["approved"], [])
    assert stocked.rows("SELECT who, verb, reason FROM audit") == [("li", "hold_released", LI.reason)]


def test_without_a_person_review_asks_again(stocked, trade):
    stocked.deliver(trade(receiver_address="待定"))
    stocked.flow("review")
    stocked.rows("UPDATE hold SET released_at = now(), released_by = 'li'")
    stocked.rows("INSERT INTO work (step, subject_id, lane) SELECT 'review', id, 'bulk' FROM fulfillment_order")
    stocked.run("review")
    assert (stocked.states(), stocked.holds()) == (["on_hold"], ["address_vague"])


def test_new_content_is_asked_again(stocked, trade, release_hold):
    first = trade(receiver_address="待定")
    stocked.deliver(first)
    stocked.flow("review")
    release_hold(HoldCode.ADDRESS_VAGUE)
    newer = {**first, "receiver_address": "自提", "modified": "2026-11-22 09:20:00"}
    stocked.deliver(newer)
    stocked.flow("review")
    assert (stocked.states(), stocked.holds()) == (["on_hold"], ["address_vague"])


def test_the_last_of_several_holds_lets_the_order_go(stocked, trade, release_hold):
    stocked.deliver(trade(receiver_address="待定", buyer_message="投诉"))
    stocked.flow("review")
    first = release_hold(HoldCode.ADDRESS_VAGUE)
    assert (first.state, first.still_held_by, first.due) == ("on_hold", ("sensitive_word",), ())
    release_hold(HoldCode.SENSITIVE_WORD)
    stocked.flow("review")
    assert stocked.states() == ["approved"]


def test_short_stock_is_promised_anew_not_waived(stocked, trade, release_hold):
    stocked.deliver(trade(pieces=11))
    stocked.flow("review")
    assert release_hold(HoldCode.STOCK_SHORT_PAID).due == ("reserve",)
    stocked.flow("review")
    assert stocked.holds() == ["stock_short_paid"], "there is still not enough"
    stocked.rows("UPDATE stock_pool SET on_hand = 20")
    release_hold(HoldCode.STOCK_SHORT_PAID)
    stocked.flow("review")
    assert (stocked.states(), stocked.holds()) == (["approved"], [])


def test_a_label_hold_leads_on_to_the_label(stocked, trade, release_hold):
    stocked.deliver(trade(tid="1001"))
    stocked.flow("route")
    stocked.platform.refunds.add("1001")
    stocked.run("label")
    assert (stocked.states(), stocked.holds()) == (["on_hold"], ["refund_requested"])
    stocked.platform.refunds.clear()
    released = release_hold(HoldCode.REFUND_REQUESTED)
    assert (released.state, released.due) == ("allocated", ("label",))
    stocked.run("label")
    assert len(stocked.courier.waybills) == 1


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
            "outer_iid": "TEE-1",
        }
        for oid in LINES
    ]
}


@pytest.fixture
def two_lines(trade):
    """A trade of two lines, with those in refund that are named; a later one is the newer content."""

    def build(*refunded, at="10:00:00", **changes):
        lines = [
            line | ({"refund_status": "WAIT_SELLER_AGREE"} if str(line["oid"]) in refunded else {})
            for line in TWO_LINES["order"]
        ]
        whole = {"payment": "20.00", "total_fee": "20.00", "orders": {"order": lines}}
        return trade(tid="1001", modified=f"2026-11-22 {at}", **whole, **changes)

    return build


@pytest.fixture
def shows(stocked, two_lines):
    """What the platform shows of the order from now on."""

    def shows(*refunded, **changes):
        stocked.platform.trades["1001"] = two_lines(*refunded, **changes)

    return shows


@pytest.fixture
def let_pass_at_label(stocked, two_lines, shows, release_hold):
    """The label step found a refund of the first line before any pull did, and a person let it pass."""
    stocked.deliver(two_lines())
    stocked.flow("route")
    shows(LINES[0])
    stocked.run("label")
    assert stocked.rows("SELECT code, facts ->> 'refunds' FROM hold") == [("refund_requested", LINES[0])]
    release_hold(HoldCode.REFUND_REQUESTED)
    return stocked


def test_a_refund_that_a_person_let_pass_is_not_asked_of_again(let_pass_at_label):
    let_pass_at_label.run("label")
    assert (let_pass_at_label.holds(), len(let_pass_at_label.courier.waybills)) == ([], 1)


def test_control_without_the_waiver_the_label_asks_again(let_pass_at_label):
    let_pass_at_label.rows("UPDATE hold SET waived_payload = NULL")
    let_pass_at_label.run("label")
    assert (let_pass_at_label.holds(), let_pass_at_label.courier.waybills) == (["refund_requested"], [])


def test_nor_when_the_pull_brings_the_same_refund(let_pass_at_label, two_lines):
    let_pass_at_label.deliver(two_lines(LINES[0], at="10:05:00"), two_lines(LINES[0], at="10:06:00", seller_memo="ok"))
    let_pass_at_label.run("normalize")
    assert (let_pass_at_label.states(), let_pass_at_label.holds()) == (["allocated"], [])
    let_pass_at_label.run("label")
    assert len(let_pass_at_label.courier.waybills) == 1


def test_another_refund_is_another_fact_for_the_label(let_pass_at_label, shows, release_hold):
    shows(*LINES)
    let_pass_at_label.run("label")
    assert (let_pass_at_label.holds(), let_pass_at_label.courier.waybills) == (["refund_requested"], [])
    release_hold(HoldCode.REFUND_REQUESTED)
    let_pass_at_label.run("label")
    assert len(let_pass_at_label.courier.waybills) == 1


def test_another_refund_is_another_fact_for_the_pull(let_pass_at_label, two_lines):
    let_pass_at_label.deliver(two_lines(*LINES, at="10:05:00"))
    let_pass_at_label.run("normalize")
    assert (let_pass_at_label.states(), let_pass_at_label.holds()) == (["on_hold"], ["refund_requested"])


def test_a_refund_that_was_withdrawn_and_returns_is_another_fact(let_pass_at_label, two_lines):
    for at, refunded in (("10:05:00", [LINES[0]]), ("10:06:00", []), ("10:07:00", [LINES[0]])):
        let_pass_at_label.deliver(two_lines(*refunded, at=at))
        let_pass_at_label.run("normalize")
    assert let_pass_at_label.holds() == ["refund_requested"]


def test_an_order_that_the_platform_closed_after_a_refund_was_let_pass_is_another_fact(let_pass_at_label, shows):
    shows(LINES[0], status="TRADE_CLOSED")
    let_pass_at_label.run("label")
    assert let_pass_at_label.holds() == ["refund_requested"]


def test_what_review_let_pass_the_label_lets_pass_too(stocked, two_lines, shows, release_hold):
    stocked.deliver(two_lines(LINES[0]))
    stocked.flow("review")
    release_hold(HoldCode.REFUND_REQUESTED)
    shows(LINES[0])
    stocked.flow("label")
    assert (stocked.holds(), len(stocked.courier.waybills)) == ([], 1)


def test_a_memo_does_not_ask_review_again(stocked, trade, release_hold):
    first = trade(receiver_address="待定")
    stocked.deliver(first)
    stocked.flow("review")
    release_hold(HoldCode.ADDRESS_VAGUE)
    stocked.deliver({**first, "seller_memo": "asked", "modified": "2026-11-22 09:20:00"})
    stocked.flow("review")
    assert (stocked.states(), stocked.holds()) == (["approved"], [])


def test_a_remote_province_that_a_person_allowed_is_routed(stocked, trade, release_hold):
    object.__setattr__(stocked.tools, "rules", _no_courier_goes_to("浙江"))
    stocked.deliver(trade())
    stocked.flow("route")
    assert (stocked.states(), stocked.holds()) == (["on_hold"], ["remote_courier"])
    released = release_hold(HoldCode.REMOTE_COURIER)
    assert (released.state, released.due) == ("approved", ("route",))
    stocked.run("route")
    assert (stocked.states(), stocked.holds()) == (["allocated"], [])


def _no_courier_goes_to(province):
    rules = load_rules()
    couriers = tuple(replace(courier, serves_remote=False) for courier in rules.routing.couriers)
    return replace(rules, routing=replace(rules.routing, remote_provinces=frozenset({province}), couriers=couriers))


def test_a_booked_package_is_not_labelled_again(stocked, trade, release_hold):
    stocked.deliver(trade())
    stocked.flow("label")
    hold(stocked, HoldCode.SELLER_FLAG, "normalize")
    assert stocked.states() == ["on_hold"]
    released = release_hold(HoldCode.SELLER_FLAG)
    assert (released.state, released.due) == ("allocated", ())
    assert stocked.due("label") == []


def test_of_two_people_the_second_is_told_who_was_faster(stocked, trade, release_hold):
    stocked.deliver(trade(receiver_address="待定"))
    stocked.flow("review")
    release_hold(HoldCode.ADDRESS_VAGUE)
    with pytest.raises(Conflict) as late:
        release_hold(HoldCode.ADDRESS_VAGUE)
    assert "li released it at" in WORDS.refusal(late.value)
    with pytest.raises(Conflict) as never:
        release_hold(HoldCode.SENSITIVE_WORD)
    assert WORDS.refusal(never.value).endswith("is not held by sensitive_word")


def test_a_hold_past_the_door_only_makes_its_side_due(stocked, trade, release_hold):
    stocked.deliver(trade())
    stocked.flow("label")
    stocked.scan("handed_over")
    assert stocked.states() == ["in_transit"]
    stocked.rows("UPDATE writeback SET status = 'refused'")
    stocked.rows("DELETE FROM work WHERE step = 'writeback'")
    hold(stocked, HoldCode.WRITEBACK_REFUSED, "writeback")
    released = release_hold(HoldCode.WRITEBACK_REFUSED)
    assert (released.state, released.due) == ("in_transit", ("writeback",))
    stocked.run("writeback")
    assert len(stocked.platform.told) == 1


def silent_about_refunds(trade, *missing):
    lines = [{name: value for name, value in line.items() if name not in missing} for line in trade["orders"]["order"]]
    return {**trade, "orders": {"order": lines}}


@pytest.mark.parametrize("missing", ["refund_status", "status"])
def test_an_order_that_does_not_say_whether_a_refund_is_open_waits_for_a_person(stocked, trade, release_hold, missing):
    stocked.deliver(silent_about_refunds(trade(tid="1001"), missing))
    stocked.flow("label")
    assert (stocked.states(), stocked.holds(), stocked.courier.waybills) == (["on_hold"], ["refund_unknown"], [])
    [(owner, refunds)] = stocked.rows("SELECT owner, facts ->> 'refunds' FROM hold")
    assert (owner, refunds) == ("service", "1001")
    release_hold(HoldCode.REFUND_UNKNOWN)
    stocked.flow("label")
    assert (stocked.holds(), len(stocked.courier.waybills)) == ([], 1)


@pytest.fixture
def shown_at_label(stocked, trade):
    """Known to have no refund when it was read; at the last moment the platform shows a trade with other lines."""

    def shown(change):
        stocked.platform.trades["1001"] = change(trade(tid="1001"))

    stocked.deliver(trade(tid="1001"))
    stocked.flow("route")
    return shown


def without_its_line(trade):
    [line] = trade["orders"]["order"]
    return {**trade, "orders": {"order": [line | {"oid": 9}]}}


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        (lambda trade: silent_about_refunds(trade, "refund_status"), ["refund_unknown"]),
        (lambda trade: silent_about_refunds(trade, "status"), ["refund_unknown"]),
        (without_its_line, ["buyer_changed", "refund_unknown"]),
    ],
)
def test_the_last_moment_check_takes_silence_for_unknown(stocked, shown_at_label, release_hold, change, codes):
    shown_at_label(change)
    stocked.run("label")
    assert (stocked.states(), stocked.holds(), stocked.courier.waybills) == (["on_hold"], codes, [])
    for code in codes:
        release_hold(HoldCode(code))
    assert (stocked.states(), stocked.holds()) == (["allocated"], [])


def test_control_a_last_moment_check_that_says_it_lets_it_go(stocked, shown_at_label):
    shown_at_label(lambda trade: trade | {"seller_memo": "ok"})
    stocked.run("label")
    assert (stocked.holds(), len(stocked.courier.waybills)) == ([], 1)


def test_control_a_silence_that_is_read_as_no_refund_is_labelled(stocked, shown_at_label, monkeypatch):
    monkeypatch.setattr("domain.review.unknown_refunds_of", lambda _order: frozenset())
    shown_at_label(lambda trade: silent_about_refunds(trade, "refund_status"))
    stocked.run("label")
    assert (stocked.holds(), len(stocked.courier.waybills)) == ([], 1)


def test_a_newer_content_that_falls_silent_stops_the_order(stocked, trade):
    first = trade(tid="1001")
    stocked.deliver(first)
    stocked.flow("route")
    stocked.deliver(silent_about_refunds(first | {"modified": "2026-11-22 09:20:00"}, "refund_status"))
    stocked.run("normalize")
    assert (stocked.states(), stocked.holds()) == (["on_hold"], ["refund_unknown"])
    stocked.run("label")
    assert stocked.courier.waybills == []


def test_a_refused_write_back_keeps_no_order_on_hold(make_merchant, trade):
    """The platform's refusal stands beside the order: what a person released goes on, as it would have without."""
    merchant = make_merchant(ship_on="label")
    merchant.stock(**{"TEE-1": 10})
    merchant.deliver(trade(tid="1001"))
    merchant.flow("label")
    merchant.platform.errors = {"tell": [Refused("closed")]}
    merchant.run("writeback")
    assert (merchant.states(), merchant.holds()) == (["allocated"], ["writeback_refused"])
    order_id = merchant.one("SELECT id FROM orders")
    hold_order(merchant.db, order_id, HoldCode.MANUAL, LI)
    assert merchant.states() == ["on_hold"]
    released = release(merchant.db, order_id, HoldCode.MANUAL, LI)
    assert (released.state, released.still_held_by) == ("allocated", ())
    assert (merchant.states(), merchant.holds()) == (["allocated"], ["writeback_refused"])


def test_a_step_that_stops_orders_keeps_them_on_hold_beside_a_refused_write_back(stocked, trade, release_hold):
    stocked.deliver(trade(receiver_address="待定"))
    stocked.flow("review")
    hold(stocked, HoldCode.WRITEBACK_REFUSED, "writeback")
    released = release_hold(HoldCode.WRITEBACK_REFUSED)
    assert (released.state, released.still_held_by) == ("on_hold", ("address_vague",))
