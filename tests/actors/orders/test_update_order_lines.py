"""What becomes of single lines while their order is under way."""

import dataclasses

import pytest

from actors.orders import update_order
from adapters import registry
from domain.errors import UnknownOutcome
from domain.holds import HoldCode
from domain.order import FulfilledBy
from infra.engine.author import Author
from infra.monitoring.invariants import find_breaches
from ops.verbs.holds import release

LI = Author("li", "asked the buyer")
TEE, CAP = "7001", "7002"
PAID_BACK, ASKED, REFUSED, CLOSED = "SUCCESS", "WAIT_SELLER_AGREE", "SELLER_REFUSE_BUYER", "TRADE_CLOSED"


@pytest.fixture
def said(monkeypatch):
    """Fields of lines that the platform sends beside the fields of the trade, by line id."""
    fields: dict[str, dict] = {}
    known = registry.platform

    def platform(name):
        kind = known(name)

        def read_order(body, shop):
            order = kind.read_order(body, shop)
            lines = tuple(dataclasses.replace(one, **fields.get(one.line_id, {})) for one in order.lines)
            return dataclasses.replace(order, lines=lines)

        return dataclasses.replace(kind, read_order=read_order)

    monkeypatch.setattr(registry, "platform", platform)
    return fields


@pytest.fixture
def lines(trade):
    """A trade of two tees and a cap; `refunds` by line, `only` these lines. A later one is the newer content."""

    def build(at=0, *, refunds=None, only=(TEE, CAP), **changes):
        every = [
            {
                "oid": int(oid),
                "num_iid": 600000000001,
                "title": sku,
                "num": pieces,
                "price": "10.00",
                "payment": f"{10 * pieces}.00",
                "refund_status": (refunds or {}).get(oid, "NO_REFUND"),
                "status": changes.get("status", "WAIT_SELLER_SEND_GOODS"),
                "outer_iid": sku,
            }
            for oid, sku, pieces in ((TEE, "TEE-1", 2), (CAP, "CAP-1", 1))
        ]
        shown = {"order": [one for one in every if str(one["oid"]) in only]}
        whole = {"payment": "30.00", "total_fee": "30.00", "modified": f"2026-11-22 10:{at:02}:00"}
        return trade(tid="1001", **whole | {"orders": shown} | changes)

    return build


@pytest.fixture
def house(merchant):
    merchant.stock(**{"TEE-1": 10, "CAP-1": 10})
    return merchant


def becomes(merchant, trade):
    merchant.deliver(trade)
    merchant.fall_due()
    merchant.run("normalize")


def breaches(merchant):
    with merchant.db.connection() as session:
        return [str(one) for one in find_breaches(session)]


def release_hold(merchant, code):
    order_id, is_refund = merchant.one("SELECT id FROM orders"), code is HoldCode.REFUND_REQUESTED
    return release(merchant.db, order_id, code, LI, despite_refund=is_refund)


def sums(merchant):
    """By line: quantity, planned, cancelled, elsewhere."""
    return {
        row[0]: row[1:]
        for row in merchant.rows(
            "SELECT line_id, quantity, planned, cancelled, elsewhere FROM order_line ORDER BY line_id"
        )
    }


def work(merchant):
    """Steps of fulfillment orders and packages that are due."""
    return [row[0] for row in merchant.rows("SELECT step FROM work WHERE step <> ALL('{pull,pull_cases,warehouse}')")]


def booked(merchant):
    return [booking.contents for booking in merchant.courier.bookings]


@pytest.mark.parametrize("until", ["reserve", "review", "route"])
def test_a_refund_that_was_paid_removes_just_its_line(house, lines, until):
    house.deliver(lines())
    house.flow(until)
    becomes(house, lines(1, refunds={CAP: PAID_BACK}))
    assert (house.holds(), sums(house)) == ([], {TEE: (2, 2, 0, 0), CAP: (1, 0, 1, 0)})
    house.flow()
    house.scan("accepted", "packed", "handed_over")
    house.flow()
    assert (house.states(), booked(house), house.platform.told) == (["in_transit"], [(("TEE-1", 2),)], ["SF0001"])
    assert (house.counters("TEE-1"), house.counters("CAP-1")) == ((8, 0, 0), (10, 0, 0))
    assert breaches(house) == []


