"""What a platform writes late: a short run of its drill."""

import pytest

from drills import feeds

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("runs")]


def failures(trial):
    return [(check.name, check.seen) for check in trial.checks if not check.holds]


def test_an_order_that_is_written_late_is_found_and_without_a_second_reading_it_is_not(plan, monkeypatch):
    monkeypatch.setattr(feeds, "LATE", 1)
    trial = feeds.late_writer(plan)
    assert failures(trial) == []
    assert trial.harm_shown, "without a second reading it must never come"
