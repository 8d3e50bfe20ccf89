"""The parts of a drill: a fault is made, checkers examine the result, a control shows the harm without the guard."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from infra.config.settings import Settings


@dataclass(frozen=True, slots=True)
class Plan:
    """What all drills of one round are given. The same seed gives the same stream and the same faults.

    `earlier`: folder of an earlier version's tree, for a drill that runs both.
    """

    base: Settings
    seed: int
    is_quick: bool
    earlier: Path | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One checker's verdict; `seen` is what it saw."""

    name: str
    holds: bool
    seen: str = ""


@dataclass(slots=True)
class Trial:
    """What a drill did and saw. `harm_shown` is the control's verdict; None: it has no control.

    `told`: figures for whoever reads the report.
    """

    injected: Counter[str] = field(default_factory=Counter)
    checks: list[Check] = field(default_factory=list)
    harm_shown: bool | None = None
    control: str = ""
    told: list[str] = field(default_factory=list)

    def check(self, name: str, holds: bool, seen: object = "") -> None:  # noqa: FBT001 - the verdict is the point
        self.checks.append(Check(name, holds, str(seen)))

    @property
    def passed(self) -> bool:
        return bool(self.checks) and all(check.holds for check in self.checks) and self.harm_shown is not False


@dataclass(frozen=True, slots=True)
class Drill:
    """`covers`: the numbers of docs/reference/drills.md. `in_quick`: also part of the short round.

    `needs_earlier`: only played where `Plan.earlier` is given.
    """

    name: str
    covers: tuple[str, ...]
    injects: str
    play: Callable[[Plan], Trial]
    in_quick: bool = True
    needs_earlier: bool = False
