"""The steps: one file for each step; no step imports another. A file becomes a step by declaring a `Step` and its
Dramatiq actor.

The map of steps is made from these files (`find_steps`) at the first use. The folders hold what several steps
share: `orders`, `parcels`, `documents`, `scans`, `stops`; `tools` holds the objects that every step works with.
"""

import pkgutil
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from domain.steps import Steps
from infra.process.steps import STEPS

if TYPE_CHECKING:
    from infra.engine.actor import StepActor


@cache
def find_actors() -> "tuple[StepActor[Any], ...]":
    """The declared actor of each file in this folder, by the name of the file.

    Raises TypeError for a file that declares a step and no actor, or more than one: that step would never run.
    """
    from infra.engine.actor import StepActor  # noqa: PLC0415 - every command imports this package, few need the engine

    found = []
    for entry in pkgutil.iter_modules(__path__):
        module = import_module(f"{__name__}.{entry.name}")
        declared = [one for one in vars(module).values() if isinstance(one, StepActor)]
        if len(declared) != int(hasattr(module, "STEP")):
            raise TypeError(f"{module.__name__} must declare one STEP and one actor for it, or neither")
        found += declared
    return tuple(found)


def find_steps() -> Steps:
    """The map that the files in this folder declare."""
    return Steps(one.step for one in find_actors())


STEPS.come_from(find_steps)
