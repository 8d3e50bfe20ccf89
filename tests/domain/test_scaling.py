"""The rules by which pools grow and shrink, in minutes that pass by hand."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.scaling import GroupReading, GrowReason, GrowThreshold, PoolSize, Reading, ScalingRules, at_start, decide

EVERY_S = 10
RULES = ScalingRules()
HUNDRED = replace(RULES, thresholds=(GrowThreshold(100, 300),))
SIZE = PoolSize(1, 4)


def group(inflow=0.0, *, depth=0, oldest_s=0.0, ship_by_s=None, drain=600.0, under_way=0):
    return GroupReading(
        depth=depth,
        oldest_s=oldest_s,
        ship_by_s=ship_by_s,
        inflow_per_min=inflow,
        drain_per_min=drain,
        under_way=under_way,
    )


def reading(at, inflow=0.0, **given):
    return Reading(at=at, inflow_per_min=inflow, recent_per_min=inflow, groups=(group(inflow, **given),))


def play(rules, readings, size=SIZE, processes=1):
    """Decide on all readings; the decisions in order."""
    standing, decisions = at_start(rules, processes), []
    for one in readings:
        decisions.append(decide(rules, size, standing, one))
        standing = decisions[-1].state
    return decisions


def steady(minutes, inflow, start=0, **given):
    """Readings over some minutes, both ends included."""
    return [reading(at, inflow, **given) for at in range(start, start + minutes * 60 + 1, EVERY_S)]


def signals(decisions):
    return [reason for one in decisions for reason in one.signals]


def sizes(decisions):
    return [one.state.processes for one in decisions]


def test_four_minutes_above_are_no_signal() -> None:
    assert signals(play(HUNDRED, [*steady(4, 101), *steady(10, 100, start=250)])) == []


def test_five_minutes_above_are_exactly_one() -> None:
    decisions = play(HUNDRED, steady(5, 101))
    assert signals(decisions) == [GrowReason.INFLOW]
    assert decisions[-1].signals
    assert sizes(decisions)[-1] == 2


def test_however_long_it_stays_above_the_signal_is_given_once() -> None:
    assert signals(play(HUNDRED, steady(60, 400))) == [GrowReason.INFLOW]


def test_each_threshold_tells_for_itself() -> None:
    decisions = play(RULES, steady(6, 501))
    assert [one.state.read_at for one in decisions if one.signals] == [60, 300]


def test_the_next_episode_is_told_of_after_the_calm_and_not_after_a_dip() -> None:
    dip = [*steady(5, 120), *steady(3, 60, start=310), *steady(6, 120, start=500)]
    assert signals(play(HUNDRED, dip)) == [GrowReason.INFLOW]
    calm = [*steady(5, 120), *steady(3, 50, start=310), *steady(6, 120, start=500)]
    assert signals(play(HUNDRED, calm)) == [GrowReason.INFLOW] * 2


def test_minutes_that_nobody_saw_do_not_count() -> None:
    with_gap = [*steady(2, 120), *steady(4, 120, start=400)]
    assert signals(play(HUNDRED, with_gap)) == []
    unbroken = steady(7, 120)
    assert signals(play(HUNDRED, unbroken)) == [GrowReason.INFLOW]


@pytest.mark.parametrize(
    ("given", "reasons"),
    [
        ({"depth": 49, "oldest_s": 5000.0}, []),
        ({"depth": 50, "oldest_s": 601.0}, [GrowReason.WAIT]),
        ({"depth": 50, "oldest_s": 599.0}, []),
        ({"depth": 6100, "drain": 600.0, "oldest_s": 60.0}, [GrowReason.WAIT]),
        ({"depth": 6100, "drain": 600.0, "oldest_s": 59.0}, []),
        ({"depth": 6100, "drain": 0.0, "oldest_s": 60.0}, []),
        ({"depth": 60, "drain": 1.0, "oldest_s": 1.0}, []),
        ({"depth": 50, "ship_by_s": 7100.0}, [GrowReason.SHIP_BY]),
        ({"depth": 50, "ship_by_s": 9000.0}, []),
        ({"depth": 50, "ship_by_s": -60.0}, [GrowReason.SHIP_BY]),
        ({"depth": 49, "ship_by_s": -60.0}, []),
        ({"depth": 5000, "drain": 600.0, "ship_by_s": 7500.0, "oldest_s": 60.0}, [GrowReason.SHIP_BY]),
        ({"depth": 5000, "drain": 600.0, "ship_by_s": 7500.0, "oldest_s": 1.0}, []),
    ],
)
def test_waiting_work_that_threatens_a_clock_is_a_reason(given, reasons) -> None:
    assert signals(play(RULES, [reading(0, **given)])) == reasons


@pytest.mark.parametrize(
    ("groups_given", "reasons"),
    [
        ([{"depth": 900, "oldest_s": 550.0}, {"depth": 50, "ship_by_s": 7500.0}], []),
        ([{"depth": 900, "oldest_s": 5000.0}, {"depth": 1, "ship_by_s": 60.0}], [GrowReason.WAIT]),
        ([{"depth": 900, "oldest_s": 5000.0}, {"depth": 50, "ship_by_s": 60.0}], [GrowReason.WAIT, GrowReason.SHIP_BY]),
        ([{"depth": 49, "oldest_s": 5000.0}, {"depth": 50, "oldest_s": 1.0}], []),
    ],
)
def test_each_group_is_judged_by_itself(groups_given, reasons) -> None:
    groups = tuple(group(**given) for given in groups_given)
    one = Reading(at=0, inflow_per_min=0.0, recent_per_min=0.0, groups=groups)
    assert signals(play(RULES, [one])) == reasons


def test_a_lasting_wait_adds_a_process_at_a_time_up_to_the_maximum() -> None:
    decisions = play(RULES, steady(10, 0, depth=900, oldest_s=5000.0))
    grown = [one.state.read_at for before, one in pairwise(decisions) if one.signals and before]
    assert all(later - earlier >= RULES.pause_s for earlier, later in pairwise(grown))
    assert sizes(decisions)[-1] == SIZE.most
    assert signals(decisions)[-1] == GrowReason.WAIT


def test_after_the_burst_it_returns_to_the_minimum_one_calm_spell_at_a_time() -> None:
    decisions = play(RULES, [*steady(5, 0), *steady(31, 0, start=310)], processes=4)
    changes = [later.state.read_at for earlier, later in pairwise(decisions) if sizes([earlier]) != sizes([later])]
    assert changes == [600, 1200, 1800]
    assert sizes(decisions)[-1] == SIZE.least


def test_a_backlog_is_no_calm() -> None:
    assert sizes(play(RULES, steady(30, 0, depth=900, oldest_s=301.0), processes=3))[-1] == 3
    assert sizes(play(RULES, steady(30, 0, depth=900, oldest_s=299.0), processes=3))[-1] == 1


def test_an_inflow_that_wavers_around_the_threshold_does_not_start_and_stop_processes() -> None:
    wavering = [reading(at, 130 if at // 400 % 2 else 70) for at in range(0, 7200, EVERY_S)]
    grown = sizes(play(HUNDRED, wavering))
    assert set(grown) == {1, 2}
    assert grown == sorted(grown)


def test_a_pool_beyond_its_bounds_comes_back_to_them() -> None:
    assert sizes(play(RULES, [reading(0)], PoolSize(2, 3), processes=7)) == [3]
    assert sizes(play(RULES, [reading(0)], PoolSize(2, 3), processes=0)) == [2]


@pytest.mark.parametrize(("depth", "reasons"), [(0, []), (1, [GrowReason.WAIT]), (49, [GrowReason.WAIT])])
def test_work_that_no_process_is_there_for_starts_one_however_little_it_is(depth, reasons) -> None:
    [decision] = play(RULES, [reading(0, depth=depth, oldest_s=7200.0, drain=0.0)], PoolSize(0, 2), processes=0)
    assert list(decision.signals) == reasons
    assert decision.state.processes == len(reasons)


def test_the_last_process_stays_until_a_whole_calm_spell_brought_it_no_work() -> None:
    trickle = steady(30, 0, depth=1, oldest_s=1.0)
    decisions = play(RULES, [*trickle, *steady(20, 0, start=1810)], PoolSize(0, 3), processes=3)
    changes = [later.state.read_at for earlier, later in pairwise(decisions) if sizes([earlier]) != sizes([later])]
    assert changes == [600, 1200, 1810 + 600]
    assert sizes(decisions)[-1] == 0


@pytest.mark.parametrize("given", [{"under_way": 1}, {"depth": 1}])
def test_the_last_process_stays_while_its_work_is_due_or_under_way(given) -> None:
    decisions = play(RULES, [*steady(60, 0, **given), *steady(20, 0, start=3610)], PoolSize(0, 2))
    assert sizes(decisions)[360] == 1
    assert sizes(decisions)[-1] == 0


def test_the_last_process_stays_under_steady_work_that_no_reading_finds_due() -> None:
    assert sizes(play(RULES, steady(60, 40), PoolSize(0, 2)))[-1] == 1
    assert sizes(play(RULES, steady(60, 40), PoolSize(0, 2), processes=2))[-1] == 1


rates = st.sampled_from([0.0, 49.0, 51.0, 99.0, 101.0, 499.0, 501.0, 7500.0])
readings = st.lists(
    st.tuples(
        st.integers(1, 400),
        rates,
        st.integers(0, 200),
        st.sampled_from([0.0, 299.0, 301.0, 601.0]),
        st.sampled_from([None, -1.0, 7000.0, 90_000.0]),
    ),
    min_size=1,
    max_size=60,
)


def series(steps):
    at = 0
    for after, inflow, depth, oldest_s, ship_by_s in steps:
        at += after
        yield reading(at, inflow, depth=depth, oldest_s=oldest_s, ship_by_s=ship_by_s)


@given(readings, st.integers(0, 3), st.integers(0, 3))
def test_never_beyond_its_bounds_never_in_leaps_and_never_up_without_a_reason(steps, least, more) -> None:
    size = PoolSize(least, least + more)
    decisions = play(RULES, series(steps), size, processes=least)
    for before, now in pairwise([least, *sizes(decisions)]):
        assert size.least <= now <= size.most
        assert abs(now - before) <= 1
    for (before, now), one in zip(pairwise([least, *sizes(decisions)]), decisions, strict=True):
        assert bool(one.signals) or now <= before


@given(readings, st.integers(1, 3), st.integers(0, 3))
def test_due_work_never_has_nobody(steps, most, processes) -> None:
    seen = list(series(steps))
    decisions = play(RULES, seen, PoolSize(0, most), processes=min(most, processes))
    assert all(now >= 1 for one, now in zip(seen, sizes(decisions), strict=True) if one.groups[0].depth > 0)


@given(readings)
def test_it_shrinks_only_after_a_whole_calm_spell(steps) -> None:
    seen = list(series(steps))
    decisions = play(RULES, seen, processes=4)
    for index, (before, now) in enumerate(pairwise([4, *sizes(decisions)])):
        if now < before:
            spell = [one for one in seen[: index + 1] if one.at >= seen[index].at - RULES.calm_s]
            assert all(one.inflow_per_min <= 50 for one in spell)
            assert not any(signals(decisions[seen.index(one) : seen.index(one) + 1]) for one in spell)


@given(st.lists(st.booleans(), min_size=1, max_size=90))
def test_a_signal_stands_at_the_end_of_five_unbroken_minutes_and_nowhere_else(minutes) -> None:
    """Against the threshold said in other words, over minutes that are above it or in the calm."""
    decisions = play(HUNDRED, [reading(60 * at, 120 if above else 0) for at, above in enumerate(minutes)])
    expected = [at for at in range(len(minutes)) if all(minutes[max(0, at - 5) : at + 1]) and at >= 5]
    first = [at for at in expected if at - 1 not in expected]
    assert [at for at, one in enumerate(decisions) if one.signals] == first
