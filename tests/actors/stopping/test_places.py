"""A stop asked at each place of an order's way, for the whole order and for one line of three."""

import copy

import pytest

from domain.stops import StopCode, StopGoal

IN_HOUSE = ["reserved", "approved", "allocated", "label_intended", "label_booked", "placed", "packed"]
GONE = ["handed_over", "in_transit", "delivered"]
# What a stop waits for on its way, by the place at which it is asked for.
RUNGS = {
    "reserved": [],
    "approved": [],
    "allocated": [],
    "label_intended": ["ask_courier", "void"],
    "label_booked": ["void"],
    "placed": ["recall", "void"],
    "packed": ["recall", "void"],
}


class Killed(BaseException):
    """The end of the process, between two instructions."""


@pytest.fixture
def three(trade):
    """A trade of three lines."""
    built = trade(tid="1001", payment="30.00", total_fee="30.00")
    [line] = built["orders"]["order"]
    built["orders"]["order"] = [
        copy.deepcopy(line) | {"oid": 1001 + number, "outer_iid": f"SKU-{number}"} for number in range(3)
    ]
    return built


@pytest.fixture
def at(merchant, take_orders, three, stops):
    """The order of three lines, at a place of its way."""

    def go(place: str):
        take_orders()
        merchant.stock(**{f"SKU-{number}": 5 for number in range(3)})
        merchant.deliver(three)
        chain = {"reserved": "reserve", "approved": "review", "allocated": "route", "label_intended": "route"}
        merchant.flow(chain.get(place, "label"))
        if place == "label_intended":
            merchant.courier.errors = {"after_create": [Killed()]}
            stops.crash(Killed, "label")
        if place in {"placed", "packed", *GONE}:
            merchant.run("dispatch")
        if place in {"packed", *GONE}:
            merchant.scan("packed")
        if place in GONE:
            merchant.courier.can_track = place == "handed_over"
            merchant.scan("handed_over")
        if place == "delivered":
            merchant.rows("UPDATE fulfillment_order SET state = 'delivered'")
        return merchant

    return go


def climb(stops):
    for _ in range(3):
        stops.climb()
        stops.fall_due()


def waited_for(merchant):
    rows = merchant.rows("SELECT facts ->> 'waits_for' FROM event WHERE step = 'stop' ORDER BY id")
    found = [row[0] for row in rows if row[0]]
    return [one for number, one in enumerate(found) if number == 0 or found[number - 1] != one]


def counts(merchant):
    return [merchant.counters(f"SKU-{number}") for number in range(3)]


@pytest.mark.parametrize("place", IN_HOUSE)
def test_a_whole_order_that_has_not_left_is_stopped(at, stops, place):
    merchant = at(place)
    stops.ask()
    assert (merchant.states(), merchant.holds()) == (["on_hold"], ["stopping"])
    climb(stops)
    assert waited_for(merchant) == RUNGS[place]
    assert (merchant.states(), stops.ends(), merchant.holds()) == (["closed"], ["stopped"], [])
    assert (stops.living(), counts(merchant)) == ([], [(5, 0, 0)] * 3)
    assert {status for _, status in stops.documents()} <= {"stopped"}
    assert stops.breaches() == []


@pytest.mark.parametrize("place", GONE)
def test_a_whole_order_that_has_left_is_too_late(at, stops, place):
    merchant = at(place)
    before = merchant.states()
    stops.ask()
    climb(stops)
    assert (merchant.states(), stops.ends(), stops.cases()) == (before, ["too_late"], ["stop_too_late"])
    assert (merchant.holds(), stops.living()) == ([], ["SF0001"])
    assert merchant.courier.asked["cancel"] == 0, "what has left is never voided"
    assert (counts(merchant), stops.breaches()) == ([(4, 0, 0)] * 3, [])


@pytest.mark.parametrize("place", IN_HOUSE)
def test_one_line_of_three_is_stopped_and_the_others_go_on(at, stops, place):
    merchant = at(place)
    stops.ask(lines=("1002",))
    climb(stops)
    assert waited_for(merchant) == RUNGS[place]
    assert (merchant.states()[0], stops.ends(), stops.living()) == ("closed", ["stopped"], [])
    assert counts(merchant) == [(5, 1, 0), (5, 0, 0), (5, 1, 0)], "no other order could take the pieces"
    merchant.flow("label")
    merchant.run("dispatch")
    assert (merchant.states(), merchant.holds()) == (["closed", "allocated"], [])
    kept = merchant.rows(
        "SELECT line_id, planned, cancelled FROM order_line ORDER BY line_id",
    )
    assert kept == [("1001", 1, 0), ("1002", 0, 1), ("1003", 1, 0)]
    assert (counts(merchant), len(stops.living())) == ([(5, 0, 1), (5, 0, 0), (5, 0, 1)], 1)
    assert stops.breaches() == []


