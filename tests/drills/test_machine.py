import os
import random
from datetime import UTC, datetime

import pytest

from drills.fork_server import WrongClock
from drills.machine import SAMPLES, growth_kb, pss_kb


def test_a_wrong_clock_is_off_on_the_wall_and_right_between_two_moments():
    wrong = WrongClock(-3600.0)
    assert 3500 < (datetime.now(UTC) - wrong.utcnow()).total_seconds() < 3700
    assert wrong.monotonic() <= wrong.monotonic()


def test_a_clock_may_go_wrong_later():
    jumping = WrongClock(-3600.0, right_for=2)
    first, second, third = (jumping.utcnow() for _ in range(3))
    assert first <= second
    assert 3500 < (second - third).total_seconds() < 3700


@pytest.mark.parametrize(("leak_kb", "is_seen"), [(0, False), (500, True)])
def test_growth_is_told_from_warming_up(leak_kb, is_seen):
    """Workers warm up in the first third, and waver; a leak goes on."""
    draw = random.Random(7)  # noqa: S311 - the same wavering each time
    warm = [min(60_000, 40_000 + 2_500 * place) for place in range(SAMPLES)]
    samples = [
        {1: level + leak_kb * place + draw.randrange(800), 2: level + leak_kb * place + draw.randrange(800)}
        for place, level in enumerate(warm)
    ]
    assert (growth_kb(samples) > 4 * 1024) is is_seen


def test_the_memory_of_a_process_is_read():
    assert 5_000 < pss_kb(os.getpid()) < 4_000_000
