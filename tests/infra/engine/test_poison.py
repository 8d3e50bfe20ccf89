"""One batch of fifty with a bug, a database error and a killer in it: the others arrive."""

from contextlib import suppress

from domain.outcomes import Done
from domain.states import State
from infra.engine.results import Finished
from infra.process.clock import SystemClock
from infra.sweeper.stuck_work import Sweeper


class Killed(BaseException):
    """The end of the process: nothing of ours handles it."""


def test_three_kinds_of_poison_end_as_three_dead_letters_and_47_arrive(harness, toy, arm):
    ids = [harness.order() for _ in range(50)]
    bug, sick_statement, killer = ids[7], ids[23], ids[41]
    harness.due("review", ids)
    arm("review.work", "postgres", sick_statement)
    deaths = []

    def decide(one):
        if one.ref.subject_id == bug:
            raise ZeroDivisionError
        return Finished(one.ref, Done(State.APPROVED))

    step = toy(decide)
    known = step.work

    def work(tx, subject_ids):
        if killer in subject_ids:
            deaths.append(len(subject_ids))
            raise Killed
        return known(tx, subject_ids)

    step.work = work
    sweeper = Sweeper(harness.db, harness.bells, SystemClock(), harness.limits.crashes_max)
    for _ in range(200):
        harness.fall_due()
        harness.bells.keys.clear()
        if not sweeper.sweep():
            break
        for bell in set(harness.bells.keys):
            run_or_die(harness, step, bell)
    assert harness.work() == {}
    assert sorted(harness.states().values()) == ["approved"] * 47 + ["on_hold"] * 3
    assert {id_: code for id_, (code, _) in harness.letters().items()} == {
        bug: "ZeroDivisionError",
        sick_statement: "DivisionByZero",
        killer: "worker_killed",
    }
    assert deaths.count(1) == harness.limits.crashes_max, "only a crash alone is counted"


def run_or_die(harness, step, bell):
    with suppress(Killed):
        harness.local(step).run(bell)