@pytest.mark.parametrize("place", GONE)
def test_one_line_of_three_that_have_left_together_is_too_late(at, stops, place):
    merchant = at(place)
    before = merchant.states()
    stops.ask(lines=("1002",))
    climb(stops)
    assert (merchant.states(), stops.ends(), stops.cases()) == (before, ["too_late"], ["stop_too_late"])
    assert merchant.one("SELECT facts ->> 'lines' FROM order_case") == "1002"


@pytest.mark.parametrize("place", IN_HOUSE)
def test_an_order_that_is_to_be_made_anew_gets_a_new_label(at, stops, place):
    merchant = at(place)
    stops.ask(code=StopCode.RELABEL, goal=StopGoal.REBUILD)
    climb(stops)
    assert (stops.ends(), stops.living(), merchant.holds()) == (["stopped"], [], [])
    assert counts(merchant) == [(5, 1, 0)] * 3, "no other order could take the pieces"
    merchant.run("reserve")
    merchant.flow("label")
    merchant.run("dispatch")
    assert (merchant.states(), merchant.holds(), len(stops.living())) == (["allocated"], [], 1)
    assert counts(merchant) == [(5, 0, 1)] * 3
    assert [status for _, status in stops.documents()][-1:] == ["placed"]
    assert stops.breaches() == []


@pytest.mark.parametrize("place", IN_HOUSE)
def test_a_stop_that_is_withdrawn_at_once_lets_the_order_go_on(at, stops, place):
    merchant = at(place)
    stops.ask()
    stops.withdraw()
    climb(stops)
    merchant.flow("label")
    merchant.run("dispatch")
    stops.fall_due()
    merchant.run("label")
    merchant.run("dispatch")
    assert (stops.ends(), merchant.holds()) == (["withdrawn"], [])
    assert (merchant.states(), len(stops.living())) == (["packed" if place == "packed" else "allocated"], 1)
    assert stops.breaches() == []


@pytest.mark.parametrize("place", ["label_booked", "placed", "packed"])
def test_a_stop_that_is_withdrawn_when_a_call_has_gone_out_is_completed_and_the_order_made_anew(at, stops, place):
    merchant = at(place)
    merchant.courier.errors = {"after_cancel": [Killed()]}
    stops.ask()
    merchant.run("stop")
    merchant.run("recall")
    merchant.run("stop")
    stops.crash(Killed, "void")
    stops.withdraw()
    climb(stops)
    merchant.flow("label")
    merchant.run("dispatch")
    assert (stops.ends(), merchant.holds(), merchant.states()) == (["withdrawn"], [], ["allocated"])
    assert (len(stops.living()), stops.breaches()) == (1, [])


def test_two_who_ask_get_one_stop(at, stops):
    merchant = at("placed")
    stops.ask(lines=("1002",))
    stops.ask(lines=("1003",))
    assert merchant.rows("SELECT goal, lines FROM stop") == [("close", ["1002", "1003"])]
    stops.ask()
    assert merchant.rows("SELECT goal, lines FROM stop") == [("close", [])]
    climb(stops)
    assert (merchant.states(), stops.ends()) == (["closed"], ["stopped"])


def test_who_wants_no_pieces_wins_over_who_wants_them_anew(at, stops):
    merchant = at("placed")
    stops.ask(code=StopCode.RELABEL, goal=StopGoal.REBUILD)
    stops.ask(lines=("1002",))
    assert merchant.rows("SELECT goal, code, lines FROM stop") == [("close", "person", ["1002"])]
    stops.ask(code=StopCode.RELABEL, goal=StopGoal.REBUILD)
    assert merchant.rows("SELECT goal, code, lines FROM stop") == [("close", "person", ["1002"])]


def test_an_order_that_has_ended_is_not_stopped(at, stops):
    merchant = at("allocated")
    stops.ask()
    climb(stops)
    stops.ask()
    assert (stops.ends(), merchant.due("stop")) == (["stopped"], [])
