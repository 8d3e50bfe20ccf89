import pytest

from domain.errors import Misconfigured
from domain.groups import GROUPS, Milestone, drain_of, entry_of, group_by_step, inflow_of
from domain.states import Step


def test_the_groups_share_out_all_steps() -> None:
    assert set(group_by_step(GROUPS)) == set(Step)


@pytest.mark.parametrize(
    ("groups", "word"),
    [
        ({**GROUPS, "second": (Step.LABEL,)}, "label is in label and in second"),
        ({name: steps for name, steps in GROUPS.items() if name != "tell"}, "writeback, notify"),
    ],
)
def test_a_step_in_two_groups_or_in_none_is_refused(groups, word) -> None:
    with pytest.raises(Misconfigured, match=word):
        group_by_step(groups)


@pytest.mark.parametrize(
    ("steps", "flow"),
    [
        (GROUPS["order"], (Milestone.STORED, Milestone.ALLOCATED)),
        (GROUPS["label"], (Milestone.ALLOCATED, Milestone.LABELLED)),
        (GROUPS["tell"], (Milestone.HANDED_OVER, Milestone.WRITTEN_BACK)),
        (GROUPS["pull"], (None, None)),
        (tuple(Step), (Milestone.STORED, Milestone.WRITTEN_BACK)),
        ((Step.WRITEBACK, Step.LABEL), (Milestone.ALLOCATED, Milestone.WRITTEN_BACK)),
    ],
)
def test_orders_enter_and_leave_a_group_at_milestones(steps, flow) -> None:
    assert (inflow_of(steps), drain_of(steps)) == flow


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
    assert entry_of({name: GROUPS[name] for name in names}) == entry
