from datetime import UTC, datetime, timedelta

import pytest

from domain.ship_by import MARKS, ON_THE_CLOCK, used_percent
from domain.states import FINAL_STATES, State

START = datetime(2026, 11, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(("passed_h", "percent"), [(-1, 0), (0, 0), (23.9, 49), (24, 50), (48, 100), (96, 200)])
def test_a_clock_of_two_days(passed_h, percent):
    assert used_percent(START, START + 48 * HOUR, START + passed_h * HOUR) == percent


@pytest.mark.parametrize(("passed_h", "percent"), [(-5, 0), (-4, 100), (0, 100)])
def test_a_promise_older_than_the_payment_is_full_when_it_ends(passed_h, percent):
    assert used_percent(START, START - 4 * HOUR, START + passed_h * HOUR) == percent


def test_the_clock_runs_from_payment_to_hand_over():
    unpaid, gone = {State.PENDING_PAYMENT}, {State.IN_TRANSIT, State.DELIVERED}
    assert set(State) - ON_THE_CLOCK == unpaid | gone | {State.AFTER_SALE} | FINAL_STATES


def test_somebody_hears_at_half_the_clock_at_four_fifths_and_at_its_end():
    at = {mark: START + 48 * HOUR * mark / 100 for mark in MARKS}
    assert [used_percent(START, START + 48 * HOUR, moment) for moment in at.values()] == [50, 80, 100]
    before = [used_percent(START, START + 48 * HOUR, moment - timedelta(seconds=1)) for moment in at.values()]
    assert before == [49, 79, 99]
