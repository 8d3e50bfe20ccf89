"""What a step declares about itself, and the map that is made from all steps.

A step is a verb: its file in `actors`, its Dramatiq actor, its messages, log events and metrics carry one name. Stored
rows carry the name as text; the map finds the step for a name. One name differs: the step of `actors/scan.py` is called
`warehouse`, because stored rows and earlier workers know it so (ADR 13).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from domain.holds import HoldCode
from domain.states import State


class Subject(StrEnum):
    """What a step works on."""

    SHOP = "shop"
    RAW_PAYLOAD = "raw_payload"
    FULFILLMENT_ORDER = "fulfillment_order"
    PACKAGE = "package"
    LOCATION = "location"
    NOTICE = "notice"


class Milestone(StrEnum):
    """Points that every order passes once; inflow and drain are counted there."""

    STORED = "stored"
    ALLOCATED = "allocated"
    LABELLED = "labelled"
    HANDED_OVER = "handed_over"
    WRITTEN_BACK = "written_back"


# Whose work is never finished: a shop and a location are read again and again.
ENDLESS = frozenset({Subject.SHOP, Subject.LOCATION})
# The groups of steps that name none.
LOCAL_GROUP, REMOTE_GROUP = "order", "tell"

_LOCAL_POINTS = ("before_claim", "claimed", "work", "decide", "settled", "committed")
_REMOTE_POINTS = ("before_claim", "intend", "intended", "before_call", "after_call", "record", "recorded", "committed")


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call under `reference` that was intended. `is_unresolved`: it may have happened, and nobody knows."""

    reference: str
    is_unresolved: bool


@dataclass(frozen=True, slots=True)
class OpenSubject:
    """A subject of a fulfillment order that still needs the step, and the account that its work runs under."""

    subject_id: int
    account: str


