"""Groups of steps: worker pools serve groups, and signals are measured for each group."""

from collections import Counter
from collections.abc import Iterable, Mapping

from domain.errors import Misconfigured
from domain.steps import Milestone, Step, Steps

Groups = Mapping[str, tuple[str, ...]]


def groups_of(steps: Steps, configured: Groups | None = None) -> dict[str, tuple[str, ...]]:
    """The groups with the names of their steps: as the steps declare them, or as they are configured.

    A step that no configured group names joins the group that it declares, if there is one of that name. Otherwise it
    joins the group with the most steps of its kind (local or remote), the first one where several have as many: a
    new step never goes unserved for an old configuration. Raises Misconfigured ``groups_invalid`` for a step that
    nobody declares, and for one in two groups.
    """
    if not configured:
        found: dict[str, tuple[str, ...]] = {}
        for step in steps.values():
            found[step.worker_group] = (*found.get(step.worker_group, ()), step.name)
        return found
    groups = {name: tuple(members) for name, members in configured.items()}
    for name, members in groups.items():
        if unknown := [member for member in members if member not in steps]:
            raise Misconfigured("groups_invalid", f"group {name} names no known step: {', '.join(unknown)}")
    placed = group_by_step(groups)
    for name in [name for name in steps if name not in placed]:
        group = _home_of(steps[name], steps, groups)
        groups[group] = (*groups[group], name)
    return groups


def _home_of(step: Step, steps: Steps, groups: Groups) -> str:
    if step.worker_group in groups:
        return step.worker_group
    alike = Counter(
        {name: sum(steps[member].is_remote == step.is_remote for member in members) for name, members in groups.items()}
    )
    return alike.most_common(1)[0][0]


def group_by_step(groups: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """The one group of each step. Raises Misconfigured ``groups_invalid`` for a step in two groups."""
    found: dict[str, str] = {}
    for name, members in groups.items():
        for step in members:
            if step in found:
                raise Misconfigured("groups_invalid", f"step {step} is in {found[step]} and in {name}")
            found[step] = name
    return found


def inflow_of(steps: Iterable[Step]) -> Milestone | None:
    """The milestone at which orders enter a group; None for a group that no order passes through."""
    return min((step.begins for step in steps if step.begins), key=_position, default=None)


def drain_of(steps: Iterable[Step]) -> Milestone | None:
    """The milestone at which orders leave a group."""
    return max((step.ends for step in steps if step.ends), key=_position, default=None)


def entry_of(groups: Mapping[str, Iterable[Step]]) -> str | None:
    """The group that orders enter first; None if they enter none."""
    entries = {name: milestone for name, steps in groups.items() if (milestone := inflow_of(steps))}
    return min(entries, key=lambda name: _position(entries[name]), default=None)


def _position(milestone: Milestone) -> int:
    return list(Milestone).index(milestone)
