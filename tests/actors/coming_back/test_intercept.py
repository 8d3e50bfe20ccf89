"""A parcel is intercepted from its courier's first scan on, until it is proven to come back or is too late."""

import json
from datetime import timedelta

import pytest

from actors import intercept
from adapters.ports import Interception, TrackEvent
from domain.errors import Conflict, Malformed, Misconfigured, Refused, Throttled, Transient, UnknownOutcome
from domain.order import Lane
from domain.tracking import ParcelKind
from infra.monitoring.invariants import find_breaches
from infra.process import failpoints
from infra.queue.keys import BellKey
from infra.tables.stops import withdraw_stops
from tests.actors.coming_back.conftest import COLLECTED, OUT, SIGNED, TURNED
from tests.actors.conftest import COURIER


class Killed(BaseException):
    """The end of the process, between two instructions."""


def breaches(merchant):
    with merchant.db.connection() as session:
        return [str(one) for one in find_breaches(session)]


def test_it_is_not_asked_before_the_first_scan_and_asked_once_after(wanted):
    wanted.intercept()
    wanted.intercept()
    assert (wanted.courier.asked["intercept"], wanted.status) == (0, "")
    wanted.track(COLLECTED)
    wanted.intercept()
    wanted.intercept()
    [asked] = wanted.courier.interceptions
    assert (asked.waybill, asked.back_to.province) == ("SF0001", "浙江省")
    assert (wanted.courier.asked["intercept"], wanted.status) == (1, "taken"), "taken is not repeated"
    assert wanted.expected == [], "taken proves nothing"
    assert wanted.due("stop") == []


def test_a_look_of_the_courier_that_brings_news_hastens_it(wanted):
    wanted.intercept()
    assert wanted.one("SELECT due_at > now() FROM work WHERE step = 'intercept'")
    wanted.track()
    assert wanted.one("SELECT due_at > now() FROM work WHERE step = 'intercept'"), "no news"
    wanted.track(COLLECTED)
    assert wanted.one("SELECT due_at <= now() FROM work WHERE step = 'intercept'")


def test_that_the_parcel_turns_proves_it_and_its_return_is_expected(wanted):
    wanted.track(COLLECTED)
    wanted.intercept()
    wanted.track(COLLECTED, TURNED)
    wanted.intercept()
    assert (wanted.status, wanted.code, wanted.expected) == ("confirmed", "turned_back", [("intercepted", False)])
    assert len(wanted.due("stop")) == 1, "the stop looks at it"
    assert wanted.due("intercept") == []
    assert wanted.rows("SELECT kind FROM order_case") == [], "what was asked for is no trouble"
    assert breaches(wanted) == []


def test_it_is_too_late_once_the_receiver_has_signed(wanted):
    wanted.track(COLLECTED)
    wanted.intercept()
    wanted.track(COLLECTED, OUT, SIGNED)
    wanted.intercept()
    assert (wanted.status, wanted.code, wanted.expected) == ("failed", "delivered", [])
    assert len(wanted.due("stop")) == 1


def test_nothing_heard_until_its_clock_ends_is_too_late_for_a_person(wanted):
    wanted.track(COLLECTED)
    wanted.intercept()
    wanted.rows("UPDATE shipment SET intercept_wanted_at = now() - interval '71 hours'")
    wanted.intercept()
    assert wanted.status == "taken"
    wanted.rows("UPDATE shipment SET intercept_wanted_at = now() - interval '73 hours'")
    wanted.intercept()
    assert (wanted.status, wanted.code, len(wanted.due("stop"))) == ("failed", "no_result", 1)


def test_no_event_yet_and_a_question_that_fails_end_nothing(wanted):
    for _ in range(30):
        wanted.track()
        wanted.courier.errors = {"track": [Transient("busy")]}
        wanted.track()
        wanted.intercept()
    assert (wanted.status, wanted.letters()) == ("", [])
    wanted.track(COLLECTED)
    wanted.intercept()
    assert wanted.status == "taken"


