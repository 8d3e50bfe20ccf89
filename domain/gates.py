"""Gates: an account, lane or step whose work rests for a while, without being anybody's failure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.errors import Throttled, Transient, UnknownOutcome

# Who shuts a gate when no person does. Only such a gate is tried again and reopened by itself.
ENGINE = "engine"
# The fact of a Misconfigured that names the account it has paused.
PAUSED = "paused"


class GateKind(StrEnum):
    """What a gate stands before. A shop's gate is the gate of its account."""

    ACCOUNT = "account"
    LANE = "lane"
    STEP = "step"


@dataclass(frozen=True, slots=True)
class Pause:
    """A gate that a person, or the engine for wrong credentials, has shut. Without `until` it stays shut.

    `is_probe_due`: the engine's pause may be tried now, by one subject.
    """

    kind: GateKind
    name: str
    reason: str
    shut_by: str
    shut_at: datetime
    until: datetime | None
    is_probe_due: bool = False


class GateShut(Throttled):
    """An account may not be called now: its breaker is open, its bucket empty, or it is paused.

    Nothing was called and no attempt is spent: the work rests behind `account` until the gate opens.
    """

    def __init__(self, account: str, why: str, *, after_s: float) -> None:
        super().__init__("gate_shut", f"{account}: {why}", {"account": account, "why": why}, after_s=after_s)
        self.account = account
        self.why = why


def is_sickness(error: BaseException) -> bool:
    """Whether an error speaks against the health of the account's server. A refusal is a healthy answer."""
    return isinstance(error, (Transient, UnknownOutcome))


def pause_before(pauses: Iterable[Pause], *, step: str = "", lane: str = "", account: str = "") -> Pause | None:
    """The pause that keeps work of this step, lane and account from being done, if there is one."""
    named = {GateKind.STEP: step, GateKind.LANE: lane, GateKind.ACCOUNT: account}
    return next((pause for pause in pauses if pause.name and named[pause.kind] == pause.name), None)