@pytest.mark.parametrize("status", ["WAIT_SELLER_SEND_GOODS", CLOSED])
@pytest.mark.parametrize("until", ["reserve", "review", "route"])
def test_an_order_with_no_line_left_closes_and_returns_its_stock(house, lines, until, status):
    house.deliver(lines())
    house.flow(until)
    becomes(house, lines(1, refunds={TEE: PAID_BACK, CAP: PAID_BACK}, status=status))
    house.flow()
    assert (house.states(), house.holds(), house.courier.asked) == (["closed"], [], {})
    reason = "closed_by_platform" if status == CLOSED else "refunded"
    assert house.one("SELECT closed_reason FROM fulfillment_order") == reason
    assert (house.counters("TEE-1"), house.counters("CAP-1")) == ((10, 0, 0), (10, 0, 0))
    assert sums(house) == {TEE: (2, 0, 2, 0), CAP: (1, 0, 1, 0)}
    assert breaches(house) == []


@pytest.mark.parametrize("until", ["review", "route"])
@pytest.mark.parametrize("refund", [ASKED, REFUSED])
def test_a_refund_that_is_asked_or_refused_holds_until_it_is_withdrawn(house, lines, refund, until):
    house.deliver(lines())
    house.flow(until)
    [before] = house.states()
    becomes(house, lines(1, refunds={CAP: refund}))
    assert (house.states(), house.holds()) == (["on_hold"], ["refund_requested"])
    assert sums(house) == {TEE: (2, 2, 0, 0), CAP: (1, 1, 0, 0)}
    becomes(house, lines(2, refunds={CAP: "CLOSED"}))
    assert (house.states(), house.holds()) == ([before], [])
    house.flow()
    assert (booked(house), breaches(house)) == ([(("TEE-1", 2), ("CAP-1", 1))], [])


def test_a_refund_that_is_paid_after_all_releases_the_hold_and_the_rest_goes_on(house, lines):
    house.deliver(lines())
    house.flow("route")
    becomes(house, lines(1, refunds={CAP: ASKED}))
    becomes(house, lines(2, refunds={CAP: PAID_BACK}))
    assert (house.states(), house.holds()) == (["allocated"], [])
    house.flow()
    assert (booked(house), breaches(house)) == ([(("TEE-1", 2),)], [])


def test_a_withdrawn_refund_lets_no_other_hold_go(house, lines):
    house.deliver(lines())
    house.flow("route")
    becomes(house, lines(1, refunds={CAP: ASKED}, receiver_address="学院路***"))
    becomes(house, lines(2, receiver_address="学院路***"))
    assert (house.states(), house.holds()) == (["on_hold"], ["buyer_changed"])
    assert release_hold(house, HoldCode.BUYER_CHANGED).state == "allocated"


@pytest.mark.parametrize("until", ["review", "route"])
def test_a_line_whose_paid_refund_was_withdrawn_is_restored(house, lines, until):
    house.deliver(lines())
    house.flow(until)
    becomes(house, lines(1, refunds={CAP: PAID_BACK}))
    becomes(house, lines(2))
    assert (house.holds(), sums(house)) == ([], {TEE: (2, 2, 0, 0), CAP: (1, 1, 0, 0)})
    for _ in range(2):
        house.flow()
    assert sorted(line for box in booked(house) for line in box) == [("CAP-1", 1), ("TEE-1", 2)]
    assert (house.counters("TEE-1"), house.counters("CAP-1")) == ((10, 0, 2), (10, 0, 1))
    assert (house.holds(), breaches(house)) == ([], [])


def test_what_came_back_under_a_hold_is_reserved_again_after_it(house, lines):
    house.deliver(lines())
    house.flow("review")
    becomes(house, lines(1, refunds={CAP: PAID_BACK, TEE: ASKED}))
    becomes(house, lines(2, refunds={TEE: ASKED}))
    assert (house.states(), house.holds()) == (["on_hold"], ["refund_requested"])
    becomes(house, lines(3))
    assert (house.states(), house.holds()) == (["paid"], [])
    house.flow()
    assert (booked(house), breaches(house)) == ([(("TEE-1", 2), ("CAP-1", 1))], [])


def test_what_comes_back_and_releases_its_hold_at_once_is_reserved_again(house, lines):
    house.deliver(lines())
    house.flow("review")
    becomes(house, lines(1, refunds={CAP: PAID_BACK, TEE: ASKED}))
    becomes(house, lines(2))
    assert (house.states(), house.holds()) == (["paid"], [])
    house.flow()
    assert (booked(house), breaches(house)) == ([(("TEE-1", 2), ("CAP-1", 1))], [])


