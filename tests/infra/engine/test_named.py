"""A person's command runs named subjects through the same runner, beside workers."""

import asyncio
import threading

from domain.outcomes import Done
from infra.engine.results import Finished


async def yes(_one):
    return "yes"


def test_only_named_subjects_that_are_due_are_called(harness, toy_call):
    named, other, later = (harness.package() for _ in range(3))
    key = harness.due("label", [named, other], account="sf/main")
    harness.due("label", [later], account="sf/main", after_s=60)
    step = toy_call(yes)
    harness.remote(step).run_named(key, [named, later])
    assert step.recorded == [(named, "yes")]
    assert set(harness.work()) == {other, later}
    assert harness.one("SELECT count(*) FROM flight") == 0


def test_what_somebody_else_holds_is_left_to_them(harness, toy_call):
    package = harness.package()
    key = harness.due("label", [package], account="sf/main")
    inside, go_on = threading.Event(), threading.Event()

    async def slow(_one):
        inside.set()
        await asyncio.to_thread(go_on.wait, 20)
        return "first"

    first, second = toy_call(slow), toy_call(yes)
    worker = threading.Thread(target=lambda: harness.remote(first).run(key))
    worker.start()
    assert inside.wait(20)
    harness.remote(second).run_named(key, [package])
    go_on.set()
    worker.join()
    assert (first.recorded, second.recorded) == ([(package, "first")], [])


def test_one_that_cannot_be_intended_fails_alone(harness, toy_call, arm):
    good, bad = harness.package(), harness.package()
    key = harness.due("label", [good, bad], account="sf/main")
    arm("label.intend", "raise", bad)
    step = toy_call(yes, settle=lambda one, _: Finished(one.ref, Done()))
    harness.remote(step).run_named(key, [bad, good])
    assert step.recorded == [(good, "yes")]
    assert {id_: row[0] for id_, row in harness.work().items()} == {bad: 1}
