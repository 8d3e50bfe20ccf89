"""A short subset of the drills, and the checkers on harm that they must find."""

import pytest

from drills import kills, texts
from drills.checkers import check_all
from drills.drill import Trial
from drills.fork_server import Armed
from drills.small_world import small_world
from drills.unclear import nobody_can_tell
from infra.process.failpoints import step_points
from workers.demo.control import plant_harms

POINTS = step_points()

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("runs")]

TRACK = tuple(point for point in POINTS if point.startswith("track."))
LABEL = tuple(point for point in POINTS if point.startswith("label."))
DISPATCH = tuple(point for point in POINTS if point.startswith("dispatch."))


def failures(trial):
    return [(check.name, check.seen) for check in trial.checks if not check.holds]


@pytest.mark.parametrize("points", [LABEL, DISPATCH], ids=["label", "dispatch"])
def test_a_label_is_booked_and_a_document_placed_once_wherever_the_worker_dies(plan, monkeypatch, points):
    monkeypatch.setattr(kills, "POINTS", points)
    trial = kills.kill_sweep(plan)
    assert failures(trial) == []
    assert trial.injected["kill -9"] == len(points)
    assert trial.harm_shown, "with the intent forgotten it must be booked and placed twice"
    assert trial.passed


def test_a_parcel_is_followed_wherever_its_worker_dies(plan, monkeypatch):
    monkeypatch.setattr(kills, "POINTS", TRACK)
    trial = kills.kill_sweep(plan)
    assert failures(trial) == []
    assert trial.injected["kill -9"] == len(TRACK)


def test_a_frozen_worker_saves_nothing_when_it_wakes(plan):
    trial = kills.zombie(plan)
    assert failures(trial) == []
    assert trial.injected.total() == 4


def test_a_text_message_is_sent_once_wherever_its_worker_dies(plan, monkeypatch):
    monkeypatch.setattr(texts, "POINTS", ("notify.sent",))
    trial = texts.text_once(plan)
    assert failures(trial) == []
    assert trial.injected["kill -9"] == 1
    assert trial.harm_shown, "with a provider believed to drop repetitions it must be sent twice"


def test_where_nobody_can_tell_a_person_decides(plan):
    trial = nobody_can_tell(plan)
    assert failures(trial) == []
    assert trial.harm_shown, "believed idempotent, it must be booked twice"


def test_planted_harm_is_found(plan):
    with small_world(plan) as world:
        world.order("harmed")
        assert world.work().how == "done"
        before, after = Trial(), Trial()
        check_all(world.demo, before)
        plant_harms(world.demo.stage, world.demo.db)
        check_all(world.demo, after)
    assert failures(before) == []
    assert {"three ledgers agree", "no second waybill"} <= {name for name, _ in failures(after)}


def test_a_failpoint_that_is_not_met_and_an_order_that_cannot_end_are_told(plan):
    with small_world(plan) as world:
        trial = Trial()
        assert not kills._die_and_recover(world, ["label.nowhere"], trial)
        assert not trial.injected
        world.order("stuck")
        assert world.work(Armed("review.before_claim", "raise")).how == "failed"
        world.opening += 1
        assert world.work().how == "stuck"
