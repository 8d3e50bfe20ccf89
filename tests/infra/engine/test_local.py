import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg_pool import PoolTimeout

from domain.errors import Conflict, Poison, Refused, Throttled, Transient
from domain.holds import HoldCode
from domain.order import Lane
from domain.outcomes import Done, Hold, Later
from domain.states import Cause, State
from infra.engine.results import Finished, NewWork
from infra.queue.bells import BellKey

APPROVE = Done(State.APPROVED)


def test_two_runners_at_once_never_claim_the_same_subject(harness, toy):
    ids = [harness.order() for _ in range(40)]
    key = harness.due("review", ids)
    both_hold_rows = threading.Barrier(2, timeout=20)
    met = threading.local()

    def meet(_tx, _ids):
        if not hasattr(met, "once"):
            met.once = True
            both_hold_rows.wait()

    steps = [toy(before=meet), toy(before=meet)]
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda step: harness.local(step, batch_max=10).run(key), steps))
    claimed = [one for step in steps for batch in step.batches for one in batch]
    assert len(claimed) == len(set(claimed)) == 20
    assert len(harness.work()) == 20


def test_done_commits_state_event_finished_and_new_work_together(harness, toy):
    [id_] = ids = [harness.order()]
    key = harness.due("review", ids)
    follow = (NewWork("route", id_, Lane.P0), NewWork("route", id_ + 1, Lane.P1, "later", after_s=60))
    harness.local(toy(lambda one: Finished(one.ref, APPROVE, follow=follow, lane=Lane.P0))).run(key)
    assert harness.states() == {id_: "approved"}
    assert harness.rows("SELECT step, lane, account, due_at > now() FROM work ORDER BY subject_id") == [
        ("route", "p0", "", False),
        ("route", "p1", "later", True),
    ]
    assert harness.rows("SELECT lane FROM fulfillment_order") == [("p0",)]
    assert harness.kinds(id_) == ["review_moved"]
    assert harness.bells.keys == [BellKey("route", "p0", "")], "what is due later needs no bell"


def test_a_bug_fails_one_member_only(harness, toy):
    ids = [harness.order() for _ in range(5)]
    key = harness.due("review", ids)

    def decide(one):
        if one.ref.subject_id == ids[2]:
            raise ZeroDivisionError
        return Finished(one.ref, APPROVE)

    step = toy(decide)
    assert harness.local(step).run(key) == 5
    assert harness.work() == {ids[2]: (1, 0, False)}
    assert [state for id_, state in harness.states().items() if id_ != ids[2]] == ["approved"] * 4
    assert len(step.batches) == 1, "the batch ran once"


def test_a_database_error_isolates_its_member_and_the_neighbours_commit(harness, toy, arm):
    ids = [harness.order() for _ in range(5)]
    key = harness.due("review", ids)
    arm("review.work", "postgres", ids[3])
    harness.local(toy(lambda one: Finished(one.ref, APPROVE))).run(key)
    assert [id_ for id_, state in harness.states().items() if state == "paid"] == [ids[3]]
    assert harness.work() == {ids[3]: (1, 0, False)}
    [[causes]] = harness.rows("SELECT causes FROM work")
    assert [cause["code"] for cause in causes] == ["DivisionByZero"]
    assert harness.one("SELECT count(*) FROM flight") == 0


def test_a_rolled_back_batch_leaves_no_trace(harness, toy):
    ids = [harness.order() for _ in range(3)]
    key = harness.due("review", ids)

    def write_then_fail(tx, _ids):
        tx.execute("UPDATE fulfillment_order SET lane = 'p0'")
        raise RuntimeError

    harness.local(toy(before=write_then_fail)).run(key)
    assert harness.rows("SELECT DISTINCT lane, state FROM fulfillment_order") == [("bulk", "paid")]
    assert harness.work() == dict.fromkeys(ids, (1, 0, False))
    assert harness.rows("SELECT * FROM event") == []


def test_a_killed_runner_leaves_its_work_due_and_a_flight_that_names_it(harness, toy):
    class Killed(BaseException):
        pass

    def die(_tx, _ids):
        raise Killed

    ids = [harness.order() for _ in range(2)]
    key = harness.due("review", ids)
    with pytest.raises(Killed):
        harness.local(toy(before=die)).run(key)
    assert harness.work() == dict.fromkeys(ids, (0, 0, False))
    assert harness.rows("SELECT worker, subject_ids, is_alone FROM flight") == [(harness.worker, ids, False)]