# These functions take an open transaction first. Rules only pass it on.
Done = Callable[[Any, Sequence[int]], Collection[int]]
OpenCalls = Callable[[Any, Sequence[int]], Mapping[int, OpenCall]]
OpenSubjects = Callable[[Any, Sequence[int]], Sequence[OpenSubject]]
OnRelease = Callable[[Any, int], Sequence[tuple[str, str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step, as its file in `actors` declares it.

    Way: `does` says in a few words what for. `works_in` are the states in which the step may act (none named: the state
    does not matter). `leads_to` are the names of steps that may become due by it; the engine refuses any other where a
    result asks for it. `then` are the names of steps that act next on the same order with work of their own, which is
    due anyway.
    `resumes`: the states from which a fulfillment order goes on with this step when its last hold is released.
    `promises_stock`: a released order that has no stock begins here again.

    Engine: `is_remote`: the step calls out, so it claims by lease and holds no transaction open over the call; a local
    step claims by row lock. `group`: the worker group that serves it. `failpoints`: its own, beside those that the
    engine has for every local or remote step. `repeats`: it looks at a subject again and again, for weeks. `begins` and
    `ends`: the stretch of the orders' way that it covers, by which a group's inflow and drain are measured.

    Failure: the hold that a subject gets when the other side refuses (`refused_hold`) or contradicts (`conflict_hold`),
    or when an account's error stays with this subject alone (`misconfigured_hold`); without one it is a dead letter.
    `stops_order`: whether a failure moves the fulfillment order to `on_hold`.

    Standing of a subject, for whoever looks at a dead letter or a released hold: `done` picks from subject ids those
    whose work is done already (without it none is known to be); `open_calls` names calls that were intended and not
    recorded; `open_subjects` says what of fulfillment orders the step still has to do; `on_release` makes due what
    waited for the end of a fulfillment order's hold, and returns the (lane, account) of each.
    """

    name: str
    subject: Subject
    does: str = ""
    is_remote: bool = False
    works_in: frozenset[State] = frozenset()
    leads_to: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    resumes: frozenset[State] = frozenset()
    promises_stock: bool = False
    group: str = ""
    repeats: bool = False
    failpoints: tuple[str, ...] = ()
    begins: Milestone | None = None
    ends: Milestone | None = None
    refused_hold: HoldCode | None = None
    conflict_hold: HoldCode | None = None
    misconfigured_hold: HoldCode | None = None
    stops_order: bool = True
    done: Done | None = None
    open_calls: OpenCalls | None = None
    open_subjects: OpenSubjects | None = None
    on_release: OnRelease | None = None

    @property
    def followers(self) -> tuple[str, ...]:
        """The names of all steps that come next for an order."""
        return (*self.then, *self.leads_to)

    @property
    def is_endless(self) -> bool:
        """Nobody waits for its work to end. A round that came through starts the next with a clean slate."""
        return self.repeats or self.subject in ENDLESS

    @property
    def worker_group(self) -> str:
        """The group that is named, or the one for all local or all remote steps."""
        return self.group or (REMOTE_GROUP if self.is_remote else LOCAL_GROUP)

    def points(self) -> tuple[str, ...]:
        """Every failpoint of the step, by its full name."""
        places = (*_REMOTE_POINTS, *self.failpoints) if self.is_remote else (*_LOCAL_POINTS, *self.failpoints)
        return tuple(f"{self.name}.{place}" for place in places)


class Steps(Mapping[str, Step]):
    """All steps by name, in the order of the chain.

    Raises ValueError for two steps of one name, for a step that leads to an unknown one, and for two steps that promise
    stock, or that resume one state without saying what each still has to do: a map that contradicts itself must not
    start.
    """

    def __init__(self, declared: Iterable[Step]) -> None:
        steps = list(declared)
        by_name = {step.name: step for step in steps}
        if len(by_name) < len(steps):
            raise ValueError(f"two steps have one name: {', '.join(sorted(step.name for step in steps))}")
        for step in steps:
            if unknown := [name for name in step.followers if name not in by_name]:
                raise ValueError(f"{step.name} leads to {', '.join(unknown)}, which is no step")
        self._steps = _in_order(by_name)
        self._leads_on: dict[State, tuple[str, ...]] = {}
        for step in self._steps.values():
            for state in step.resumes:
                self._leads_on[state] = (*self._leads_on.get(state, ()), step.name)
        for state, names in self._leads_on.items():
            if len(names) > 1 and any(by_name[name].open_subjects is None for name in names):
                raise ValueError(f"{' and '.join(names)} both resume {state}")
        promising = [step.name for step in steps if step.promises_stock]
        if len(promising) > 1:
            raise ValueError(f"{' and '.join(sorted(promising))} both promise stock")
        self._promising = promising[0] if promising else None

    def __getitem__(self, name: str) -> Step:
        return self._steps[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._steps)

    def __len__(self) -> int:
        return len(self._steps)

    def leads_on(self, state: State) -> tuple[str, ...]:
        """The steps that may go on with a fulfillment order released to `state`; none where no step of ours does.

        Of several each is asked what it still has to do (`Step.open_subjects`).
        """
        return self._leads_on.get(state, ())

    @property
    def promising(self) -> str | None:
        """The step that promises stock."""
        return self._promising

    def of(self, *subjects: Subject) -> list[str]:
        """The names of the steps that work on one of these subjects."""
        return [name for name, step in self._steps.items() if step.subject in subjects]

    def endless(self) -> list[str]:
        """The names of the steps whose work is never finished, or that repeat it for weeks."""
        return [name for name, step in self._steps.items() if step.is_endless]

    def points(self) -> tuple[str, ...]:
        """Every failpoint of all steps, in the order of the chain."""
        return tuple(point for step in self._steps.values() for point in step.points())


def _in_order(steps: Mapping[str, Step]) -> dict[str, Step]:
    """As orders pass them: first the steps that no other leads to and that lead on the furthest, then what follows."""
    led_to = {name for step in steps.values() for name in step.followers if name != step.name}
    reached = {name: len(_reachable(name, steps)) for name in steps}
    waiting = sorted((name for name in steps if name not in led_to), key=lambda name: (-reached[name], name))
    found: dict[str, Step] = {}
    while waiting or len(found) < len(steps):
        # Steps that only lead to each other in a circle begin by name.
        name = waiting.pop(0) if waiting else min(steps.keys() - found.keys())
        if name not in found:
            found[name] = steps[name]
            waiting += [follower for follower in steps[name].followers if follower not in found]
    return found


def _reachable(name: str, steps: Mapping[str, Step]) -> set[str]:
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            waiting += steps[one].followers
    return seen
