import itertools

import pytest

from domain.errors import Poison, Transient
from domain.order import Lane
from infra.engine import failures
from infra.engine.failures import crash_cause
from infra.engine.results import Failed, Place
from infra.engine.write_outcomes import Writes


def bury_one(house, error, *, account="sf/main", step="label", numbers=itertools.count(1)):  # noqa: B008 - one count for the module
    subject_id = next(numbers)
    house.due(step, [subject_id], account=account)
    writes = Writes()
    with house.db.transaction() as tx:
        house.failures().judge(tx, step, Failed(Place(subject_id, Lane.BULK), error), writes)
    return writes


def poison(code):
    return Poison(code)


def test_letters_of_one_cause_share_a_fingerprint(house):
    [one], [same] = bury_one(house, poison("a")).letters, bury_one(house, poison("a")).letters
    assert one["fingerprint"] == same["fingerprint"]


@pytest.mark.parametrize(
    "other",
    [
        {"error": poison("b")},
        {"error": poison("a"), "account": "zto/main"},
        {"error": poison("a"), "step": "notify"},
    ],
)
def test_letters_of_other_causes_do_not(house, other):
    [one] = bury_one(house, poison("a")).letters
    [different] = bury_one(house, **other).letters
    assert one["fingerprint"] != different["fingerprint"]


def test_a_fingerprint_survives_a_line_that_moved(house, monkeypatch):
    places = iter(["actors/label.py:10", "actors/label.py:99", "actors/route.py:10"])
    known = failures.causes_of
    monkeypatch.setattr(failures, "cause_of", lambda error: known(error)[0] | {"at": next(places)})
    prints = [bury_one(house, poison("a")).letters[0]["fingerprint"] for _ in range(3)]
    assert prints[0] == prints[1] != prints[2]


def test_finished_work_is_not_judged_again(house):
    writes = Writes()
    with house.db.transaction() as tx:
        house.failures().judge(tx, "label", Failed(Place(404, Lane.BULK), Transient("x")), writes)
    assert writes == Writes()


def test_a_subject_without_an_order_gets_a_letter_and_no_hold(house):
    writes = bury_one(house, poison("a"))
    assert len(writes.letters) == 1
    assert writes.holds == []


def test_the_cause_of_a_killed_worker_says_how_often(house):
    cause = crash_cause("2026-06-18T20:00:00+00:00", 3)
    assert (cause["code"], cause["attempt"]) == ("worker_killed", 3)
    assert "3 times" in cause["message"]
