import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from uuid import uuid4

import psycopg
import pytest

from domain.alarms import AlarmKind
from domain.errors import Misconfigured, Refused, Throttled, Transient, UnknownOutcome
from domain.holds import HoldCode
from domain.order import Lane
from domain.outcomes import Done, Hold
from infra.engine.claims import fail, hand_back
from infra.engine.remote import Intended, NotCalledError, call_each
from infra.engine.results import Failed, Finished, NewWork
from infra.engine.write_outcomes import SubjectRef
from infra.queue.bells import BellKey


class Killed(BaseException):
    """What no handler may swallow: a stand-in for the end of the process."""


async def yes(_one):
    return "yes"


def judge(one, answer):
    return Failed(one.ref, answer) if isinstance(answer, Exception) else Finished(one.ref, Done())


def leases(harness):
    return harness.rows("SELECT subject_id, lease_token IS NOT NULL FROM work ORDER BY subject_id")


def test_lease_and_flight_are_durable_before_the_call(harness, toy_call):
    ids = [harness.package() for _ in range(3)]
    key = harness.due("label", ids, account="sf/main")
    seen = []

    async def look(_one):
        leased = await asyncio.to_thread(leases, harness)
        seen.append((leased, await asyncio.to_thread(harness.rows, "SELECT subject_ids FROM flight")))

    assert harness.remote(toy_call(look)).run(key) == 3
    assert seen == [([(id_, True) for id_ in ids], [(ids,)])] * 3
    assert harness.work() == {}
    assert harness.one("SELECT count(*) FROM flight") == 0


def test_two_runners_at_once_never_call_for_the_same_subject(harness, toy_call):
    ids = [harness.package() for _ in range(20)]
    key = harness.due("label", ids)
    calling = threading.Barrier(2, timeout=20)
    called = []

    async def answer(one):
        called.append(one.ref.subject_id)
        if len(called) in {1, 2}:
            await asyncio.to_thread(calling.wait)

    steps = [toy_call(answer, at_once=1), toy_call(answer, at_once=1)]
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda step: harness.remote(step, batch_max=10).run(key), steps))
    assert sorted(called) == ids


def test_a_killed_process_leaves_lease_and_flight(harness, toy_call):
    [id_] = ids = [harness.package()]
    key = harness.due("label", ids)

    async def die(_one):
        raise Killed

    with pytest.raises(Killed):
        harness.remote(toy_call(die)).run(key)
    assert leases(harness) == [(id_, True)]
    assert harness.rows("SELECT worker, subject_ids, is_alone FROM flight") == [(harness.worker, ids, False)]
    assert harness.remote(toy_call(yes)).run(key) == 0, "leased: nobody else claims it"


def test_a_late_save_is_refused_by_its_token(harness, toy_call):
    late, kept = ids = [harness.package() for _ in range(2)]
    key = harness.due("label", ids)

    async def lose_the_lease(one):
        if one.ref.subject_id == late:
            await asyncio.to_thread(
                harness.rows, "UPDATE work SET lease_token = gen_random_uuid() WHERE subject_id = %s", late
            )

    step = toy_call(lose_the_lease)
    harness.remote(step).run(key)
    assert [id_ for id_, _ in step.recorded] == [kept]
    assert list(harness.work()) == [late]
    assert harness.alarms() == [(AlarmKind.LATE_SAVE_REFUSED, "label", 1)]


def test_a_failure_does_not_touch_a_lease_that_was_lost(harness):
    lost, ours = ids = [harness.package() for _ in range(2)]
    key, token = harness.due("label", ids), uuid4()
    harness.rows("UPDATE work SET lease_token = gen_random_uuid(), lease_until = now()")
    harness.rows("UPDATE work SET lease_token = %s WHERE subject_id = %s", token, ours)
    for id_ in ids:
        fail(harness.db, key, id_, RuntimeError(), harness.failures(), token=token)
    assert harness.rows("SELECT subject_id, attempts, lease_token IS NOT NULL FROM work ORDER BY subject_id") == [
        (lost, 0, True),
        (ours, 1, False),
    ]


def test_too_short_a_lease_calls_nobody_and_spends_nothing(harness, toy_call, stepped_clock):
    ids = [harness.package() for _ in range(4)]
    key = harness.due("label", ids)
    called = []

    async def slow(one):
        called.append(one.ref.subject_id)
        stepped_clock.at += 50

    step = toy_call(slow, judge, clock=stepped_clock, at_once=1, call_s=30.0)
    harness.remote(step, lease_s=60).run(key)
    assert len(called) == 1, "after the first call less than one call's time was left"
    left = sorted(set(ids) - set(called))
    assert harness.work() == dict.fromkeys(left, (0, 0, False))
    assert all(isinstance(answer, NotCalledError) for id_, answer in step.recorded if id_ in left)
    assert [token for _, token in leases(harness)] == [False] * 3
    harness.remote(step, lease_s=600).run(key)
    assert harness.work() == {}


