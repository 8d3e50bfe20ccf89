import pytest

from benchmarks.binding.course import STEPS, Course


@pytest.mark.slow
def test_both_ways_finish_every_scene(benchmark):
    found = benchmark("binding", "--orders", "200", "--rounds", "1", "--dead", "1000")

    assert len(found["scenes"]) == 5
    for ways in found["scenes"].values():
        # A way that moves fewer or more than every order through every step fails the run.
        assert set(ways) == {"ids", "late"}
        assert all(0 < numbers["fill"] <= 50 for numbers in ways.values())
    shattered = found["scenes"]["200 accounts at the last step"]["ids"]
    assert shattered["messages"] > 5 * found["scenes"]["one account"]["ids"]["messages"]
    assert set(found["dead"]) == {"clean", "held back", "released", "vacuumed"}


def test_only_the_last_step_has_accounts_and_only_if_asked():
    one, many = Course(100, 1), Course(100, 20)

    assert {one.account(step, 7) for step in STEPS} == {""}
    assert {many.account(step, 7) for step in STEPS[:-1]} == {""}
    assert len({many.account(STEPS[-1], subject_id) for subject_id in range(1000)}) == 20