def test_vanished_subjects_are_finished_quietly(harness, toy):
    key = harness.due("review", [404, 405])
    assert harness.local(toy()).run(key) == 2
    assert harness.work() == {}


def test_a_full_batch_rings_for_the_rest_and_a_partial_one_does_not(harness, toy):
    key = harness.due("review", [harness.order() for _ in range(5)])
    runner = harness.local(toy(), batch_max=3)
    assert runner.run(key) == 3
    assert harness.bells.keys == [key]
    assert runner.run(key) == 2
    assert harness.bells.keys == [key]
    assert runner.run(key) == 0


def test_work_of_another_key_or_another_time_is_left_alone(harness, toy):
    other_lane, other_account, later = (harness.order() for _ in range(3))
    harness.due("review", [other_lane], lane="p0")
    harness.due("review", [other_account], account="taobao/s1")
    harness.due("review", [later], after_s=60)
    assert harness.local(toy()).run(BellKey("review", "bulk", "")) == 0


def test_later_spends_no_attempt_and_keeps_the_row(harness, toy):
    [id_] = ids = [harness.order()]
    key = harness.due("review", ids)
    harness.local(toy(lambda one: Finished(one.ref, Later("gate_shut", after_s=90)))).run(key)
    [[attempts, causes, wait_s]] = harness.rows(
        "SELECT attempts, causes, extract(epoch FROM due_at - now())::float8 FROM work WHERE subject_id = %s", id_
    )
    assert (attempts, causes) == (0, [])
    assert 80 < wait_s <= 90


def test_a_hold_moves_the_state_and_stops(harness, toy):
    [id_] = ids = [harness.order("approved")]
    key = harness.due("review", ids)
    harness.local(toy(lambda one: Finished(one.ref, Hold(HoldCode.PLATFORM_HOLD, {"why": "test"})))).run(key)
    assert harness.rows("SELECT state, resume_state FROM fulfillment_order") == [("on_hold", "approved")]
    assert harness.rows("SELECT code, step, owner, facts, due_at > now() FROM hold") == [
        ("platform_hold", "review", "service", {"why": "test"}, True)
    ]
    assert harness.work() == {}
    assert harness.kinds(id_) == ["hold_opened", "review_moved"]


def test_a_hold_on_what_has_left_stands_beside_the_state(harness, toy):
    key = harness.due("review", [harness.order("in_transit")])
    harness.local(toy(lambda one: Finished(one.ref, Hold(HoldCode.BUYER_CHANGED)))).run(key)
    assert harness.one("SELECT state FROM fulfillment_order") == "in_transit"
    assert harness.one("SELECT count(*) FROM hold") == 1


def test_the_same_hold_twice_is_one(harness, toy):
    ids = [harness.order()]
    for _ in range(2):
        key = harness.due("review", ids)
        harness.local(toy(lambda one: Finished(one.ref, Hold(HoldCode.PLATFORM_HOLD)))).run(key)
    assert harness.one("SELECT count(*) FROM hold") == 1


def test_an_illegal_move_is_refused_and_recorded(harness, toy):
    [id_] = ids = [harness.order("delivered")]
    key = harness.due("review", ids)
    harness.local(toy(lambda one: Finished(one.ref, APPROVE, lane=Lane.P0))).run(key)
    assert harness.states() == {id_: "delivered"}
    assert harness.rows("SELECT kind, from_state, to_state, facts FROM event") == [
        ("move_refused", "delivered", "approved", {"path": ["approved"]})
    ]
    assert harness.work() == {}


def test_a_refused_step_of_a_path_keeps_the_legal_ones(harness, toy):
    [id_] = ids = [harness.order("on_hold", "paid")]
    key = harness.due("review", ids)
    step = toy(lambda one: Finished(one.ref, Done(State.ALLOCATED), via=(State.PAID, State.APPROVED)))
    harness.local(step).run(key)
    assert harness.states() == {id_: "approved"}
    assert harness.kinds(id_) == ["review_moved", "review_moved", "move_refused"]


