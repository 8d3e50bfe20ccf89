"""How a step ends when it does not raise: the whole vocabulary."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.holds import HoldCode
from domain.states import State


@dataclass(frozen=True, slots=True)
class Done:
    """The step is finished. `state` moves the fulfillment order; None leaves it where it is."""

    state: State | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hold:
    """A person or an event must decide first. The step's work ends; release makes it due again."""

    code: HoldCode
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Later:
    """Not now: due again `after_s` seconds from now, by the database's clock. Spends no attempt."""

    reason: str
    after_s: float = 0.0


Outcome = Done | Hold | Later
