"""Plays drills one after the other."""

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from drills.drill import Drill, Plan, Trial


@dataclass(frozen=True, slots=True)
class Played:
    """A drill with what it saw."""

    drill: Drill
    trial: Trial
    seconds: float


def play(plan: Plan, drills: Sequence[Drill], show: Callable[[Played], None]) -> list[Played]:
    """Play all drills; a drill that raises has failed, and the others are still played."""
    played = []
    for drill in drills:
        started_at = time.monotonic()
        played.append(Played(drill, _trial_of(drill, plan), time.monotonic() - started_at))
        show(played[-1])
    return played


def account(played: Played) -> dict[str, Any]:
    """One drill as ``orderlane drill --json`` prints it: what was injected and how often, and every verdict."""
    trial = played.trial
    return {
        "drill": played.drill.name,
        "covers": played.drill.covers,
        "passed": trial.passed,
        "injected": {name: count for name, count in sorted(trial.injected.items()) if count},
        "checks": [{"name": check.name, "holds": check.holds, "seen": check.seen} for check in trial.checks],
        "told": trial.told,
        "control": trial.control,
        "harm_shown": trial.harm_shown,
        "seconds": round(played.seconds, 1),
    }


def summary(played: Sequence[Played], plan: Plan) -> dict[str, Any]:
    """The stable last line of ``orderlane drill --json``."""
    return {
        "drills": len(played),
        "passed": sum(one.trial.passed for one in played),
        "failed": [one.drill.name for one in played if not one.trial.passed],
        "controls": sum(one.trial.harm_shown is True for one in played),
        "seconds": round(sum(one.seconds for one in played), 1),
        "seed": plan.seed,
    }


def _trial_of(drill: Drill, plan: Plan) -> Trial:
    try:
        return drill.play(plan)
    except Exception as error:  # noqa: BLE001 - a drill that breaks is a failed drill, the others go on
        traceback.print_exc()
        broken = Trial()
        broken.check("played to its end", holds=False, seen=type(error).__name__)
        return broken
