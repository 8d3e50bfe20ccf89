"""What meets a shut gate: it rests without blame, comes back, and is held when it waits too long."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import Misconfigured, Transient, UnknownOutcome
from domain.gates import PAUSED, GateShut
from domain.holds import HoldCode
from infra.accounts.rules import GateRules
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
def duty(harness, redis, redis_url):
    client = connect_gates(redis_url.reveal())
    yield GateDuty(harness.db, SharedGates(client), GateRules(), SystemClock(), margin_s=7200.0, patience_s=86_400.0)
    client.close()


@pytest.fixture
def ends_with(harness, toy_call):
    """Run label for a package, now, with a call that ends with an error."""

    def run(package, error):
        async def answer(_one):
            raise error

        step = toy_call(answer, lambda one, raised: Failed(one.ref, raised))
        if package in harness.work():
            harness.rows("UPDATE work SET due_at = now(), gate = NULL, gated_at = NULL")
        else:
            harness.due("label", [package], account=ACCOUNT)
        harness.remote(step).run(BellKey("label", "bulk", ACCOUNT))

    return run


def resting(harness):
    return harness.rows("SELECT gate, attempts, due_at > '9000-01-01', causes, lease_token FROM work")


def test_it_rests_without_an_attempt_and_without_a_cause(harness, ends_with):
    ends_with(harness.package(), SHUT)
    assert resting(harness) == [(ACCOUNT, 0, True, [], None)]
    assert harness.letters() == {}


def test_the_first_real_cause_stays_visible(harness, ends_with):
    package = harness.package()
    ends_with(package, Transient("connection_failed"))
    for _ in range(30):
        ends_with(package, SHUT)
    [(_, attempts, _, causes, _)] = resting(harness)
    assert (attempts, [cause["code"] for cause in causes]) == (1, ["connection_failed"])


def test_a_gate_that_shut_after_the_effect_spends_no_attempt_either(harness, ends_with):
    told = UnknownOutcome("told_not_read_back")
    told.__cause__ = SHUT
    ends_with(harness.package(), told)
    assert resting(harness) == [(ACCOUNT, 0, True, [], None)]


def test_wrong_credentials_rest_behind_their_account_and_say_why(harness, ends_with):
    error = Misconfigured("http_401")
    error.facts[PAUSED] = ACCOUNT
    ends_with(harness.package(), error)
    [(gate, attempts, is_far, causes, _)] = resting(harness)
    assert (gate, attempts, is_far, [cause["code"] for cause in causes]) == (ACCOUNT, 0, True, ["http_401"])
    assert harness.letters() == {}


def ship_by(harness, hours):
    harness.rows("UPDATE orders SET ship_by = now() + make_interval(hours => %s)", hours)


def holds(harness):
    return harness.rows("SELECT code, step, owner, facts, released_by FROM hold ORDER BY id")


def test_what_waits_past_its_clock_is_held_and_goes_on_by_itself(harness, ends_with, duty):
    ends_with(harness.package(), SHUT)
    ship_by(harness, 1)
    duty.hold_waiting([ACCOUNT])
    duty.hold_waiting([ACCOUNT])
    [(code, step, owner, facts, released)] = holds(harness)
    assert (code, step, owner, facts, released) == (
        "waiting_on_account",
        "label",
        "engineering",
        {"account": ACCOUNT},
        None,
    )
    assert resting(harness), "the work is still there"
    duty.hold_waiting([])
    assert [row[-1] for row in holds(harness)] == ["engine"]
    assert harness.rows("SELECT kind FROM event ORDER BY id") == [("hold_opened",), ("hold_released",)]


@pytest.mark.parametrize(("hours_left", "waited_h", "held"), [(72, 1, 0), (72, 25, 1), (1, 0, 1)])
def test_it_is_held_near_its_ship_by_or_after_a_day(harness, duty, hours_left, waited_h, held):
    package = harness.package()
    harness.due("label", [package], account=ACCOUNT, after_s=-3600.0 * waited_h)
    ship_by(harness, hours_left)
    duty.hold_waiting([ACCOUNT])
    assert len(holds(harness)) == held


def test_work_of_other_accounts_is_not_held(harness, duty):
    harness.due("label", [harness.package()], account="yto/a", after_s=-90_000.0)
    duty.hold_waiting([ACCOUNT])
    assert holds(harness) == []


NOTICE = """
INSERT INTO notice (package_id, event, channel, occurred_at)
VALUES (%s, 'package.shipped', 'webhook/buyers', now()) RETURNING id
"""
CHANNEL = "webhook/buyers"
WAREHOUSE = "warehouse/east"


@pytest.fixture
def waiting_notice(harness):
    """A notice of an order that has left, resting behind its channel for so many hours."""

    def plant(hours):
        package = harness.package("in_transit")
        notice = harness.one(NOTICE, package)
        harness.due("notify", [notice], account=CHANNEL)
        harness.rows(
            "UPDATE work SET due_at = '9999-01-01', gate = account, gated_at = now() - make_interval(hours => %s)",
            hours,
        )
        ship_by(harness, 1)

    return plant


@pytest.mark.parametrize(("waited_h", "held"), [(23, 0), (25, 1)])
def test_a_notice_that_waits_for_a_day_has_somebody_who_looks(harness, duty, waiting_notice, waited_h, held):
    waiting_notice(waited_h)
    duty.hold_waiting([CHANNEL])
    duty.hold_waiting([CHANNEL])
    assert [row[:4] for row in holds(harness)] == [
        ("waiting_on_account", "notify", "engineering", {"account": CHANNEL})
    ] * held
    assert set(harness.states().values()) == {"in_transit"}, "a notice moves nothing"
    duty.hold_waiting([])
    assert [row[-1] for row in holds(harness)] == ["engine"] * held


@pytest.mark.parametrize(("hours_left", "waited_h", "held"), [(72, 1, 0), (72, 25, 1), (1, 0.1, 1)])
def test_a_document_that_waits_for_its_warehouse_has_somebody_who_looks(harness, duty, hours_left, waited_h, held):
    """The work of `dispatch` is that of a fulfillment order, and has an account all the same."""
    harness.due("dispatch", [harness.order("allocated")], account=WAREHOUSE, after_s=-3600.0 * waited_h)
    ship_by(harness, hours_left)
    duty.hold_waiting([WAREHOUSE])
    duty.hold_waiting([WAREHOUSE])
    expected = ("waiting_on_account", "dispatch", "engineering", {"account": WAREHOUSE}, None)
    assert holds(harness) == [expected] * held
    assert set(harness.states().values()) == {"allocated"}, "its work goes on by itself"
    duty.hold_waiting([])
    assert [row[-1] for row in holds(harness)] == ["engine"] * held


PAUSE = "INSERT INTO gate (kind, name, reason, shut_by, shut_at) VALUES (%s, %s, 'stocktaking', 'mei', %s)"
PAUSES = [("lane", "bulk"), ("step", "label")]


def pause(harness, kind, name, hours_ago=0):
    harness.rows(PAUSE, kind, name, datetime.now(UTC) - timedelta(hours=hours_ago))


@pytest.mark.parametrize(("kind", "name"), PAUSES)
def test_what_waits_past_its_clock_in_a_pause_is_held_and_the_hold_names_the_pause(harness, duty, kind, name):
    harness.due("label", [harness.package()], account=ACCOUNT)
    ship_by(harness, 1)
    pause(harness, kind, name)
    duty.hold_paused()
    duty.hold_paused()
    duty.hold_waiting([])
    facts = {"pause": f"{kind}/{name}", "reason": "stocktaking"}
    assert holds(harness) == [("waiting_on_account", "label", "engineering", facts, None)]
    assert set(harness.states().values()) == {"allocated"}, "its work goes on by itself"
    harness.rows("DELETE FROM gate")
    duty.hold_paused()
    assert [row[-1] for row in holds(harness)] == ["engine"]
    assert harness.rows("SELECT kind FROM event ORDER BY id") == [("hold_opened",), ("hold_released",)]


@pytest.mark.parametrize("is_released", [True, False])
def test_an_order_whose_manual_hold_was_released_in_the_pause_goes_on_after_it(harness, duty, is_released):
    id_ = harness.order("approved")
    harness.due("route", [id_])
    ship_by(harness, 1)
    pause(harness, "step", "route")
    duty.hold_paused()
    order_id = harness.rows("SELECT order_id FROM fulfillment_order")[0][0]
    person = Author("mei", "the buyer called")
    hold(harness.db, order_id, HoldCode.MANUAL, person)
    if is_released:
        assert release(harness.db, order_id, HoldCode.MANUAL, person).still_held_by == ("waiting_on_account",)
    harness.rows("DELETE FROM work")
    harness.rows("DELETE FROM gate")
    bells = duty.hold_paused()
    # It has no lines, so it starts again at its review.
    assert set(harness.states().values()) == {"paid" if is_released else "on_hold"}
    assert {key.step for key in bells} == ({"review"} if is_released else set())
    assert harness.rows("SELECT step FROM work") == ([("review",)] if is_released else [])


@pytest.mark.parametrize(("paused_h", "held"), [(1, 0), (25, 1)])
def test_a_pause_is_waited_for_since_it_began(harness, duty, paused_h, held):
    harness.due("label", [harness.package()], account=ACCOUNT, after_s=-90_000.0)
    ship_by(harness, 72)
    pause(harness, "step", "label", paused_h)
    duty.hold_paused()
    assert len(holds(harness)) == held


@pytest.mark.parametrize("step", ["reserve", "review", "route"])
def test_what_waits_before_its_label_is_held_too(harness, duty, step):
    harness.due(step, [harness.order("paid")])
    ship_by(harness, 1)
    pause(harness, "step", step)
    duty.hold_paused()
    assert [row[1] for row in holds(harness)] == [step]


@pytest.mark.parametrize(("kind", "name"), [("lane", "p0"), ("step", "writeback")])
def test_a_pause_of_others_holds_nothing(harness, duty, kind, name):
    harness.due("label", [harness.package()], account=ACCOUNT)
    ship_by(harness, 1)
    pause(harness, kind, name)
    duty.hold_paused()
    assert holds(harness) == []


def test_a_pause_whose_end_has_passed_holds_nothing(harness, duty):
    harness.due("label", [harness.package()], account=ACCOUNT)
    ship_by(harness, 1)
    pause(harness, "step", "label")
    harness.rows("UPDATE gate SET until = now()")
    duty.hold_paused()
    assert holds(harness) == []


@pytest.mark.parametrize(("kind", "name"), [*PAUSES, ("account", ACCOUNT)])
def test_work_that_is_due_in_a_pause_says_so_at_once(harness, kind, name):
    package = harness.package()
    harness.due("label", [package], account=ACCOUNT)
    with harness.db.connection() as connection:
        read = load("inspect")["due_work"]
        named = {"steps": ["label"], "subject_ids": [package]}
        assert connection.execute(read, named).fetchone()[-1] is None
        pause(harness, kind, name)
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


def test_a_backlog_is_held_and_released_in_several_rounds(harness, narrow, duty):
    for _ in range(5):
        harness.due("label", [harness.package()], account=ACCOUNT)
    ship_by(harness, 1)
    pause(harness, "step", "label")
    held = []
    for _ in range(6):
        duty.hold_paused()
        held.append(len(holds(harness)))
    assert (held[0], held[-1]) == (2, 5)
    harness.rows("DELETE FROM gate")
    released = []
    for _ in range(4):
        duty.hold_paused()
        released.append([row[-1] for row in holds(harness)].count("engine"))
    assert (released[0], released[-1]) == (2, 5)


def test_the_next_pass_begins_only_when_one_is_over(harness, narrow, duty):
    duty.clock = clock = StoppedClock()
    for _ in range(5):
        harness.due("label", [harness.package()], account=ACCOUNT)
    ship_by(harness, 1)
    pause(harness, "step", "label")
    for _ in range(12):
        duty.open_keys([])
    assert len(holds(harness)) == 5, "the rounds of one pass follow each other at once"
    harness.due("label", [harness.package()], account=ACCOUNT)
    ship_by(harness, 1)
    for _ in range(12):
        duty.open_keys([])
    assert len(holds(harness)) == 5, "and then there is a rest"
    clock.now += HOLDS_EVERY_S
    for _ in range(12):
        duty.open_keys([])
    assert len(holds(harness)) == 6
