import itertools

import pytest

from domain.errors import Poison, Transient
from domain.order import Lane
from infra.engine import failures
from infra.engine.failures import crash_cause
from infra.engine.results import Failed, SubjectRef
from infra.engine.write_outcomes import Writes


def judge_one(harness, error, *, account="sf/main", step="label", numbers=itertools.count(1)):  # noqa: B008 - one count for the module
    subject_id = next(numbers)
    harness.due(step, [subject_id], account=account)
    writes = Writes()
    with harness.db.transaction() as tx:
        harness.failures().judge(tx, step, Failed(SubjectRef(subject_id, Lane.BULK), error), writes)
    return writes


def poison(code):
    return Poison(code)


def test_letters_of_one_cause_share_a_fingerprint(harness):
    [one], [same] = judge_one(harness, poison("a")).letters, judge_one(harness, poison("a")).letters
    assert one["fingerprint"] == same["fingerprint"]


@pytest.mark.parametrize(
    "other",
    [
        {"error": poison("b")},
        {"error": poison("a"), "account": "zto/main"},
        {"error": poison("a"), "step": "notify"},
    ],
)
def test_letters_of_other_causes_do_not(harness, other):
    [one] = judge_one(harness, poison("a")).letters
    [different] = judge_one(harness, **other).letters
    assert one["fingerprint"] != different["fingerprint"]


def test_a_fingerprint_survives_a_line_that_moved(harness, monkeypatch):
    refs = iter(["actors/label.py:10", "actors/label.py:99", "actors/route.py:10"])
    known = failures.causes_of
    monkeypatch.setattr(failures, "cause_of", lambda error: known(error)[0] | {"at": next(refs)})
    prints = [judge_one(harness, poison("a")).letters[0]["fingerprint"] for _ in range(3)]
    assert prints[0] == prints[1] != prints[2]


def test_finished_work_is_not_judged_again(harness):
    writes = Writes()
    with harness.db.transaction() as tx:
        harness.failures().judge(tx, "label", Failed(SubjectRef(404, Lane.BULK), Transient("x")), writes)
    assert writes == Writes()


def test_a_subject_without_an_order_gets_a_letter_and_no_hold(harness):
    writes = judge_one(harness, poison("a"))
    assert len(writes.letters) == 1
    assert writes.holds == []


def test_the_cause_of_a_killed_worker_says_how_often(harness):
    cause = crash_cause("2026-06-18T20:00:00+00:00", 3)
    assert (cause["code"], cause["attempt"]) == ("worker_killed", 3)
    assert "3 times" in cause["message"]