@pytest.mark.parametrize("refunds", [{CAP: PAID_BACK}, {TEE: PAID_BACK, CAP: PAID_BACK}])
def test_a_refund_paid_after_the_label_stops_what_it_is_for(house, lines, refunds):
    house.deliver(lines())
    house.flow("label")
    becomes(house, lines(1, refunds=refunds))
    assert (house.states(), house.holds()) == (["on_hold"], ["stopping"])
    assert sums(house) == {TEE: (2, 2, 0, 0), CAP: (1, 1, 0, 0)}, "what has a label stays in its box"
    becomes(house, lines(2, refunds=refunds, seller_memo="seen"))
    assert (house.holds(), house.one("SELECT count(*) FROM stop"), breaches(house)) == (["stopping"], 1, [])
    house.end_stops()
    house.flow()
    left = [] if TEE in refunds else [(("TEE-1", 2),)]
    assert (booked(house)[1:], house.holds(), breaches(house)) == (left, [], [])
    assert [one.alive for one in house.courier.waybills] == [False, *(True for _ in left)]


def test_a_refund_asked_for_after_the_label_waits_without_a_waybill_and_may_be_withdrawn(house, lines):
    house.deliver(lines())
    house.flow("label")
    becomes(house, lines(1, refunds={CAP: ASKED}))
    house.end_stops()
    assert [one for one in house.courier.waybills if one.alive] == []
    house.flow("review")
    assert (house.states(), house.holds()) == (["on_hold"], ["refund_requested"])
    becomes(house, lines(2))
    house.flow()
    assert (house.states(), house.holds(), breaches(house)) == (["allocated"], [], [])
    assert sum(one.alive for one in house.courier.waybills) == 1


def test_an_order_closed_after_the_label_is_stopped(house, lines):
    house.deliver(lines())
    house.flow("label")
    gone = {"refunds": {TEE: PAID_BACK, CAP: PAID_BACK}, "status": CLOSED}
    becomes(house, lines(1, **gone))
    assert (house.states(), house.holds()) == (["on_hold"], ["stopping"])
    house.end_stops()
    assert (house.states(), house.holds(), breaches(house)) == (["closed"], [], [])


def test_a_missing_line_is_held_and_its_pieces_wait(house, lines):
    house.deliver(lines())
    house.flow("route")
    becomes(house, lines(1, only=(TEE,), payment="20.00", total_fee="20.00"))
    assert "refund_unknown" in house.holds()
    assert house.rows("SELECT facts ->> 'refunds' FROM hold WHERE code = 'refund_unknown'") == [(CAP,)]
    assert sums(house) == {TEE: (2, 2, 0, 0), CAP: (1, 1, 0, 0)}
    becomes(house, lines(2))
    assert "refund_unknown" not in house.holds()
    assert house.rows("SELECT bool_or(is_missing) FROM order_line") == [(False,)]


def test_what_somebody_else_has_shipped_is_left_out_after_a_person_has_looked(house, lines, said):
    house.deliver(lines())
    house.flow("route")
    said[TEE] = {"shipped": 2, "waybill": "YTO1"}
    becomes(house, lines(1))
    assert (house.states(), house.holds()) == (["on_hold"], ["shipped_elsewhere"])
    assert house.one("SELECT facts ->> 'lines' FROM hold") == TEE
    assert sums(house) == {TEE: (2, 0, 0, 2), CAP: (1, 1, 0, 0)}
    release_hold(house, HoldCode.SHIPPED_ELSEWHERE)
    house.flow("label")
    house.scan("accepted", "packed", "handed_over")
    house.flow()
    assert booked(house) == [(("CAP-1", 1),)]
    assert [shipment.line_ids for shipment in house.platform.shipments["1001"]] == [(CAP,)]
    assert (house.counters("TEE-1"), house.counters("CAP-1")) == ((10, 0, 0), (9, 0, 0))
    assert (house.states(), breaches(house)) == (["in_transit"], [])


