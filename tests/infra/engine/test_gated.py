"""What meets a shut gate: it rests without blame, comes back, and is held when it waits too long."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import Misconfigured, Transient, UnknownOutcome
from domain.gates import PAUSED, GateShut
from domain.holds import HoldCode
from infra.accounts.rules import Rules
from infra.accounts.shared_breaker import SharedGates, connect_gates
from infra.engine.author import Author
from infra.engine.results import Failed
from infra.process.clock import SystemClock
from infra.queue.bells import BellKey
from infra.sweeper.paused_accounts import HOLDS_EVERY_S, GateDuty
from infra.tables.sql import load
from infra.tables.work import Stretch
from ops.verbs.hold_orders import hold
from ops.verbs.holds import release

ACCOUNT = "sf/main"
SHUT = GateShut(ACCOUNT, "open", after_s=5.0)


@pytest.fixture
def duty(house, redis, redis_url):
    client = connect_gates(redis_url.reveal())
    yield GateDuty(house.db, SharedGates(client), Rules(), SystemClock(), margin_s=7200.0, patience_s=86_400.0)
    client.close()


@pytest.fixture
def ends_with(house, toy_call):
    """Run label for a package, now, with a call that ends with an error."""

    def run(package, error):
        async def answer(_one):
            raise error

        step = toy_call(answer, lambda one, raised: Failed(one.place, raised))
        if package in house.work():
            house.rows("UPDATE work SET due_at = now(), gate = NULL, gated_at = NULL")
        else:
            house.due("label", [package], account=ACCOUNT)
        house.remote(step).run(BellKey("label", "bulk", ACCOUNT))

    return run


def resting(house):
    return house.rows("SELECT gate, attempts, due_at > '9000-01-01', causes, lease_token FROM work")


def test_it_rests_without_an_attempt_and_without_a_cause(house, ends_with):
    ends_with(house.package(), SHUT)
    assert resting(house) == [(ACCOUNT, 0, True, [], None)]
    assert house.letters() == {}


def test_the_first_real_cause_stays_visible(house, ends_with):
    package = house.package()
    ends_with(package, Transient("connection_failed"))
    for _ in range(30):
        ends_with(package, SHUT)
    [(_, attempts, _, causes, _)] = resting(house)
    assert (attempts, [cause["code"] for cause in causes]) == (1, ["connection_failed"])


def test_a_gate_that_shut_after_the_effect_spends_no_attempt_either(house, ends_with):
    told = UnknownOutcome("told_not_read_back")
    told.__cause__ = SHUT
    ends_with(house.package(), told)
    assert resting(house) == [(ACCOUNT, 0, True, [], None)]


def test_wrong_credentials_rest_behind_their_account_and_say_why(house, ends_with):
    error = Misconfigured("http_401")
    error.facts[PAUSED] = ACCOUNT
    ends_with(house.package(), error)
    [(gate, attempts, is_far, causes, _)] = resting(house)
    assert (gate, attempts, is_far, [cause["code"] for cause in causes]) == (ACCOUNT, 0, True, ["http_401"])
    assert house.letters() == {}


def ship_by(house, hours):
    house.rows("UPDATE orders SET ship_by = now() + make_interval(hours => %s)", hours)


def holds(house):
    return house.rows("SELECT code, step, owner, facts, released_by FROM hold ORDER BY id")


def test_what_waits_past_its_clock_is_held_and_goes_on_by_itself(house, ends_with, duty):
    ends_with(house.package(), SHUT)
    ship_by(house, 1)
    duty.hold_waiting([ACCOUNT])
    duty.hold_waiting([ACCOUNT])
    [(code, step, owner, facts, released)] = holds(house)
    assert (code, step, owner, facts, released) == (
        "waiting_on_account",
        "label",
        "engineering",
        {"account": ACCOUNT},
        None,
    )
    assert resting(house), "the work is still there"
    duty.hold_waiting([])
    assert [row[-1] for row in holds(house)] == ["engine"]
    assert house.rows("SELECT kind FROM event ORDER BY id") == [("hold_opened",), ("hold_released",)]


@pytest.mark.parametrize(("hours_left", "waited_h", "held"), [(72, 1, 0), (72, 25, 1), (1, 0, 1)])
def test_it_is_held_near_its_ship_by_or_after_a_day(house, duty, hours_left, waited_h, held):
    package = house.package()
    house.due("label", [package], account=ACCOUNT, after_s=-3600.0 * waited_h)
    ship_by(house, hours_left)
    duty.hold_waiting([ACCOUNT])
    assert len(holds(house)) == held


def test_work_of_other_accounts_is_not_held(house, duty):
    house.due("label", [house.package()], account="yto/a", after_s=-90_000.0)
    duty.hold_waiting([ACCOUNT])
    assert holds(house) == []


NOTICE = """
INSERT INTO notice (package_id, event, channel, occurred_at)
VALUES (%s, 'package.shipped', 'webhook/buyers', now()) RETURNING id
"""
CHANNEL = "webhook/buyers"


@pytest.fixture
def waiting_notice(house):
    """A notice of an order that has left, resting behind its channel for so many hours."""

    def plant(hours):
        package = house.package("in_transit")
        notice = house.one(NOTICE, package)
        house.due("notify", [notice], account=CHANNEL)
        house.rows(
            "UPDATE work SET due_at = '9999-01-01', gate = account, gated_at = now() - make_interval(hours => %s)",
            hours,
        )
        ship_by(house, 1)

    return plant


@pytest.mark.parametrize(("waited_h", "held"), [(23, 0), (25, 1)])
def test_a_notice_that_waits_for_a_day_has_somebody_who_looks(house, duty, waiting_notice, waited_h, held):
    waiting_notice(waited_h)
    duty.hold_waiting([CHANNEL])
    duty.hold_waiting([CHANNEL])
    assert [row[:4] for row in holds(house)] == [
        ("waiting_on_account", "notify", "engineering", {"account": CHANNEL})
    ] * held
    assert set(house.states().values()) == {"in_transit"}, "a notice moves nothing"
    duty.hold_waiting([])
    assert [row[-1] for row in holds(house)] == ["engine"] * held


PAUSE = "INSERT INTO gate (kind, name, reason, shut_by, shut_at) VALUES (%s, %s, 'stocktaking', 'mei', %s)"
PAUSES = [("lane", "bulk"), ("step", "label")]


def pause(house, kind, name, hours_ago=0):
    house.rows(PAUSE, kind, name, datetime.now(UTC) - timedelta(hours=hours_ago))


@pytest.mark.parametrize(("kind", "name"), PAUSES)
def test_what_waits_past_its_clock_in_a_pause_is_held_and_the_hold_names_the_pause(house, duty, kind, name):
    house.due("label", [house.package()], account=ACCOUNT)
    ship_by(house, 1)
    pause(house, kind, name)
    duty.hold_paused()
    duty.hold_paused()
    duty.hold_waiting([])
    facts = {"pause": f"{kind}/{name}", "reason": "stocktaking"}
    assert holds(house) == [("waiting_on_account", "label", "engineering", facts, None)]
    assert set(house.states().values()) == {"allocated"}, "its work goes on by itself"
    house.rows("DELETE FROM gate")
    duty.hold_paused()
    assert [row[-1] for row in holds(house)] == ["engine"]
    assert house.rows("SELECT kind FROM event ORDER BY id") == [("hold_opened",), ("hold_released",)]


@pytest.mark.parametrize("is_released", [True, False])
def test_an_order_whose_manual_hold_was_released_in_the_pause_goes_on_after_it(house, duty, is_released):
    id_ = house.order("approved")
    house.due("route", [id_])
    ship_by(house, 1)
    pause(house, "step", "route")
    duty.hold_paused()
    order_id = house.rows("SELECT order_id FROM fulfillment_order")[0][0]
    person = Author("mei", "the buyer called")
    hold(house.db, order_id, HoldCode.MANUAL, person)
    if is_released:
        assert release(house.db, order_id, HoldCode.MANUAL, person).still_held_by == ("waiting_on_account",)
    house.rows("DELETE FROM work")
    house.rows("DELETE FROM gate")
    bells = duty.hold_paused()
    # It has no lines, so it starts again at its review.
    assert set(house.states().values()) == {"paid" if is_released else "on_hold"}
    assert {key.step for key in bells} == ({"review"} if is_released else set())
    assert house.rows("SELECT step FROM work") == ([("review",)] if is_released else [])


@pytest.mark.parametrize(("paused_h", "held"), [(1, 0), (25, 1)])
def test_a_pause_is_waited_for_since_it_began(house, duty, paused_h, held):
    house.due("label", [house.package()], account=ACCOUNT, after_s=-90_000.0)
    ship_by(house, 72)
    pause(house, "step", "label", paused_h)
    duty.hold_paused()
    assert len(holds(house)) == held


@pytest.mark.parametrize("step", ["reserve", "review", "route"])
def test_what_waits_before_its_label_is_held_too(house, duty, step):
    house.due(step, [house.order("paid")])
    ship_by(house, 1)
    pause(house, "step", step)
    duty.hold_paused()
    assert [row[1] for row in holds(house)] == [step]


@pytest.mark.parametrize(("kind", "name"), [("lane", "p0"), ("step", "writeback")])
def test_a_pause_of_others_holds_nothing(house, duty, kind, name):
    house.due("label", [house.package()], account=ACCOUNT)
    ship_by(house, 1)
    pause(house, kind, name)
    duty.hold_paused()
    assert holds(house) == []


def test_a_pause_whose_end_has_passed_holds_nothing(house, duty):
    house.due("label", [house.package()], account=ACCOUNT)
    ship_by(house, 1)
    pause(house, "step", "label")
    house.rows("UPDATE gate SET until = now()")
    duty.hold_paused()
    assert holds(house) == []


@pytest.mark.parametrize(("kind", "name"), [*PAUSES, ("account", ACCOUNT)])
def test_work_that_is_due_in_a_pause_says_so_at_once(house, kind, name):
    package = house.package()
    house.due("label", [package], account=ACCOUNT)
    with house.db.connection() as connection:
        read = load("inspect")["due_work"]
        named = {"steps": ["label"], "subject_ids": [package]}
        assert connection.execute(read, named).fetchone()[-1] is None
        pause(house, kind, name)
        assert connection.execute(read, named).fetchone()[-1] == f"paused: {kind} {name}"


class StoppedClock(SystemClock):
    """Goes on when it is told to."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def narrow(monkeypatch):
    """Rounds that look at two rows of work, open two holds, and look at two waits."""
    monkeypatch.setattr("infra.sweeper.paused_accounts.HOLDS_MAX", 2)
    monkeypatch.setattr("infra.sweeper.paused_accounts._START", Stretch("", 0, 2))


