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
from infra.engine.results import Failed, NewWork, Settled
from infra.engine.write_outcomes import Place
from infra.queue.bells import BellKey


class Killed(BaseException):
    """What no handler may swallow: a stand-in for the end of the process."""


async def yes(_one):
    return "yes"


def judge(one, answer):
    return Failed(one.place, answer) if isinstance(answer, Exception) else Settled(one.place, Done())


def leases(house):
    return house.rows("SELECT subject_id, lease_token IS NOT NULL FROM work ORDER BY subject_id")


def test_lease_and_flight_are_durable_before_the_call(house, toy_call):
    ids = [house.package() for _ in range(3)]
    key = house.due("label", ids, account="sf/main")
    seen = []

    async def look(_one):
        leased = await asyncio.to_thread(leases, house)
        seen.append((leased, await asyncio.to_thread(house.rows, "SELECT subject_ids FROM flight")))

    assert house.remote(toy_call(look)).run(key) == 3
    assert seen == [([(id_, True) for id_ in ids], [(ids,)])] * 3
    assert house.work() == {}
    assert house.one("SELECT count(*) FROM flight") == 0


def test_two_runners_at_once_never_call_for_the_same_subject(house, toy_call):
    ids = [house.package() for _ in range(20)]
    key = house.due("label", ids)
    calling = threading.Barrier(2, timeout=20)
    called = []

    async def answer(one):
        called.append(one.place.subject_id)
        if len(called) in {1, 2}:
            await asyncio.to_thread(calling.wait)

    steps = [toy_call(answer, at_once=1), toy_call(answer, at_once=1)]
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda step: house.remote(step, batch_max=10).run(key), steps))
    assert sorted(called) == ids


def test_a_killed_process_leaves_lease_and_flight(house, toy_call):
    [id_] = ids = [house.package()]
    key = house.due("label", ids)

    async def die(_one):
        raise Killed

    with pytest.raises(Killed):
        house.remote(toy_call(die)).run(key)
    assert leases(house) == [(id_, True)]
    assert house.rows("SELECT worker, subject_ids, is_alone FROM flight") == [(house.worker, ids, False)]
    assert house.remote(toy_call(yes)).run(key) == 0, "leased: nobody else claims it"


def test_a_late_save_is_refused_by_its_token(house, toy_call):
    late, kept = ids = [house.package() for _ in range(2)]
    key = house.due("label", ids)

    async def lose_the_lease(one):
        if one.place.subject_id == late:
            await asyncio.to_thread(
                house.rows, "UPDATE work SET lease_token = gen_random_uuid() WHERE subject_id = %s", late
            )

    step = toy_call(lose_the_lease)
    house.remote(step).run(key)
    assert [id_ for id_, _ in step.recorded] == [kept]
    assert list(house.work()) == [late]
    assert house.alarms() == [(AlarmKind.LATE_SAVE_REFUSED, "label", 1)]


def test_a_failure_does_not_touch_a_lease_that_was_lost(house):
    lost, ours = ids = [house.package() for _ in range(2)]
    key, token = house.due("label", ids), uuid4()
    house.rows("UPDATE work SET lease_token = gen_random_uuid(), lease_until = now()")
    house.rows("UPDATE work SET lease_token = %s WHERE subject_id = %s", token, ours)
    for id_ in ids:
        fail(house.db, key, id_, RuntimeError(), house.failures(), token=token)
    assert house.rows("SELECT subject_id, attempts, lease_token IS NOT NULL FROM work ORDER BY subject_id") == [
        (lost, 0, True),
        (ours, 1, False),
    ]


def test_too_short_a_lease_calls_nobody_and_spends_nothing(house, toy_call, stepped_clock):
    ids = [house.package() for _ in range(4)]
    key = house.due("label", ids)
    called = []

    async def slow(one):
        called.append(one.place.subject_id)
        stepped_clock.at += 50

    step = toy_call(slow, judge, clock=stepped_clock, at_once=1, call_s=30.0)
    house.remote(step, lease_s=60).run(key)
    assert len(called) == 1, "after the first call less than one call's time was left"
    left = sorted(set(ids) - set(called))
    assert house.work() == dict.fromkeys(left, (0, 0, False))
    assert all(isinstance(answer, NotCalledError) for id_, answer in step.recorded if id_ in left)
    assert [token for _, token in leases(house)] == [False] * 3
    house.remote(step, lease_s=600).run(key)
    assert house.work() == {}