def test_an_error_is_one_members_own_answer(harness, toy_call):
    bad, good = ids = [harness.package() for _ in range(2)]
    key = harness.due("label", ids)

    async def answer(one):
        if one.ref.subject_id == bad:
            raise Transient("reset")

    harness.remote(toy_call(answer, judge)).run(key)
    assert harness.work() == {bad: (1, 0, False)}
    assert good not in harness.work()


def test_an_error_of_the_whole_call_is_judged_with_every_member(harness, toy_call):
    ids = [harness.package() for _ in range(2)]
    key = harness.due("label", ids)
    step = toy_call(yes, judge)

    async def not_configured(_intents, _lease):
        raise Misconfigured("account_unknown")

    step.call = not_configured
    for _ in range(harness.limits.bug_attempts_max + 1):
        harness.remote(step).run(key)
        harness.fall_due()
    assert harness.work() == dict.fromkeys(ids, (0, 0, False)), "an account heals without spending the orders' tries"

    async def broken(_intents, _lease):
        raise KeyError

    step.call = broken
    for _ in range(harness.limits.bug_attempts_max):
        harness.remote(step).run(key)
        harness.fall_due()
    assert {code for code, _ in harness.letters().values()} == {"KeyError"}


def test_a_member_whose_intent_raises_fails_alone(harness, toy_call, arm):
    ids = [harness.package() for _ in range(3)]
    key = harness.due("label", ids)
    arm("label.intend", "postgres", ids[1])
    step = toy_call(yes)
    harness.remote(step).run(key)
    assert sorted(id_ for id_, _ in step.recorded) == [ids[0], ids[2]]
    assert harness.work() == {ids[1]: (1, 0, False)}


def test_a_suspect_whose_intent_raises_is_judged_too(harness, toy_call, arm):
    suspect, neighbour = ids = [harness.package() for _ in range(2)]
    key = harness.due("label", ids)._replace(alone=True)
    harness.rows("UPDATE work SET is_suspect = true WHERE subject_id = %s", suspect)
    arm("label.intend", "raise")
    for _ in range(harness.limits.bug_attempts_max):
        harness.remote(toy_call(yes)).run(key)
        harness.fall_due()
    assert list(harness.letters()) == [suspect]
    assert harness.work() == {neighbour: (0, 0, False)}


def test_a_member_whose_record_raises_fails_alone(harness, toy_call, arm):
    ids = [harness.package() for _ in range(3)]
    key = harness.due("label", ids)
    arm("label.record", "postgres", ids[1])
    harness.remote(toy_call(yes)).run(key)
    assert harness.work() == {ids[1]: (1, 0, False)}
    assert leases(harness) == [(ids[1], False)]
    assert harness.one("SELECT count(*) FROM flight") == 0, "or a later crash would be blamed on it"


def test_the_order_may_move_during_the_call(harness, toy_call):
    """The hold is judged by the state of the order at the record, not by its state before the call."""
    id_ = harness.package("allocated")
    key = harness.due("label", [id_])

    async def warehouse_is_faster(_one):
        await asyncio.to_thread(harness.rows, "UPDATE fulfillment_order SET state = 'in_warehouse'")

    step = toy_call(warehouse_is_faster, lambda one, _: Finished(one.ref, Hold(HoldCode.WAYBILL_ERROR)))
    harness.remote(step).run(key)
    assert harness.rows("SELECT state, resume_state FROM fulfillment_order") == [("on_hold", "in_warehouse")]
    assert harness.work() == {}


def test_what_is_settled_without_a_call_needs_none(harness, toy_call):
    id_ = harness.package()
    key = harness.due("label", [id_])
    step = toy_call(yes)
    step.intend = lambda _tx, ids: Intended(
        (), [Finished(SubjectRef(ids[0], Lane.BULK), Done(), follow=(NewWork("writeback", 7, Lane.P0),))]
    )
    assert harness.remote(step).run(key) == 1
    assert step.recorded == []
    assert harness.bells.keys == [BellKey("writeback", "p0", "")]


def test_vanished_subjects_are_finished_and_full_batches_ring_again(harness, toy_call):
    key = harness.due("label", [404, 405, 406])
    runner = harness.remote(toy_call(yes), batch_max=2)
    assert runner.run(key) == 2
    assert harness.bells.keys == [key]
    assert runner.run(key) == 1
    assert harness.work() == {}
    assert runner.run(key) == 0