def test_a_final_state_has_its_time_and_its_reason(harness, toy):
    key = harness.due("review", [harness.order()])
    close = lambda one: Finished(one.ref, Done(State.CLOSED), Cause.PLATFORM, closed_reason="gone")  # noqa: E731 - one expression reads best
    harness.local(toy(close)).run(key)
    assert harness.rows("SELECT state, finished_at IS NOT NULL, closed_reason FROM fulfillment_order") == [
        ("closed", True, "gone")
    ]


def test_done_without_a_state_tells_the_timeline(harness, toy):
    [id_] = ids = [harness.order()]
    harness.local(toy()).run(harness.due("review", ids))
    assert harness.kinds(id_) == ["review_done"]
    assert harness.states() == {id_: "paid"}


def raising(error):
    def decide(_one):
        raise error

    return decide


def test_retries_back_off_then_a_dead_letter_with_the_whole_cause_chain(harness, toy):
    [id_] = ids = [harness.order()]
    key = harness.due("review", ids)
    runner = harness.local(toy(raising(Transient("stock_feed_slow", "no answer"))))
    waits = []
    for _ in range(harness.limits.attempts_max - 1):
        runner.run(key)
        waits.append(harness.one("SELECT round(extract(epoch FROM due_at - now()))::int FROM work"))
        harness.fall_due()
    assert waits == [1, 2, 4, 8, 16, 32, 64]
    runner.run(key)
    assert harness.work() == {}
    code, causes = harness.letters()[id_]
    assert code == "stock_feed_slow"
    assert [cause["attempt"] for cause in causes] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert {cause["message"] for cause in causes} == {"no answer"}
    assert harness.rows("SELECT state, resume_state FROM fulfillment_order") == [("on_hold", "paid")]
    assert harness.rows("SELECT code FROM hold") == [("dead_letter",)]


def test_a_bug_is_tried_a_few_times_and_its_letter_shows_what_was_behind(harness, toy):
    [id_] = ids = [harness.order()]
    key = harness.due("review", ids)

    def decide(_one):
        try:
            raise KeyError("boom")  # noqa: TRY301 - a chain of two is the point
        except KeyError as error:
            raise ValueError from error

    runner = harness.local(toy(decide))
    for _ in range(harness.limits.bug_attempts_max):
        assert harness.letters() == {}
        runner.run(key)
        harness.fall_due()
    code, causes = harness.letters()[id_]
    assert code == "ValueError"
    assert [cause["type"] for cause in causes[-1]["behind"]] == ["builtins.KeyError"]


@pytest.mark.parametrize(
    ("error", "left"),
    [
        (Poison("unreadable"), {"letter": "unreadable"}),
        (Refused("no_way"), {"letter": "no_way"}),
        (Conflict("moved_on"), {"letter": "moved_on"}),
        (Throttled("slow_down", after_s=30), {"attempts": 0}),
    ],
)
def test_the_error_tree_decides_what_happens_next(harness, toy, error, left):
    [id_] = ids = [harness.order()]
    harness.local(toy(raising(error))).run(harness.due("review", ids))
    if "letter" in left:
        assert harness.letters()[id_][0] == left["letter"]
    if "attempts" in left:
        assert harness.work() == {id_: (left["attempts"], 0, False)}


def test_a_busy_database_is_no_bug(harness, toy):
    [id_] = ids = [harness.order()]
    key = harness.due("review", ids)

    def wait_too_long(tx, _ids):
        tx.execute("SET LOCAL statement_timeout = 1")
        tx.execute("SELECT pg_sleep(5)")

    runner = harness.local(toy(before=wait_too_long))
    for _ in range(harness.limits.bug_attempts_max + 1):
        runner.run(key)
        harness.fall_due()
    assert harness.letters() == {}
    [[causes]] = harness.rows("SELECT causes FROM work WHERE subject_id = %s", id_)
    assert causes[0]["code"] == "database_unavailable"
    assert causes[0]["behind"][0]["type"].endswith("QueryCanceled")