def test_a_backlog_is_held_and_let_go_in_several_rounds(house, narrow, duty):
    for _ in range(5):
        house.due("label", [house.package()], account=ACCOUNT)
    ship_by(house, 1)
    pause(house, "step", "label")
    held = []
    for _ in range(6):
        duty.hold_paused()
        held.append(len(holds(house)))
    assert (held[0], held[-1]) == (2, 5)
    house.rows("DELETE FROM gate")
    released = []
    for _ in range(4):
        duty.hold_paused()
        released.append([row[-1] for row in holds(house)].count("engine"))
    assert (released[0], released[-1]) == (2, 5)


def test_the_next_pass_begins_only_when_one_is_over(house, narrow, duty):
    duty.clock = clock = StoppedClock()
    for _ in range(5):
        house.due("label", [house.package()], account=ACCOUNT)
    ship_by(house, 1)
    pause(house, "step", "label")
    for _ in range(12):
        duty.open_keys([])
    assert len(holds(house)) == 5, "the rounds of one pass follow each other at once"
    house.due("label", [house.package()], account=ACCOUNT)
    ship_by(house, 1)
    for _ in range(12):
        duty.open_keys([])
    assert len(holds(house)) == 5, "and then there is a rest"
    clock.now += HOLDS_EVERY_S
    for _ in range(12):
        duty.open_keys([])
    assert len(holds(house)) == 6
