import random
from collections import Counter

import pytest

from drills.catalogue import BY_NAME, CATALOGUE
from drills.drill import Drill, Trial
from drills.nemesis import fault_plan
from drills.round import account, play, summary


def held(_plan):
    trial = Trial(Counter(harm=2), control="unguarded", harm_shown=True)
    trial.check("it", holds=True)
    trial.told.append("4 orders")
    return trial


def harmless_control(_plan):
    trial = held(_plan)
    trial.harm_shown = False
    return trial


def broken(_plan):
    raise LookupError("a defect of the drill")


def blind(_plan):
    return Trial()


def drill(name, played):
    return Drill(name, (), "", played)


@pytest.mark.parametrize(
    ("played", "passes"), [(held, True), (harmless_control, False), (broken, False), (blind, False)]
)
def test_a_drill_passes_only_if_checks_held_and_its_control_showed_harm(plan, played, passes):
    [one] = play(plan, [drill("x", played)], lambda _: None)
    assert one.trial.passed is passes


def test_a_broken_drill_does_not_stop_the_round(plan):
    shown = []
    played = play(plan, [drill("broken", broken), drill("held", held)], shown.append)
    assert shown == played
    outcome = summary(played, plan)
    assert outcome.pop("seconds") >= 0
    assert outcome == {"drills": 2, "passed": 1, "failed": ["broken"], "controls": 1, "seed": plan.seed}


def test_a_drill_tells_what_was_injected_and_every_verdict(plan):
    [one] = play(plan, [drill("held", held)], lambda _: None)
    told = account(one)
    assert told.pop("seconds") >= 0
    assert told == {
        "drill": "held",
        "covers": (),
        "passed": True,
        "injected": {"harm": 2},
        "checks": [{"name": "it", "holds": True, "seen": ""}],
        "told": ["4 orders"],
        "control": "unguarded",
        "harm_shown": True,
    }


def test_the_seed_decides_which_fault_comes_when():
    faults = dict.fromkeys("abcdefgh", print)

    def drawn(seed):
        return [(share, name) for share, name, _ in fault_plan(seed, 20, faults)]

    seed = random.randrange(10**6)  # noqa: S311 - a seed, not a secret
    assert drawn(seed) == drawn(seed) != drawn(seed + 1)
    assert len(drawn(seed)) == 20
    assert {name for _, name in drawn(seed)} == set(faults), "every kind comes before any comes a third time"


def test_names_are_unique_and_the_short_round_is_a_part():
    assert len(BY_NAME) == len(CATALOGUE)
    assert 0 < sum(drill.in_quick for drill in CATALOGUE) < len(CATALOGUE)


def test_the_document_names_every_drill(request):
    text = (request.config.rootpath / "docs/reference/drills.md").read_text(encoding="utf-8")
    assert [name for name in BY_NAME if f"`{name}`" not in text] == []