@pytest.mark.parametrize(
    "answer",
    [
        Interception.NOT_YET,
        Interception.FAILED,
        Refused("courier_refused"),
        Refused("interception_not_allowed"),
        Conflict("shipment_not_found"),
        Transient("busy"),
        Malformed("answer_unreadable"),
        Misconfigured("location_unknown"),
    ],
)
def test_what_is_not_taken_is_asked_for_again_until_it_is(wanted, answer):
    wanted.track(COLLECTED)
    wanted.courier.intercept_answers = [answer, answer]
    wanted.intercept()
    assert wanted.status == "asked"
    wanted.fall_due()
    wanted.intercept()
    assert (wanted.status, wanted.courier.interceptions, wanted.holds()) == ("asked", [], [])
    wanted.intercept()
    assert (wanted.status, len(wanted.courier.interceptions), wanted.letters()) == ("taken", 1, [])


def test_a_try_keeps_its_distance_from_the_one_before(wanted):
    wanted.track(COLLECTED)
    wanted.courier.intercept_answers = [Refused("courier_refused")]
    wanted.intercept()
    wanted.fall_due()
    wanted.runners["intercept"].run(BellKey("intercept", Lane.P1, COURIER))
    assert wanted.courier.asked["intercept"] == 1
    assert wanted.one("SELECT due_at - now() > interval '20 minutes' FROM work WHERE step = 'intercept'")


def test_an_answer_too_late_ends_it(wanted):
    wanted.track(COLLECTED)
    wanted.courier.intercept_answers = [Interception.TOO_LATE]
    wanted.intercept()
    assert (wanted.status, wanted.code) == ("failed", "delivered")


def test_a_lost_answer_is_asked_again_and_is_carried_out_once(wanted):
    wanted.track(COLLECTED)
    wanted.courier.errors = {"after_intercept": [UnknownOutcome("connection_lost")]}
    wanted.intercept()
    assert (wanted.status, len(wanted.courier.interceptions)) == ("asked", 1)
    assert wanted.one("SELECT intercept_deadline IS NOT NULL FROM shipment")
    for _ in range(3):
        wanted.intercept()
    assert len(wanted.courier.interceptions) == 1
    wanted.track(COLLECTED, TURNED)
    wanted.intercept()
    assert wanted.status == "confirmed"


def test_a_courier_that_would_carry_out_two_is_never_asked_twice(wanted):
    wanted.courier.repeats_intercept = False
    wanted.track(COLLECTED)
    wanted.courier.errors = {"after_intercept": [UnknownOutcome("connection_lost")]}
    for _ in range(4):
        wanted.intercept()
    assert len(wanted.courier.interceptions) == 1
    wanted.track(COLLECTED, OUT)
    wanted.intercept()
    assert len(wanted.courier.interceptions) == 1


def test_control_a_call_without_a_durable_intent_is_charged_twice(wanted, monkeypatch):
    monkeypatch.setattr(intercept, "intend_intercepts", lambda *_: None)
    wanted.courier.repeats_intercept = False
    wanted.track(COLLECTED)
    wanted.courier.errors = {"after_intercept": [Killed()]}
    with pytest.raises(Killed):
        wanted.intercept()
    wanted.free()
    wanted.intercept()
    assert len(wanted.courier.interceptions) == 2


def test_what_was_taken_and_goes_on_is_asked_for_again(wanted):
    wanted.track(COLLECTED)
    wanted.intercept()
    wanted.courier.interceptions.clear()
    later = wanted.one("SELECT intercept_asked_at FROM shipment") + timedelta(minutes=5)
    wanted.track(COLLECTED, TrackEvent("204", ParcelKind.OUT_FOR_DELIVERY, later))
    wanted.intercept()
    assert (wanted.status, len(wanted.courier.interceptions)) == ("taken", 1)


def test_a_courier_that_knows_is_asked_what_became_of_it(wanted):
    wanted.courier.can_ask_intercept = True
    wanted.track(COLLECTED)
    wanted.intercept()
    wanted.courier.outcomes = {"SF0001": Interception.TAKEN}
    wanted.intercept()
    assert (wanted.courier.asked["ask_intercept"], wanted.status) == (1, "taken")
    wanted.courier.errors = {"ask_intercept": [Malformed("answer_unreadable")]}
    wanted.intercept()
    assert (wanted.status, wanted.code) == ("taken", "answer_unreadable"), "a failed question says nothing"
    wanted.courier.outcomes = {"SF0001": Interception.STOPPED}
    wanted.intercept()
    assert (wanted.status, wanted.code) == ("confirmed", "confirmed_by_courier")
    assert wanted.expected == [("intercepted", False)]


