"""One mistake of somebody else among good orders: the short forms, with their controls."""

import pytest

from drills import mistakes

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("runs")]


def failures(trial):
    return [(check.name, check.seen) for check in trial.checks if not check.holds]


@pytest.mark.parametrize("play", [mistakes.unreadable_numbers, mistakes.poisoned_feed])
def test_a_mistake_costs_its_own_order_and_is_named(plan, play):
    trial = play(plan)
    assert failures(trial) == []
    assert trial.injected.total() >= 3
    assert trial.harm_shown, "without its guard the mistake must stop the others"
