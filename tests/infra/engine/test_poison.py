"""One batch of fifty with a bug, a database error and a killer in it: the others arrive."""

from contextlib import suppress

from domain.outcomes import Done
from domain.states import State
from infra.engine.results import Settled
from infra.process.clock import SystemClock
from infra.sweeper.stuck_work import Sweeper


class Killed(BaseException):
    """The end of the process: nothing of ours handles it."""


def test_three_kinds_of_poison_end_as_three_dead_letters_and_47_arrive(house, toy, arm):
    ids = [house.order() for _ in range(50)]
    bug, sick_statement, killer = ids[7], ids[23], ids[41]
    house.due("review", ids)
    arm("review.work", "postgres", sick_statement)
    deaths = []

    def decide(one):
        if one.place.subject_id == bug:
            raise ZeroDivisionError
        return Settled(one.place, Done(State.APPROVED))

    step = toy(decide)
    known = step.work

    def work(tx, subject_ids):
        if killer in subject_ids:
            deaths.append(len(subject_ids))
            raise Killed
        return known(tx, subject_ids)

    step.work = work
    sweeper = Sweeper(house.db, house.bells, SystemClock(), house.limits.crashes_max)
    for _ in range(200):
        house.fall_due()
        house.bells.keys.clear()
        if not sweeper.sweep():
            break
        for bell in set(house.bells.keys):
            run_or_die(house, step, bell)
    assert house.work() == {}
    assert sorted(house.states().values()) == ["approved"] * 47 + ["on_hold"] * 3
    assert {id_: code for id_, (code, _) in house.letters().items()} == {
        bug: "ZeroDivisionError",
        sick_statement: "DivisionByZero",
        killer: "worker_killed",
    }
    assert deaths.count(1) == house.limits.crashes_max, "only a crash alone is counted"


def run_or_die(house, step, bell):
    with suppress(Killed):
        house.local(step).run(bell)