def test_another_line_shipped_by_somebody_else_is_another_fact(house, lines, said):
    house.deliver(lines())
    house.flow("route")
    said[TEE] = {"shipped": 2, "waybill": "YTO1"}
    becomes(house, lines(1))
    release_hold(house, HoldCode.SHIPPED_ELSEWHERE)
    becomes(house, lines(2, seller_memo="ok"))
    assert house.holds() == []
    said[CAP] = {"shipped": 1, "waybill": "YTO2"}
    becomes(house, lines(3))
    assert house.holds() == ["shipped_elsewhere"]


@pytest.mark.parametrize("until", ["reserve", "review", "route"])
def test_an_order_that_somebody_else_has_shipped_whole_closes_after_a_person_has_looked(house, lines, said, until):
    house.deliver(lines())
    house.flow(until)
    said |= {TEE: {"shipped": 2, "waybill": "YTO1"}, CAP: {"shipped": 1, "waybill": "YTO1"}}
    becomes(house, lines(1, status="WAIT_BUYER_CONFIRM_GOODS"))
    house.flow("review")
    assert (house.states(), house.holds()) == (["on_hold"], ["shipped_elsewhere"])
    release_hold(house, HoldCode.SHIPPED_ELSEWHERE)
    house.flow()
    assert (house.states(), house.courier.asked) == (["closed"], {})
    assert house.one("SELECT closed_reason FROM fulfillment_order") == "nothing_left"
    assert (house.counters("TEE-1"), house.counters("CAP-1")) == ((10, 0, 0), (10, 0, 0))
    assert (sums(house), breaches(house)) == ({TEE: (2, 0, 0, 2), CAP: (1, 0, 0, 1)}, [])


def test_what_the_platform_shows_under_our_number_is_ours(house, lines, said):
    house.deliver(lines())
    house.flow("label")
    said |= {TEE: {"shipped": 2, "waybill": "SF0001"}, CAP: {"shipped": 1, "waybill": "SF0001"}}
    becomes(house, lines(1, status="WAIT_BUYER_CONFIRM_GOODS"))
    assert (house.states(), house.holds()) == (["allocated"], [])
    assert sums(house) == {TEE: (2, 2, 0, 0), CAP: (1, 1, 0, 0)}


@pytest.mark.parametrize("status", ["TRADE_FINISHED", CLOSED])
def test_what_is_not_ours_is_followed_to_its_end(house, lines, said, status):
    said |= {TEE: {"fulfilled_by": FulfilledBy.PLATFORM}, CAP: {"fulfilled_by": FulfilledBy.NOBODY}}
    house.deliver(lines())
    house.flow()
    assert (house.states(), work(house)) == (["paid"], [])
    assert (sums(house), breaches(house)) == ({TEE: (2, 0, 0, 0), CAP: (1, 0, 0, 0)}, [])
    becomes(house, lines(1, seller_memo="ok"))
    assert (house.states(), house.holds()) == (["paid"], [])
    becomes(house, lines(2, status=status))
    assert (house.states(), house.one("SELECT closed_reason FROM fulfillment_order")) == (["closed"], "not_ours")
    assert breaches(house) == []


@pytest.mark.parametrize("until", ["reserve", "review", "route"])
def test_a_line_that_becomes_somebody_elses_leaves_the_rest_alone(house, lines, said, until):
    house.deliver(lines())
    house.flow(until)
    said[TEE] = {"fulfilled_by": FulfilledBy.PLATFORM}
    becomes(house, lines(1))
    assert (house.holds(), sums(house)) == ([], {TEE: (2, 0, 0, 0), CAP: (1, 1, 0, 0)})
    house.flow()
    assert (booked(house), breaches(house)) == ([(("CAP-1", 1),)], [])


@pytest.mark.parametrize("theirs", [(TEE,), (TEE, CAP)])
def test_what_becomes_somebody_elses_after_the_label_is_held(house, lines, said, theirs):
    house.deliver(lines())
    house.flow("label")
    said |= {line: {"fulfilled_by": FulfilledBy.PLATFORM} for line in theirs}
    becomes(house, lines(1))
    assert (house.states(), house.holds()) == (["on_hold"], ["fulfiller_unknown"])
    assert house.one("SELECT facts ->> 'lines' FROM hold") == ",".join(theirs)
    assert breaches(house) == []


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("until", ["normalize", "reserve", "review", "route"])
def test_an_order_that_becomes_somebody_elses_waits_for_its_end(house, lines, said, until, held):
    house.deliver(lines())
    house.flow(until)
    if held:
        becomes(house, lines(1, refunds={TEE: ASKED}))
        house.flow("review")
        assert house.states() == ["on_hold"]
    said |= {TEE: {"fulfilled_by": FulfilledBy.PLATFORM}, CAP: {"fulfilled_by": FulfilledBy.PLATFORM}}
    becomes(house, lines(2))
    for _ in range(2):
        house.flow()
    assert (house.states(), house.holds(), work(house)) == (["paid"], [], [])
    assert (house.counters("TEE-1"), house.counters("CAP-1")) == ((10, 0, 0), (10, 0, 0))
    assert breaches(house) == []
    becomes(house, lines(3, status="TRADE_FINISHED"))
    assert (house.states(), house.one("SELECT closed_reason FROM fulfillment_order")) == (["closed"], "not_ours")
    assert (house.courier.asked, breaches(house)) == ({}, [])


