"""Dead letters in the hands of people, on real stores: put back, closed, and never two ways at once."""

import threading
import time

import pytest

from domain.dead_letters import NoReplay
from domain.order import Lane
from domain.reasons import Reason
from infra.engine.author import Author
from infra.engine.replay import ReplayAnswer, Replayed, close_superseded, replay
from infra.tables.letters import Ending

LI = Author("li", "fixed")
DEADLINE_S = 10.0
CLOSE_ORDER = """UPDATE fulfillment_order SET state = 'closed', resume_state = NULL, closed_reason = 'test',
                 finished_at = now()"""
BOOK = """INSERT INTO shipment (package_id, generation, reference, courier, status, waybill, booked_at)
          VALUES (%s, 1, 'R', 'sf', 'booked', 'SF1', now())"""
HOLD = """INSERT INTO hold (fulfillment_order_id, code, step, owner, due_at)
          SELECT id, 'refund_requested', 'label', 'service', now() FROM fulfillment_order"""


@pytest.fixture
def send_back(harness):
    def send(*letters, lane=None):
        with harness.db.transaction() as tx:
            return replay(tx, letters, LI, lane=lane)[0]

    return send


@pytest.fixture
def ended(harness):
    return lambda: harness.rows("SELECT closed_as, closed_by, closed_reason FROM dead_letter ORDER BY id")


@pytest.fixture
def tally(harness):
    return lambda: harness.rows("SELECT sum(letters), sum(orders), sum(at_risk_minor) FROM letter_tally")[0]


def test_a_replay_puts_the_work_back_and_lets_the_order_go_on(harness, dead, send_back, ended, tally):
    ((package, letter),) = dead().items()
    assert set(harness.states().values()) == {"on_hold"}
    assert tally() == (1, 1, 0)
    assert send_back(letter) == [Replayed(letter, ReplayAnswer.REPLAYED)]
    (shop,) = harness.rows("SELECT platform || '/' || shop FROM orders")[0]
    assert harness.rows("SELECT step, subject_id, lane, account, shop, attempts, causes FROM work") == [
        ("label", package, "bulk", "sf/main", shop, 0, [])
    ]
    assert set(harness.states().values()) == {"allocated"}
    assert harness.rows("SELECT released_by, released_reason FROM hold") == [("li", "fixed")]
    assert ended() == [("replayed", "li", "fixed")]
    assert tally() == (0, 0, 0)
    assert harness.rows("SELECT who, verb, object, reason FROM audit") == [
        ("li", "letter_closed", f"letter/{letter}", "fixed")
    ]
    assert harness.one("SELECT count(*) FROM event WHERE kind = 'letter_replayed' AND cause = 'person'") == 1


def test_the_letter_says_what_the_order_is_worth_and_who_gave_up(harness, dead, tally):
    package = harness.package()
    harness.rows("UPDATE orders SET payable_minor = 1250")
    dead(1, "sick", package)
    assert harness.rows("SELECT at_risk_minor, currency, worker FROM dead_letter") == [(1250, "CNY", 0)]
    assert tally() == (1, 1, 1250)


def test_what_dies_again_says_that_it_was_sent_back(harness, dead, send_back):
    ((package, letter),) = dead().items()
    send_back(letter)
    harness.rows("DELETE FROM work")
    dead(1, "sick", package)
    assert harness.rows("SELECT replays FROM dead_letter ORDER BY id") == [(0,), (1,)]


def test_a_replay_in_a_lane_runs_there(harness, dead, send_back):
    ((_, letter),) = dead().items()
    harness.rows("UPDATE fulfillment_order SET lane = 'p0'")
    send_back(letter, lane=Lane.BULK)
    assert harness.one("SELECT lane FROM work") == "bulk"


def test_alone_it_keeps_the_lane_of_its_order(harness, dead, send_back):
    ((_, letter),) = dead().items()
    harness.rows("UPDATE fulfillment_order SET lane = 'p0'")
    send_back(letter)
    assert harness.one("SELECT lane FROM work") == "p0"


def test_what_killed_its_worker_runs_alone(harness, dead, send_back):
    ((package, letter),) = dead().items()
    harness.rows("UPDATE dead_letter SET crashes = 3")
    send_back(letter)
    assert harness.work() == {package: (0, 0, True)}


