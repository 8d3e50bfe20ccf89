import pytest

from domain.errors import Misconfigured
from domain.groups import drain_of, entry_of, group_by_step, groups_of, inflow_of
from domain.steps import Milestone, Step, Steps, Subject
from infra.process.steps import STEPS

GROUPS = groups_of(STEPS.map())
NEW = Step(name="weigh", subject=Subject.PACKAGE)


def steps_of(names):
    return [STEPS[name] for name in names]


def test_the_groups_share_out_all_steps() -> None:
    assert GROUPS == {
        "pull": ("pull", "pull_cases"),
        "order": ("normalize", "apply_case", "reserve", "review", "stop", "route", "warehouse"),
        "label": ("label", "dispatch", "recall", "void", "intercept"),
        "tell": ("answer", "writeback", "notify", "track"),
    }
    assert set(group_by_step(GROUPS)) == set(STEPS)


@pytest.mark.parametrize(
    ("groups", "word"),
    [
        ({**GROUPS, "second": ("label",)}, "label is in label and in second"),
        ({"all": ("label", "weigh")}, "group all names no known step: weigh"),
    ],
)
def test_a_step_in_two_groups_or_one_that_nobody_knows_is_refused(groups, word) -> None:
    with pytest.raises(Misconfigured, match=word):
        groups_of(STEPS.map(), groups)


@pytest.mark.parametrize(
    ("is_remote", "group", "configured", "home"),
    [
        (False, "", {}, "order"),
        (True, "", {}, "tell"),
        (True, "label", {}, "label"),
        (False, "label", {"order": ("route",), "label": ("label",)}, "label"),
        (False, "", {"inside": ("reserve", "review"), "outside": ("label",)}, "inside"),
        (True, "", {"inside": ("reserve", "review"), "outside": ("label",)}, "outside"),
        (True, "", {"only": ("reserve",)}, "only"),
    ],
)
def test_a_step_that_no_configured_group_names_is_served_all_the_same(is_remote, group, configured, home) -> None:
    new = Step(name="weigh", subject=Subject.PACKAGE, is_remote=is_remote, group=group)
    steps = Steps([*STEPS.values(), new])
    found = groups_of(steps, configured)
    assert group_by_step(found)["weigh"] == home
    assert set(group_by_step(found)) == set(steps)


@pytest.mark.parametrize(
    ("steps", "flow"),
    [
        (GROUPS["order"], (Milestone.STORED, Milestone.ALLOCATED)),
        (GROUPS["label"], (Milestone.ALLOCATED, Milestone.LABELLED)),
        (GROUPS["tell"], (Milestone.HANDED_OVER, Milestone.WRITTEN_BACK)),
        (GROUPS["pull"], (None, None)),
        (tuple(STEPS), (Milestone.STORED, Milestone.WRITTEN_BACK)),
        (("writeback", "label"), (Milestone.ALLOCATED, Milestone.WRITTEN_BACK)),
    ],
)
def test_orders_enter_and_leave_a_group_at_milestones(steps, flow) -> None:
    assert (inflow_of(steps_of(steps)), drain_of(steps_of(steps))) == flow


@pytest.mark.parametrize(
    ("names", "entry"),
    [
        (("tell", "order", "label"), "order"),
        (("tell", "label"), "label"),
        (("pull",), None),
        (("pull", "tell"), "tell"),
    ],
)
def test_orders_come_first_into_the_group_that_begins_earliest_on_their_way(names, entry) -> None:
    assert entry_of({name: steps_of(GROUPS[name]) for name in names}) == entry
