"""Short runs of the drills with warehouses: of every kind, away for an hour, and with answers that do not arrive."""

import pytest

from drills import away, documents, warehouses

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("runs")]

SHORT = ("place lost", "place never arrived", "place arrived twice", "place lost, find lost")


def failures(trial):
    return [(check.name, check.seen) for check in trial.checks if not check.holds]


def test_each_kind_of_warehouse_ships_what_it_was_told_and_the_ledgers_agree(plan):
    trial = warehouses.every_kind(plan)
    assert failures(trial) == []
    assert trial.injected["worker killed"] == 2
    assert trial.harm_shown, "a parcel that leaves untold must be seen"


def test_a_warehouse_has_one_document_whatever_becomes_of_its_answers(plan, monkeypatch):
    monkeypatch.setattr(documents, "CASES", tuple(case for case in documents.CASES if case.name in SHORT))
    trial = documents.document_answers(plan)
    assert failures(trial) == []
    assert {*SHORT} <= trial.injected.keys()
    assert trial.harm_shown, "not asked first, the warehouse must have two"


def test_orders_of_a_warehouse_that_is_away_wait_and_are_caught_up(plan, monkeypatch):
    monkeypatch.setattr(away, "ORDERS_QUICK", 40)
    trial = away.warehouse_away(plan)
    assert failures(trial) == []
    assert trial.injected["warehouse away for an hour"] == 1