@pytest.mark.parametrize("way", [CLOSE_ORDER, BOOK], ids=["closed", "booked"])
def test_an_order_that_moved_on_supersedes_its_letter(harness, dead, send_back, ended, way):
    ((package, letter),) = dead().items()
    harness.rows(way, *([package] if way is BOOK else []))
    (answer,) = send_back(letter)
    assert answer.answer is ReplayAnswer.SUPERSEDED
    assert harness.work() == {}
    assert [row[0] for row in ended()] == ["superseded"]
    assert set(harness.states().values()) <= {"closed", "allocated"}
    assert harness.one("SELECT count(*) FROM hold WHERE released_at IS NULL") == 0


def test_another_hold_comes_first(harness, dead, send_back, ended):
    ((_, letter),) = dead().items()
    harness.rows(HOLD)
    assert send_back(letter) == [
        Replayed(letter, ReplayAnswer.REFUSED, Reason(NoReplay.ALSO_HELD, {"holds": "refund_requested"}))
    ]
    assert ended() == [(None, None, None)]
    assert (harness.work(), set(harness.states().values())) == ({}, {"on_hold"})


def test_of_two_people_one_wins_and_the_other_is_told(harness, dead):
    ((package, letter),) = dead().items()
    told: list[Replayed] = []

    def second():
        with harness.db.transaction() as tx:
            told.extend(replay(tx, [letter], Author("wang", "me too"))[0])

    other = threading.Thread(target=second)
    with harness.db.transaction() as tx:
        replay(tx, [letter], LI)
        other.start()
        ends_at = time.monotonic() + DEADLINE_S
        while not waiting_for_a_lock(harness):
            assert time.monotonic() < ends_at, "the second never came"
    other.join(DEADLINE_S)
    assert told[0].answer is ReplayAnswer.REFUSED
    assert (told[0].why.code, told[0].why.facts["as"], told[0].why.facts["by"]) == (Ending.CLOSED, "replayed", "li")
    assert harness.one("SELECT count(*) FROM audit") == 1
    assert set(harness.work()) == {package}


def waiting_for_a_lock(harness):
    return harness.one(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )


def test_an_unknown_letter_is_refused(send_back):
    assert send_back(404) == [Replayed(404, ReplayAnswer.REFUSED, Reason(Ending.UNKNOWN))]


def test_all_letters_of_one_order_at_once_let_it_go_on(harness, dead, send_back):
    first = harness.package()
    second = harness.one(
        """INSERT INTO package (fulfillment_order_id, number, courier, account, location)
           SELECT fulfillment_order_id, 2, 'sf', 'sf/main', 'east' FROM package RETURNING id"""
    )
    letters = dead(2, "sick", first, second)
    send_back(*letters.values())
    assert set(harness.states().values()) == {"allocated"}
    assert harness.work().keys() == {first, second}
    assert harness.one("SELECT count(*) FROM hold WHERE released_at IS NULL") == 0


def test_one_after_the_other_the_last_one_lifts_the_hold(harness, dead, send_back):
    first = harness.package()
    second = harness.one(
        """INSERT INTO package (fulfillment_order_id, number, courier, account, location)
           SELECT fulfillment_order_id, 2, 'sf', 'sf/main', 'east' FROM package RETURNING id"""
    )
    letters = dead(2, "sick", first, second)
    send_back(letters[first])
    assert harness.one("SELECT count(*) FROM hold WHERE released_at IS NULL") == 1
    send_back(letters[second])
    assert harness.one("SELECT count(*) FROM hold WHERE released_at IS NULL") == 0
    assert set(harness.states().values()) == {"allocated"}


def test_the_engine_closes_only_what_moved_on(harness, dead, ended):
    letters = dead(3)
    booked, *_ = letters
    harness.rows(BOOK, booked)
    with harness.db.transaction() as tx:
        assert close_superseded(tx, list(letters.values()))[0] == 1
    assert ended() == [("superseded", "engine", 'step_done {"step": "label"}'), *[(None, None, None)] * 2]
    assert sorted(harness.states().values()) == ["allocated", "on_hold", "on_hold"]


def test_the_same_work_that_is_due_already_is_not_doubled(harness, dead, send_back):
    ((package, letter),) = dead().items()
    harness.due("label", [package], account="sf/main", after_s=600)
    send_back(letter)
    assert harness.rows("SELECT count(*), bool_and(due_at <= now()) FROM work") == [(1, True)]
