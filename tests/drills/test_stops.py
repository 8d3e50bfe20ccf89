"""A short run of the drill with stopped and changed orders, and what it draws."""

import random
from collections import Counter

import pytest

from drills import stops
from drills.wishes import Kind, Place, draw_wishes

ORDERS = [(str(number), [f"{number}1", f"{number}2"]) for number in range(400)]


def failures(trial):
    return [(check.name, check.seen) for check in trial.checks if not check.holds]


def test_the_seed_decides_what_is_wanted_of_which_order():
    seed = random.randrange(10**6)  # noqa: S311 - a seed, not a secret
    assert (
        draw_wishes(seed, ORDERS, 0.12) == draw_wishes(seed, ORDERS[::-1], 0.12) != draw_wishes(seed + 1, ORDERS, 0.12)
    )


def test_every_kind_is_wanted_at_every_place_before_any_comes_again():
    wishes = draw_wishes(7, ORDERS, 0.5)
    assert len(wishes) == len({one.tid for one in wishes}) == 200
    met = Counter((one.kind, one.place) for one in wishes)
    assert len(met) == len(Kind) * len(Place)
    assert max(met.values()) - min(met.values()) <= 1
    assert {one.kind for one in wishes if one.line} == {
        Kind.REFUND_ASKED,
        Kind.REFUND_PAID,
        Kind.REFUND_WITHDRAWN,
        Kind.STOP,
    }


def test_the_times_of_stops_are_told_by_their_end():
    told = stops._told([("stopped", "person", 2.0), ("stopped", "person", 4.0), ("too_late", "person", 9.0)])
    assert told == [
        "2 stops stopped: median 3.0 s, slowest 4.0 s",
        "1 stops too late: median 9.0 s, slowest 9.0 s",
        "3 stops ended: median 4.0 s, slowest 9.0 s",
    ]


@pytest.mark.slow
@pytest.mark.xdist_group("runs")
def test_without_a_proof_a_stopped_parcel_leaves_and_is_found(plan):
    assert stops._leaves_unproven(plan)


@pytest.mark.slow
@pytest.mark.xdist_group("runs")
def test_every_stop_ends_and_harms_nobody(plan, monkeypatch):
    monkeypatch.setattr(stops, "ORDERS_QUICK", 40)
    monkeypatch.setattr(stops, "FAULTS_QUICK", 1)
    monkeypatch.setattr(stops, "WISHES_SHARE", 0.3)
    monkeypatch.setattr(stops, "_leaves_unproven", lambda _plan: True)
    trial = stops.stop_storm(plan)
    assert failures(trial) == []
    assert trial.told[-1].endswith(" s")
