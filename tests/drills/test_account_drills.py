"""Accounts that refuse calls: a short subset, and the harm that the guards keep away."""

import pytest

from drills import limits

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("runs")]


def failures(trial):
    return [(check.name, check.seen) for check in trial.checks if not check.holds]


def test_one_call_over_the_limit_and_then_silence(plan, monkeypatch):
    monkeypatch.setattr(limits, "LIMITS", (limits.Limit("sf", "http", 3),))
    trial = limits.throttled(plan)
    assert failures(trial) == []
    assert trial.injected.total() == 1
    assert trial.harm_shown, "with its wish forgotten the account must be called again and again"