def test_a_database_that_is_away_is_nobodys_fault(harness, toy_call, monkeypatch):
    ids = [harness.package()]
    key = harness.due("label", ids)
    step = toy_call(yes)

    def gone(*_):
        monkeypatch.setattr(type(harness.db), "is_reachable", lambda _self: False)
        raise psycopg.OperationalError("gone")

    step.record = gone
    with pytest.raises(psycopg.OperationalError):
        harness.remote(step).run(key)
    monkeypatch.undo()
    assert harness.rows("SELECT attempts, lease_token IS NOT NULL FROM work") == [(0, True)]
    harness.rows("UPDATE work SET lease_token = NULL, lease_until = NULL")
    step.intend = gone
    with pytest.raises(psycopg.OperationalError):
        harness.remote(step).run(key)
    monkeypatch.undo()
    assert [row[0] for row in harness.work().values()] == [0]


def test_a_missing_answer_means_that_nobody_was_called(harness, toy_call):
    id_ = harness.package()
    key = harness.due("label", [id_])
    step = toy_call(yes, judge)

    async def forgetful(_intents, _lease):
        return {}

    step.call = forgetful
    harness.remote(step).run(key)
    assert isinstance(step.recorded[0][1], NotCalledError)
    assert harness.work() == {id_: (0, 0, False)}


def test_a_process_that_drains_ends_the_calls_it_has_begun_and_begins_no_more(harness, toy_call):
    ids = [harness.package() for _ in range(6)]
    key = harness.due("label", ids)
    begun, told_to_stop = [], threading.Event()

    async def answer(one):
        begun.append(one.ref.subject_id)
        if len(begun) == 2:
            told_to_stop.set()
        await asyncio.sleep(0)
        return "yes"

    step = toy_call(answer, judge, at_once=2)
    replace(harness.remote(step), is_draining=told_to_stop.is_set).run(key)
    assert {id_ for id_, given in step.recorded if given == "yes"} == set(begun)
    assert len(begun) == 2
    assert harness.work() == dict.fromkeys(set(ids) - set(begun), (0, 0, False))
    harness.remote(step).run(key)
    assert harness.work() == {}


@pytest.mark.parametrize("is_handed_back", [True, False])
def test_what_a_leaving_worker_hands_back_has_no_failure_counted(harness, toy_call, is_handed_back):
    """The door closes under a call. Without handing back, its failure would be the subject's."""
    id_ = harness.package()
    key = harness.due("label", [id_])

    async def answer(_one):
        if is_handed_back:
            await asyncio.to_thread(hand_back, harness.db, harness.worker)
        raise UnknownOutcome("connection_failed")

    harness.remote(toy_call(answer, judge)).run(key)
    assert harness.work() == {id_: (0 if is_handed_back else 1, 0, False)}
    assert harness.rows("SELECT lease_token FROM work") == [(None,)]
    assert harness.rows("SELECT 1 FROM flight") == []


def test_only_its_own_is_handed_back(harness, toy_call):
    id_ = harness.package()
    key = harness.due("label", [id_])

    async def answer(_one):
        await asyncio.to_thread(hand_back, harness.db, harness.worker + 1)
        return "yes"

    harness.remote(toy_call(answer, judge)).run(key)
    assert harness.work() == {}


@pytest.mark.parametrize(
    ("error", "attempts", "held"), [(Throttled("slow", after_s=5), 0, 0), (Refused("no"), None, 1)]
)
def test_the_error_tree_holds_for_outer_steps(harness, toy_call, error, attempts, held):
    id_ = harness.package()
    key = harness.due("label", [id_])

    async def answer(_one):
        raise error

    harness.remote(toy_call(answer, judge)).run(key)
    assert [row[0] for row in harness.work().values()] == ([] if attempts is None else [attempts])
    assert harness.rows("SELECT code FROM hold") == [("waybill_error",)] * held


async def test_call_each_keeps_to_its_width_and_gives_everybody_an_answer(toy_call):
    under_way, widest = 0, 0

    async def call(one):
        nonlocal under_way, widest
        under_way += 1
        widest = max(widest, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        if one.ref.subject_id == 3:
            raise Transient("three")
        return one.ref.subject_id * 10

    intents = [SimpleNamespace(ref=SubjectRef(number, Lane.P1)) for number in range(9)]
    answers = await call_each(intents, call, at_once=4, start_before=1.0, now=lambda: 0.0)
    assert widest == 4
    assert {id_: answer for id_, answer in answers.items() if id_ != 3} == {n: n * 10 for n in range(9) if n != 3}
    assert isinstance(answers[3], Transient)