def test_an_error_is_one_members_own_answer(house, toy_call):
    bad, good = ids = [house.package() for _ in range(2)]
    key = house.due("label", ids)

    async def answer(one):
        if one.place.subject_id == bad:
            raise Transient("reset")

    house.remote(toy_call(answer, judge)).run(key)
    assert house.work() == {bad: (1, 0, False)}
    assert good not in house.work()


def test_an_error_of_the_whole_call_is_judged_with_every_member(house, toy_call):
    ids = [house.package() for _ in range(2)]
    key = house.due("label", ids)
    step = toy_call(yes, judge)

    async def not_configured(_intents, _lease):
        raise Misconfigured("account_unknown")

    step.call = not_configured
    for _ in range(house.limits.bug_attempts_max + 1):
        house.remote(step).run(key)
        house.fall_due()
    assert house.work() == dict.fromkeys(ids, (0, 0, False)), "an account heals without spending the orders' tries"

    async def broken(_intents, _lease):
        raise KeyError

    step.call = broken
    for _ in range(house.limits.bug_attempts_max):
        house.remote(step).run(key)
        house.fall_due()
    assert {code for code, _ in house.letters().values()} == {"KeyError"}


def test_a_member_whose_intent_raises_fails_alone(house, toy_call, arm):
    ids = [house.package() for _ in range(3)]
    key = house.due("label", ids)
    arm("label.intend", "postgres", ids[1])
    step = toy_call(yes)
    house.remote(step).run(key)
    assert sorted(id_ for id_, _ in step.recorded) == [ids[0], ids[2]]
    assert house.work() == {ids[1]: (1, 0, False)}


def test_a_suspect_whose_intent_raises_is_judged_too(house, toy_call, arm):
    suspect, neighbour = ids = [house.package() for _ in range(2)]
    key = house.due("label", ids)._replace(alone=True)
    house.rows("UPDATE work SET is_suspect = true WHERE subject_id = %s", suspect)
    arm("label.intend", "raise")
    for _ in range(house.limits.bug_attempts_max):
        house.remote(toy_call(yes)).run(key)
        house.fall_due()
    assert list(house.letters()) == [suspect]
    assert house.work() == {neighbour: (0, 0, False)}


def test_a_member_whose_record_raises_fails_alone(house, toy_call, arm):
    ids = [house.package() for _ in range(3)]
    key = house.due("label", ids)
    arm("label.record", "postgres", ids[1])
    house.remote(toy_call(yes)).run(key)
    assert house.work() == {ids[1]: (1, 0, False)}
    assert leases(house) == [(ids[1], False)]
    assert house.one("SELECT count(*) FROM flight") == 0, "or a later crash would be blamed on it"


def test_the_order_may_move_during_the_call(house, toy_call):
    """The hold is judged by the state of the order at the record, not by its state before the call."""
    id_ = house.package("allocated")
    key = house.due("label", [id_])

    async def warehouse_is_faster(_one):
        await asyncio.to_thread(house.rows, "UPDATE fulfillment_order SET state = 'in_warehouse'")

    step = toy_call(warehouse_is_faster, lambda one, _: Settled(one.place, Hold(HoldCode.WAYBILL_ERROR)))
    house.remote(step).run(key)
    assert house.rows("SELECT state, resume_state FROM fulfillment_order") == [("on_hold", "in_warehouse")]
    assert house.work() == {}


def test_what_is_settled_without_a_call_needs_none(house, toy_call):
    id_ = house.package()
    key = house.due("label", [id_])
    step = toy_call(yes)
    step.intend = lambda _tx, ids: Intended(
        (), [Settled(Place(ids[0], Lane.BULK), Done(), follow=(NewWork("writeback", 7, Lane.P0),))]
    )
    assert house.remote(step).run(key) == 1
    assert step.recorded == []
    assert house.bells.keys == [BellKey("writeback", "p0", "")]


def test_vanished_subjects_are_finished_and_full_batches_ring_again(house, toy_call):
    key = house.due("label", [404, 405, 406])
    runner = house.remote(toy_call(yes), batch_max=2)
    assert runner.run(key) == 2
    assert house.bells.keys == [key]
    assert runner.run(key) == 1
    assert house.work() == {}
    assert runner.run(key) == 0


