import threading

import structlog

from infra.config.retention import Retention
from infra.config.settings import Settings
from infra.sweeper.schedule import Duty, DutyThread
from workers.duties import DUTIES, DutyInputs, make_duties
from workers.duties import RunsIn as Thread


def test_a_duty_acts_at_its_own_pace(stepped_clock):
    acted = []
    duty = Duty("count", 60.0, lambda: acted.append(stepped_clock.at), stepped_clock)
    tended = []
    for seconds in (0, 59, 1, 200, 10):
        stepped_clock.at += seconds
        tended.append(duty.tend())
    assert tended == [True, False, True, True, False]
    assert len(acted) == 3


def test_one_that_fails_is_logged_and_has_its_next_turn_at_its_time(stepped_clock):
    def fail():
        raise ZeroDivisionError

    duty = Duty("harm", 60.0, fail, stepped_clock)
    with structlog.testing.capture_logs() as lines:
        assert duty.tend()
        assert not duty.tend()
    assert [(line["event"], line["duty"]) for line in lines] == [("duty_failed", "harm")]


def test_a_long_duty_keeps_nobody_waiting_and_is_begun_once(stepped_clock):
    begun, go_on = [], threading.Event()

    def last_long():
        begun.append(threading.current_thread().name)
        assert go_on.wait(20)

    with DutyThread([Duty("long", 0.0, last_long, stepped_clock)]) as slow:
        for _ in range(3):
            slow.tend()
        go_on.set()
    assert len(begun) == 1
    assert begun != [threading.current_thread().name]


REMINDERS = {
    "silent_feeds",
    "silent_warehouses",
    "expired_holds",
    "expired_cases",
    "parcel_clocks",
    "unfollowed_parcels",
}


def made(harness, clock, **settings):
    """The duties of a sweeper that has no queue: none of those asked for here needs one."""
    return make_duties(DutyInputs(Settings(**settings), harness.db, clock, None, None, harness.bells, bool))


def test_each_duty_has_a_name_of_its_own_and_a_thread(harness, stepped_clock):
    duties = made(harness, stepped_clock)
    listed = [duty.name for thread, some in duties.items() if thread is not Thread.ALARMS for duty in some]
    assert sorted(listed) == sorted({entry.name for entry in DUTIES})
    assert set(Thread) == {Thread.ALARMS} | {entry.beside for entry in DUTIES}
    alarms = [duty.name for duty in duties[Thread.ALARMS]]
    assert {"quiet_alarms", "tell_alarms"} < set(alarms)
    assert len(alarms) == len(set(alarms))


def test_production_raises_alarms_and_checks_the_invariants(harness, stepped_clock, dead):
    dead()
    id_ = harness.order()
    harness.rows("UPDATE orders SET ship_by = now() - interval '1 minute', paid_at = now() - interval '1 hour'")
    duties = made(harness, stepped_clock)[Thread.SLOW]
    with structlog.testing.capture_logs() as lines:
        assert all(duty.tend() for duty in duties)
    assert harness.one("SELECT count(*) FROM clock_alarm") == 6
    assert [line["code"] for line in lines if line["event"] == "letters_alarm"] == ["sick"]
    [breach] = [line for line in lines if line["event"] == "invariant_breached"]
    assert breach["invariant"] == "open_order_moves"
    assert f"fulfillment order {id_} in paid" in breach["examples"][0]
    stepped_clock.at += 60
    assert {duty.name for duty in duties if not duty.tend()} == {"invariants", *REMINDERS}
    stepped_clock.at += 300
    assert {duty.name for duty in duties if not duty.tend()} == REMINDERS


def test_production_purges_what_is_older_than_its_policy(harness, stepped_clock):
    harness.rows("INSERT INTO warehouse_page (location, after, body, received_at) VALUES ('e', '', '', '2020-01-01')")
    [duty] = made(harness, stepped_clock, retention=Retention(every_s=5.0))[Thread.PURGE]
    assert duty.tend()
    assert harness.rows("SELECT 1 FROM warehouse_page") == []
    assert not duty.tend()
    stepped_clock.at += 5
    assert duty.tend()