@pytest.mark.parametrize("until", ["review", "route"])
def test_when_the_last_line_goes_after_a_person_has_looked_at_the_others_it_closes(house, lines, said, until):
    house.deliver(lines())
    house.flow(until)
    said[TEE] = {"shipped": 2, "waybill": "YTO1"}
    becomes(house, lines(1))
    release_hold(house, HoldCode.SHIPPED_ELSEWHERE)
    becomes(house, lines(2, refunds={CAP: PAID_BACK}))
    assert (house.states(), house.holds()) == (["closed"], [])
    assert house.one("SELECT closed_reason FROM fulfillment_order") == "nothing_left"
    assert (house.counters("TEE-1"), house.counters("CAP-1"), breaches(house)) == ((10, 0, 0), (10, 0, 0), [])


@pytest.fixture
def pulled_during_the_check(house, lines):
    """A pull brings the platform's content while the label step asks for the same; its update is tried at once."""

    def pulled(**how):
        fetch = house.platform.fetch

        async def meanwhile(id_):
            house.platform.fetch = fetch
            house.deliver(lines(1, **how))
            house.run("normalize")
            return await fetch(id_)

        house.deliver(lines())
        house.flow("route")
        house.platform.fetch = meanwhile
        house.run("label")
        house.fall_due()
        house.run("normalize")
        house.flow()
        return house

    return pulled


def test_a_refund_paid_while_the_label_step_asks_removes_just_its_line(pulled_during_the_check):
    house = pulled_during_the_check(refunds={CAP: PAID_BACK})
    assert (house.states(), house.holds(), booked(house)) == (["allocated"], [], [(("TEE-1", 2),)])
    assert (house.counters("CAP-1"), breaches(house)) == ((10, 0, 0), [])


def test_control_an_update_that_does_not_wait_for_the_call_holds_what_has_no_label(
    pulled_during_the_check, monkeypatch
):
    monkeypatch.setattr(update_order, "_apart", lambda _tx, changed: (changed, []))
    house = pulled_during_the_check(refunds={CAP: PAID_BACK})
    assert (house.states(), house.holds(), booked(house)) == (["on_hold"], ["stopping"], [])


def test_an_order_closed_while_the_label_step_asks_closes(pulled_during_the_check):
    house = pulled_during_the_check(refunds={TEE: PAID_BACK, CAP: PAID_BACK}, status=CLOSED)
    assert (house.states(), house.holds(), house.courier.asked) == (["closed"], [], {})
    assert (house.counters("TEE-1"), house.counters("CAP-1"), breaches(house)) == ((10, 0, 0), (10, 0, 0), [])


def test_a_refund_paid_while_nobody_knows_whether_there_is_a_label_is_never_labelled(house, lines):
    house.deliver(lines())
    house.flow("route")
    house.courier.errors = {"create": [UnknownOutcome("reset")]}
    house.run("label")
    becomes_without_waiting(house, lines(1, refunds={CAP: PAID_BACK}))
    assert (house.states(), house.holds()) == (["on_hold"], ["stopping"])
    house.fall_due()
    house.run("label")
    assert booked(house) == [], "the courier, asked, had nothing"
    house.end_stops()
    for _ in range(2):
        house.fall_due()
        house.flow()
    assert (booked(house), sums(house)) == ([(("TEE-1", 2),)], {TEE: (2, 2, 0, 0), CAP: (1, 0, 1, 0)})
    assert (house.counters("CAP-1"), breaches(house)) == ((10, 0, 0), [])


def becomes_without_waiting(merchant, trade):
    merchant.deliver(trade)
    merchant.run("normalize")