def test_a_database_that_is_away_is_nobodys_fault(house, toy_call, monkeypatch):
    ids = [house.package()]
    key = house.due("label", ids)
    step = toy_call(yes)

    def gone(*_):
        monkeypatch.setattr(type(house.db), "is_reachable", lambda _self: False)
        raise psycopg.OperationalError("gone")

    step.record = gone
    with pytest.raises(psycopg.OperationalError):
        house.remote(step).run(key)
    monkeypatch.undo()
    assert house.rows("SELECT attempts, lease_token IS NOT NULL FROM work") == [(0, True)]
    house.rows("UPDATE work SET lease_token = NULL, lease_until = NULL")
    step.intend = gone
    with pytest.raises(psycopg.OperationalError):
        house.remote(step).run(key)
    monkeypatch.undo()
    assert [row[0] for row in house.work().values()] == [0]


def test_a_missing_answer_means_that_nobody_was_called(house, toy_call):
    id_ = house.package()
    key = house.due("label", [id_])
    step = toy_call(yes, judge)

    async def forgetful(_intents, _lease):
        return {}

    step.call = forgetful
    house.remote(step).run(key)
    assert isinstance(step.recorded[0][1], NotCalledError)
    assert house.work() == {id_: (0, 0, False)}


def test_a_process_that_drains_ends_the_calls_it_has_begun_and_begins_no_more(house, toy_call):
    ids = [house.package() for _ in range(6)]
    key = house.due("label", ids)
    begun, told_to_stop = [], threading.Event()

    async def answer(one):
        begun.append(one.place.subject_id)
        if len(begun) == 2:
            told_to_stop.set()
        await asyncio.sleep(0)
        return "yes"

    step = toy_call(answer, judge, at_once=2)
    replace(house.remote(step), is_draining=told_to_stop.is_set).run(key)
    assert {id_ for id_, given in step.recorded if given == "yes"} == set(begun)
    assert len(begun) == 2
    assert house.work() == dict.fromkeys(set(ids) - set(begun), (0, 0, False))
    house.remote(step).run(key)
    assert house.work() == {}


@pytest.mark.parametrize("is_handed_back", [True, False])
def test_what_a_leaving_worker_hands_back_has_no_failure_counted(house, toy_call, is_handed_back):
    """The door closes under a call. Without handing back, its failure would be the subject's."""
    id_ = house.package()
    key = house.due("label", [id_])

    async def answer(_one):
        if is_handed_back:
            await asyncio.to_thread(hand_back, house.db, house.worker)
        raise UnknownOutcome("connection_failed")

    house.remote(toy_call(answer, judge)).run(key)
    assert house.work() == {id_: (0 if is_handed_back else 1, 0, False)}
    assert house.rows("SELECT lease_token FROM work") == [(None,)]
    assert house.rows("SELECT 1 FROM flight") == []


def test_only_its_own_is_handed_back(house, toy_call):
    id_ = house.package()
    key = house.due("label", [id_])

    async def answer(_one):
        await asyncio.to_thread(hand_back, house.db, house.worker + 1)
        return "yes"

    house.remote(toy_call(answer, judge)).run(key)
    assert house.work() == {}


@pytest.mark.parametrize(
    ("error", "attempts", "held"), [(Throttled("slow", after_s=5), 0, 0), (Refused("no"), None, 1)]
)
def test_the_error_tree_holds_for_outer_steps(house, toy_call, error, attempts, held):
    id_ = house.package()
    key = house.due("label", [id_])

    async def answer(_one):
        raise error

    house.remote(toy_call(answer, judge)).run(key)
    assert [row[0] for row in house.work().values()] == ([] if attempts is None else [attempts])
    assert house.rows("SELECT code FROM hold") == [("waybill_error",)] * held


async def test_call_each_keeps_to_its_width_and_gives_everybody_an_answer(toy_call):
    under_way, widest = 0, 0

    async def call(one):
        nonlocal under_way, widest
        under_way += 1
        widest = max(widest, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        if one.place.subject_id == 3:
            raise Transient("three")
        return one.place.subject_id * 10

    intents = [SimpleNamespace(place=Place(number, Lane.P1)) for number in range(9)]
    answers = await call_each(intents, call, at_once=4, start_before=1.0, now=lambda: 0.0)
    assert widest == 4
    assert {id_: answer for id_, answer in answers.items() if id_ != 3} == {n: n * 10 for n in range(9) if n != 3}
    assert isinstance(answers[3], Transient)
