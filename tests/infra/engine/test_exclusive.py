"""What stands beside a killer in its process is not blamed, and the killer still ends as a dead letter."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace

import pytest

from domain.alarms import AlarmKind
from domain.outcomes import Done
from infra.engine.exclusive import ProcessRunner, ProcessRuns
from infra.engine.results import Finished
from infra.engine.worker_lock import take_exclusive
from infra.process.clock import SystemClock
from infra.queue.keys import BellKey
from infra.sweeper.stuck_work import Sweeper
from infra.tables import running_batches
from infra.tables.running_batches import RUNNING_BATCHES

KEY = BellKey("review", "bulk", "")
ALONE = KEY._replace(alone=True)
PATIENCE_S = 20.0
# Nobody has presence locks of these.
WORKERS = itertools.count(900_000)
# A subject that ran alone in its batch is blamed, whatever else ran in the dead process.
BY_FLIGHT = RUNNING_BATCHES["crashed_batches"].replace(
    b"AND (SELECT count(*) FROM flight AS o WHERE o.worker = f.worker) = 1", b""
)


class Killed(BaseException):
    """The end of the process: nothing of ours handles it."""


@pytest.fixture
def sweeper(harness):
    return Sweeper(harness.db, harness.bells, SystemClock(), harness.limits.crashes_max)


def die_side_by_side(harness, toy, count=2, key=ALONE):
    """One process of so many threads, with a suspect in each, is killed."""
    everybody = threading.Barrier(count, timeout=PATIENCE_S)
    worker = next(WORKERS)

    def die(_tx, _ids):
        everybody.wait()
        raise Killed

    def run(_):
        with suppress(Killed):
            replace(harness.local(toy(before=die)), worker=worker).run(key)

    with ThreadPoolExecutor(count) as threads:
        list(threads.map(run, range(count)))
    flights = harness.rows("SELECT is_alone FROM flight WHERE worker = %s", worker)
    assert flights == [(True,)] * count


def suspects(harness, count, lane="bulk"):
    ids = [harness.order() for _ in range(count)]
    harness.due("review", ids, lane)
    harness.rows("UPDATE work SET is_suspect = true")
    return ids


def exclusive(harness):
    return {row[0] for row in harness.rows("SELECT subject_id FROM work WHERE is_exclusive")}


def test_of_two_suspects_in_one_dead_process_none_is_blamed_and_both_run_exclusively(harness, toy, sweeper):
    ids = suspects(harness, 2)
    for _ in range(harness.limits.crashes_max):
        die_side_by_side(harness, toy)
        sweeper.free_crashed()
    assert harness.work() == dict.fromkeys(ids, (0, 0, True))
    assert exclusive(harness) == set(ids)


def test_control_blamed_by_its_flight_an_innocent_is_a_dead_letter(harness, toy, sweeper, monkeypatch):
    assert RUNNING_BATCHES["crashed_batches"] != BY_FLIGHT
    monkeypatch.setattr(running_batches, "RUNNING_BATCHES", {**RUNNING_BATCHES, "crashed_batches": BY_FLIGHT})
    suspects(harness, 2)
    for _ in range(harness.limits.crashes_max):
        die_side_by_side(harness, toy)
        sweeper.free_crashed()
    assert {code for code, _ in harness.letters().values()} == {"worker_killed"}
    assert harness.work() == {}, "the one beside the killer too"


def test_a_suspect_beside_a_batch_is_not_blamed(harness, sweeper):
    suspect, *batch = ids = suspects(harness, 3)
    worker = next(WORKERS)
    for members, is_alone in ([suspect], True), (batch, False):
        harness.rows(
            """INSERT INTO flight (token, worker, step, subject_ids, is_alone)
               VALUES (gen_random_uuid(), %s, 'review', %s, %s)""",
            *(worker, members, is_alone),
        )
    sweeper.free_crashed()
    assert harness.work() == dict.fromkeys(ids, (0, 0, True))


def test_the_only_one_in_its_process_is_blamed(harness, toy, sweeper):
    """Another process that dies at the same time does not excuse it."""
    ids = [*suspects(harness, 1), *suspects(harness, 1, lane="p0")]
    die_side_by_side(harness, toy, count=1)
    die_side_by_side(harness, toy, count=1, key=ALONE._replace(lane="p0"))
    sweeper.free_crashed()
    assert harness.work() == dict.fromkeys(ids, (0, 1, True))


@dataclass
class Mortal:
    """Begins nothing once its process is dead."""

    runner: object
    is_dead: threading.Event

    def run(self, key):
        if self.is_dead.is_set():
            raise Killed
        return self.runner.run(key)


@dataclass
class Process:
    """Threads that answer bells until a killer among their subjects ends them all at once."""

    house: object
    killers: set
    worker: int = field(default_factory=lambda: next(WORKERS))
    is_dead: threading.Event = field(default_factory=threading.Event)
    runs: ProcessRuns = field(default_factory=ProcessRuns)

    def decide(self, subject, _answer=None):
        if subject.ref.subject_id in self.killers:
            self.is_dead.set()
        # The innocent take longer than the killers need to begin.
        if self.is_dead.wait(0.1):
            raise Killed
        return Finished(subject.ref, Done())

    def answer(self, step, key):
        runner = self.house.remote(step) if hasattr(step, "call_s") else self.house.local(step)
        mortal = Mortal(replace(runner, worker=self.worker), self.is_dead)
        with suppress(Killed):
            ProcessRunner(mortal, self.runs, self.house.db, PATIENCE_S).run(key)

    def serve(self, step, keys):
        """Every bell on two threads."""
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda key: self.answer(step, key), sorted(keys * 2)))


@pytest.mark.parametrize("kind", ["inner", "outer"])
def test_two_killers_among_many_end_as_dead_letters_and_nobody_else_is_blamed(harness, toy, toy_call, sweeper, kind):
    if kind == "inner":
        ids = [harness.order() for _ in range(12)]
        make, key = (lambda process: toy(process.decide)), harness.due("review", ids)
    else:
        ids = [harness.package() for _ in range(12)]
        make, key = (lambda process: toy_call(says_yes, process.decide)), harness.due("label", ids)
    killers, deaths = {ids[3], ids[8]}, 0
    for _ in range(200):
        harness.bells.keys.clear()
        if not sweeper.sweep():
            break
        process = Process(harness, killers)
        process.serve(make(process), list(set(harness.bells.keys)))
        deaths += process.is_dead.is_set()
        blamed = {id_ for id_, (_, crashes, _) in harness.work().items() if crashes}
        assert blamed <= killers
    assert harness.work() == {}
    assert {id_: code for id_, (code, _) in harness.letters().items()} == dict.fromkeys(killers, "worker_killed")
    assert harness.rows("SELECT DISTINCT crashes FROM dead_letter") == [(harness.limits.crashes_max,)]
    # Of each killer one in a batch and one beside other suspects at most, and those that count.
    assert deaths <= len(killers) * (2 + harness.limits.crashes_max), key


async def says_yes(_one):
    return "yes"


def test_what_came_through_need_not_be_exclusive_again(harness, toy):
    [id_] = suspects(harness, 1)
    harness.rows("UPDATE work SET is_exclusive = true")

    def fail(_subject):
        raise RuntimeError

    harness.local(toy(fail)).run(ALONE)
    assert harness.work() == {id_: (1, 0, True)}
    assert exclusive(harness) == set()


def test_an_exclusive_suspect_is_claimed_first(harness, toy):
    first, second = suspects(harness, 2)
    harness.rows("UPDATE work SET is_exclusive = true WHERE subject_id = %s", second)
    step = toy()
    harness.local(step).run(ALONE)
    assert step.batches == [[second]]
    assert set(harness.work()) == {first}


class Held:
    """A run that lasts until it is let go, and notes when it begins."""

    def __init__(self, began, name):
        self.began, self.name = began, name
        self.is_under_way, self.may_end = threading.Event(), threading.Event()

    def run(self, _key):
        self.began.append(self.name)
        self.is_under_way.set()
        assert self.may_end.wait(PATIENCE_S)
        return 1


@pytest.fixture
def threads():
    with ThreadPoolExecutor(4) as threads:
        yield threads


def until(is_so):
    deadline = SystemClock().monotonic() + PATIENCE_S
    while not is_so():
        assert SystemClock().monotonic() < deadline


def test_an_exclusive_run_waits_for_others_and_lets_nothing_begin_beside_it(harness, threads):
    suspects(harness, 1)
    harness.rows("UPDATE work SET is_exclusive = true")
    runs, began = ProcessRuns(), []
    first, alone, second = (Held(began, name) for name in ("first", "alone", "second"))

    def start(held, key):
        return threads.submit(ProcessRunner(held, runs, harness.db, PATIENCE_S).run, key)

    ended = [start(first, KEY)]
    assert first.is_under_way.wait(PATIENCE_S)
    ended.append(start(alone, ALONE))
    until(lambda: runs._is_exclusive)
    ended.append(start(second, KEY))
    until(lambda: runs._waiting == 1)
    assert began == ["first"]
    first.may_end.set()
    assert alone.is_under_way.wait(PATIENCE_S)
    assert began == ["first", "alone"]
    alone.may_end.set()
    assert second.is_under_way.wait(PATIENCE_S)
    second.may_end.set()
    assert [one.result() for one in ended] == [1, 1, 1]


def test_what_has_waited_for_an_exclusive_run_goes_before_the_next_one(threads):
    runs, began = ProcessRuns(), []
    waited = Held(began, "waited")

    def ordinary():
        with runs.beside_others():
            waited.run(KEY)

    with runs.exclusive(0) as is_by_itself:
        assert is_by_itself
        ended = threads.submit(ordinary)
        until(lambda: runs._waiting == 1)
    with runs.exclusive(0) as is_by_itself:
        assert not is_by_itself
    waited.may_end.set()
    ended.result()
    with runs.exclusive(0) as is_by_itself:
        assert is_by_itself
        with runs.exclusive(0) as is_second_too:
            assert not is_second_too


def test_an_exclusive_run_gives_up_when_the_others_run_on(harness, threads):
    suspects(harness, 1)
    harness.rows("UPDATE work SET is_exclusive = true")
    runs, began = ProcessRuns(), []
    endless, alone, next_one = (Held(began, name) for name in ("endless", "alone", "next"))
    ended = threads.submit(ProcessRunner(endless, runs, harness.db, PATIENCE_S).run, KEY)
    assert endless.is_under_way.wait(PATIENCE_S)
    assert ProcessRunner(alone, runs, harness.db, 0.0).run(ALONE) == 0
    assert harness.alarms() == [(AlarmKind.EXCLUSIVE_RUN_PUT_OFF, "review", 1)]
    next_one.may_end.set()
    assert ProcessRunner(next_one, runs, harness.db, PATIENCE_S).run(KEY) == 1
    endless.may_end.set()
    ended.result()
    assert began == ["endless", "next"]


def test_one_process_at_a_time_has_an_exclusive_run(harness, toy):
    under_way, waiting = suspects(harness, 2)
    harness.rows("UPDATE work SET is_exclusive = true WHERE subject_id = %s", under_way)
    step = toy()
    runner = ProcessRunner(harness.local(step), ProcessRuns(), harness.db, PATIENCE_S)
    with harness.db.direct() as another:
        assert take_exclusive(another)
        assert runner.run(ALONE) == 0
        with harness.db.transaction() as tx:
            tx.execute("SELECT FROM work WHERE subject_id = %s FOR UPDATE", [under_way])
            assert runner.run(ALONE) == 0
    until(lambda: runner.run(ALONE) == 1)
    assert runner.run(ALONE) == 1
    assert step.batches == [[under_way], [waiting]]


def test_a_suspect_that_died_but_once_runs_beside_others(harness, toy):
    suspects(harness, 1)
    runs = ProcessRuns()
    with runs.beside_others():
        assert ProcessRunner(harness.local(toy()), runs, harness.db, 0.0).run(ALONE) == 1


def test_ordinary_work_costs_no_statement_more(harness):
    before = harness.db.counts.statements
    held = Held([], "ordinary")
    held.may_end.set()
    ProcessRunner(held, ProcessRuns(), harness.db, PATIENCE_S).run(KEY)
    assert harness.db.counts.statements == before