@pytest.mark.parametrize(
    "error",
    [
        psycopg.errors.DeadlockDetected,
        psycopg.errors.SerializationFailure,
        psycopg.errors.LockNotAvailable,
        psycopg.errors.DiskFull,
        psycopg.errors.OutOfMemory,
        psycopg.errors.TooManyConnections,
        psycopg.errors.AdminShutdown,
        psycopg.errors.ConnectionFailure,
        psycopg.OperationalError,
        PoolTimeout,
    ],
)
def test_a_database_that_cannot_now_spends_nobodys_attempt(harness, toy, error):
    [id_] = ids = [harness.order()]
    runner, key = harness.local(toy(raising(error("not now")))), harness.due("review", ids)
    for _ in range(harness.limits.attempts_max + 1):
        runner.run(key)
        harness.fall_due()
    assert harness.letters() == {}
    assert harness.work() == {id_: (0, 0, False)}


@pytest.mark.parametrize(
    "error",
    [
        psycopg.errors.StatementTooComplex,
        psycopg.errors.ConfigurationLimitExceeded,
        psycopg.errors.ObjectInUse,
        psycopg.errors.UndefinedFile,
    ],
)
def test_what_the_database_may_never_be_able_to_do_ends_in_a_letter(harness, toy, error):
    [id_] = ids = [harness.order()]
    runner, key = harness.local(toy(raising(error("never")))), harness.due("review", ids)
    for _ in range(harness.limits.attempts_max):
        assert harness.letters() == {}
        runner.run(key)
        harness.fall_due()
    assert harness.letters()[id_][0] == "database_unavailable"


def test_a_database_that_is_away_leaves_the_batch_alone(harness, toy, monkeypatch):
    key = harness.due("review", [harness.order()])

    def lose_the_server(_tx, _ids):
        monkeypatch.setattr(type(harness.db), "is_reachable", lambda _self: False)
        raise psycopg.OperationalError("gone")

    with pytest.raises(psycopg.OperationalError):
        harness.local(toy(before=lose_the_server)).run(key)
    assert [row[0] for row in harness.work().values()] == [0]


def test_a_member_that_somebody_else_finished_meanwhile_is_not_failed(harness, toy):
    ids = [harness.order() for _ in range(2)]
    key = harness.due("review", ids)
    runs = []

    def fail_the_batch(tx, subject_ids):
        runs.append(list(subject_ids))
        if len(subject_ids) > 1:
            raise RuntimeError
        if subject_ids == [ids[0]]:
            # The neighbour is taken away between the batch and its own turn.
            tx.execute("DELETE FROM work WHERE subject_id = %s", [ids[1]])

    harness.local(toy(before=fail_the_batch)).run(key)
    assert runs == [ids, [ids[0]]]
    assert harness.work() == {}
    assert harness.letters() == {}


def test_suspects_are_claimed_one_at_a_time_and_only_by_their_own_bell(harness, toy):
    ids = [harness.order() for _ in range(2)]
    key = harness.due("review", ids)
    harness.rows("UPDATE work SET is_suspect = true")
    step = toy()
    assert harness.local(step).run(key) == 0
    alone = key._replace(alone=True)
    assert harness.local(step).run(alone) == 1
    assert harness.bells.keys == [alone]
    assert harness.local(step).run(alone) == 1
    assert harness.local(step).run(alone) == 0
    assert sorted(step.batches) == [[ids[0]], [ids[1]]]


def test_a_move_that_lost_its_race_is_refused_although_the_row_was_locked(harness, toy):
    """The compare-and-set stands behind the lock: a step that lies about the state changes nothing."""
    [id_] = ids = [harness.order()]
    key = harness.due("review", ids)

    def lie(tx, _ids):
        tx.execute("UPDATE fulfillment_order SET state = 'approved'")

    step = toy(lambda one: Finished(one.ref, APPROVE))
    step.before = lie
    harness.local(step).run(key)
    assert harness.states() == {id_: "paid"}
    [[causes]] = harness.rows("SELECT causes FROM work")
    assert causes[0]["code"] == "RuntimeError"


def test_a_step_leads_only_where_the_map_says(harness, toy):
    [id_] = ids = [harness.order()]
    stray = (NewWork("label", id_, Lane.BULK),)
    harness.local(toy(lambda one: Finished(one.ref, APPROVE, follow=stray))).run(harness.due("review", ids))
    assert harness.states() == {id_: "paid"}
    assert harness.work() == {id_: (1, 0, False)}