@pytest.mark.parametrize("outcome", [Interception.FAILED, None])
def test_a_failed_interception_and_one_that_the_courier_does_not_know_are_asked_for_again(wanted, outcome):
    wanted.courier.can_ask_intercept = True
    wanted.track(COLLECTED)
    wanted.intercept()
    wanted.courier.interceptions.clear()
    wanted.courier.outcomes = {"SF0001": outcome}
    wanted.intercept()
    assert wanted.status == "asked"
    wanted.intercept()
    assert (wanted.status, len(wanted.courier.interceptions)) == ("taken", 1)


def test_an_unclear_call_is_settled_by_asking_where_the_courier_knows(wanted):
    wanted.courier.can_ask_intercept = True
    wanted.courier.repeats_intercept = False
    wanted.track(COLLECTED)
    wanted.courier.errors = {"after_intercept": [UnknownOutcome("connection_lost")]}
    wanted.intercept()
    wanted.courier.outcomes = {"SF0001": Interception.STOPPED}
    wanted.intercept()
    assert (wanted.status, len(wanted.courier.interceptions)) == ("confirmed", 1)


def test_limits_and_shut_gates_spend_nothing(wanted):
    wanted.track(COLLECTED)
    wanted.courier.intercept_answers = [Throttled("flow_control", after_s=5.0)]
    wanted.intercept()
    assert wanted.rows("SELECT intercept_deadline, intercept_asked_at FROM shipment") == [(None, None)]
    wanted.intercept()
    assert wanted.status == "taken"


def test_a_courier_that_is_not_followed_is_asked_from_the_hand_over_on(left):
    returning = left(is_tracked=False)
    returning.ask()
    returning.intercept()
    assert (returning.status, len(returning.courier.interceptions)) == ("taken", 1)


def test_a_courier_that_cannot_be_asked_is_a_persons_at_once(left):
    returning = left()
    returning.courier.can_intercept = False
    returning.ask()
    returning.intercept()
    assert (returning.status, returning.code, len(returning.due("stop"))) == ("failed", "cannot_be_asked", 1)


def test_a_stop_that_is_withdrawn_before_anything_was_asked_ends_it(wanted):
    with wanted.db.transaction() as tx:
        withdraw_stops(tx, [row[0] for row in tx.execute("SELECT id FROM fulfillment_order").fetchall()])
    wanted.track(COLLECTED)
    wanted.intercept()
    assert (wanted.status, wanted.courier.interceptions, wanted.due("intercept")) == ("", [], [])
    assert wanted.rows("SELECT intercept_wanted_at FROM shipment") == [(None,)]


def test_what_was_taken_is_followed_though_its_stop_is_withdrawn(wanted):
    wanted.track(COLLECTED)
    wanted.intercept()
    with wanted.db.transaction() as tx:
        withdraw_stops(tx, [row[0] for row in tx.execute("SELECT id FROM fulfillment_order").fetchall()])
    wanted.track(COLLECTED, TURNED)
    wanted.intercept()
    assert (wanted.status, wanted.expected) == ("confirmed", [("intercepted", False)])


@pytest.mark.parametrize("point", intercept.STEP.points())
def test_a_worker_killed_anywhere_asks_once_and_ends_as_without_it(wanted, point, monkeypatch):
    """`repeats_intercept`: the courier refuses the second; that it was ever asked twice does no harm."""
    wanted.track(COLLECTED)

    def die(_name, _tx):
        raise Killed

    monkeypatch.setitem(failpoints.ACTIONS, "kill", die)
    failpoints.arm(json.dumps([{"at": point, "do": "kill"}]))
    try:
        with pytest.raises(Killed):
            wanted.intercept()
    finally:
        failpoints.arm("")
    wanted.free()
    for _ in range(3):
        wanted.intercept()
    assert len(wanted.courier.interceptions) == 1
    wanted.track(COLLECTED, TURNED)
    wanted.intercept()
    assert (wanted.status, wanted.expected, wanted.letters()) == ("confirmed", [("intercepted", False)], [])
    assert breaches(wanted) == []
