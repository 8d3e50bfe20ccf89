import json

import pytest

from drills import command
from drills.catalogue import CATALOGUE
from drills.drill import Trial
from drills.round import Played
from workers.cli.exits import Exit


@pytest.fixture
def played(monkeypatch):
    """Names and plan of what the command would play; `failing` do not hold."""
    seen = {}

    def given(*failing):
        def play(plan, drills, show):
            seen.update(plan=plan, names=[one.name for one in drills])
            trials = {one.name: Trial() for one in drills}
            for name, trial in trials.items():
                trial.check("it", name not in failing)
            ended = [Played(one, trials[one.name], 0.5) for one in drills]
            for one in ended:
                show(one)
            return ended

        monkeypatch.setattr(command, "play", play)
        return seen

    monkeypatch.setattr(command, "configure", lambda *_: None)
    return given


def test_all_are_played_unless_some_are_named(orderlane, played):
    seen = played()
    assert orderlane("drill").exit_code == Exit.DONE
    assert seen["names"] == [one.name for one in CATALOGUE if not one.needs_earlier]
    orderlane("drill", "zombie", "poison")
    assert seen["names"] == ["zombie", "poison"]


def test_what_needs_an_earlier_version_is_played_where_one_is_given(orderlane, played, tmp_path):
    seen = played()
    assert orderlane("drill", "rolling-upgrade").exit_code == Exit.USAGE
    assert seen == {}
    assert orderlane("drill", "rolling-upgrade", "--earlier", str(tmp_path)).exit_code == Exit.DONE
    assert (seen["names"], seen["plan"].earlier) == (["rolling-upgrade"], tmp_path)
    orderlane("drill", "--earlier", str(tmp_path))
    assert "rolling-upgrade" in seen["names"]


def test_the_short_round(orderlane, played):
    seen = played()
    orderlane("drill", "--quick")
    assert seen["plan"].is_quick
    assert seen["names"] == [one.name for one in CATALOGUE if one.in_quick]


def test_the_last_line_is_for_machines(orderlane, played):
    played("zombie")
    result = orderlane("drill", "zombie", "poison", "--seed", "11", "--json")
    assert result.exit_code == Exit.FAILED
    *each, last = map(json.loads, result.stdout.splitlines())
    assert [(one["drill"], one["passed"]) for one in each] == [("zombie", False), ("poison", True)]
    assert last == {
        "drills": 2,
        "passed": 1,
        "failed": ["zombie"],
        "controls": 0,
        "seconds": 1.0,
        "seed": 11,
    }


def test_without_a_seed_one_is_drawn_and_printed(orderlane, played):
    seen = played()
    result = orderlane("drill", "zombie")
    assert f"seed {seen['plan'].seed}" in result.output


def test_people_see_a_table(orderlane, played):
    played("zombie")
    result = orderlane("drill", "zombie", "poison")
    assert "1 hold" in result.stdout
    assert result.exit_code == Exit.FAILED


def test_the_list(orderlane):
    lines = orderlane("drill", "--list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == [one.name for one in CATALOGUE]


def test_an_unknown_name_is_a_usage_error(orderlane):
    assert orderlane("drill", "no-such-drill").exit_code == Exit.USAGE
