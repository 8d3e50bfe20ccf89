"""Groups of steps: what worker pools serve, and what signals are told apart by."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from domain.errors import Misconfigured
from domain.states import Step

# By what a step waits for: our own database, couriers, platforms and channels, and whole shops.
GROUPS: Mapping[str, tuple[Step, ...]] = {
    "order": (Step.NORMALIZE, Step.RESERVE, Step.REVIEW, Step.ROUTE, Step.WAREHOUSE),
    "label": (Step.LABEL,),
    "tell": (Step.WRITEBACK, Step.NOTIFY),
    "pull": (Step.PULL,),
}


class Milestone(StrEnum):
    """What happens to every order that goes its way, once: flow is counted here."""

    STORED = "stored"
    ALLOCATED = "allocated"
    LABELLED = "labelled"
    HANDED_OVER = "handed_over"
    WRITTEN_BACK = "written_back"


# Steps that begin or end a stretch of the way, in its order. Between label and hand-over the warehouse has the order.
_BEGINS = {
    Step.NORMALIZE: Milestone.STORED,
    Step.LABEL: Milestone.ALLOCATED,
    Step.WRITEBACK: Milestone.HANDED_OVER,
}
_ENDS = {
    Step.WRITEBACK: Milestone.WRITTEN_BACK,
    Step.LABEL: Milestone.LABELLED,
    Step.ROUTE: Milestone.ALLOCATED,
}


def inflow_of(steps: Iterable[Step]) -> Milestone | None:
    """Where orders come into a group, None for one that no order passes through."""
    members = set(steps)
    return next((milestone for step, milestone in _BEGINS.items() if step in members), None)


def drain_of(steps: Iterable[Step]) -> Milestone | None:
    """Where orders leave a group."""
    members = set(steps)
    return next((milestone for step, milestone in _ENDS.items() if step in members), None)


def entry_of(groups: Mapping[str, Iterable[Step]]) -> str | None:
    """The group that orders come into first, None where they come into none."""
    entries = {name: milestone for name, steps in groups.items() if (milestone := inflow_of(steps))}
    return min(entries, key=lambda name: list(Milestone).index(entries[name]), default=None)


def group_by_step(groups: Mapping[str, Iterable[Step]]) -> dict[Step, str]:
    """The one group of each step. Raises Misconfigured ``groups_invalid`` unless every step is in exactly one."""
    found: dict[Step, str] = {}
    for name, steps in groups.items():
        for step in steps:
            if step in found:
                raise Misconfigured("groups_invalid", f"step {step} is in {found[step]} and in {name}")
            found[step] = name
    missing = [str(step) for step in Step if step not in found]
    if missing:
        raise Misconfigured("groups_invalid", f"no group has the step {', '.join(missing)}")
    return found
