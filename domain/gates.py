"""Gates: work of an account, lane or step is stopped for a while. Stopped work does not count as failed."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.errors import (
    Conflict,
    FulfilmentError,
    Malformed,
    Misconfigured,
    Refused,
    Throttled,
    Transient,
    UnknownOutcome,
)

# Who shuts a gate when no person does. Only such a gate is tried again and reopened by itself.
ENGINE = "engine"
# The fact of a Misconfigured that names the account it has paused.
PAUSED = "paused"
# Facts of an error whose cause may be one subject or its account: the accused account, the code of the fault, the
# subject of the call, and whether other calls of the account succeeded after an earlier fault of this subject.
FAULTY_ACCOUNT, FAULT_KIND, ABOUT, ALONE = "accused", "charge", "about", "alone"

# This number of different subjects within this number of seconds, without a successful call between, proves that the
# account is the cause.
SUBJECTS_MIN = 3
PROOF_WITHIN_S = 300.0

# Codes of errors about the configured endpoint. Every call of the account has the same endpoint, so one call is proof.
_OF_ENDPOINT = frozenset({"address_inside", "certificate_invalid", "endpoint_invalid", "host_not_allowed"})

About = str | Collection[str] | None
"""What a call is about: one subject's key, the keys of several subjects, or nothing in particular (a listing)."""


class GateKind(StrEnum):
    """What a gate closes. A shop's gate is the gate of its account."""

    ACCOUNT = "account"
    LANE = "lane"
    STEP = "step"


@dataclass(frozen=True, slots=True)
class Pause:
    """A gate that a person, or the engine for wrong credentials, has shut.

    Without `until` the gate stays shut. `is_probe_due`: one subject may now try a call to see whether the engine's
    pause can end.
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

    No call was made and no attempt is counted: the work of `account` waits until the gate opens.
    """

    def __init__(self, account: str, why: str, *, after_s: float) -> None:
        super().__init__("gate_shut", f"{account}: {why}", {"account": account, "why": why}, after_s=after_s)
        self.account = account
        self.why = why


class FaultKind(StrEnum):
    """What an error of one subject says is wrong with its account."""

    CREDENTIALS = "credentials"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class FaultRecord:
    """The result of one accusation.

    `is_alone`: other calls of the account succeeded after this subject accused the account before, so the subject is at
    fault. `subjects`: how many different subjects have faults of the account since its last success, this one included.
    """

    is_alone: bool
    subjects: int

    @property
    def is_proven(self) -> bool:
        """Whether the account is the cause."""
        return not self.is_alone and self.subjects >= SUBJECTS_MIN


def fault_kind_of(error: BaseException, about: About) -> FaultKind | None:
    """The accusation in a failed call, if only several subjects can show whose fault it is.

    None for a call without a subject, and for an error that names the cause.
    """
    if about is None:
        return None
    if isinstance(error, Misconfigured):
        return None if error.code in _OF_ENDPOINT else FaultKind.CREDENTIALS
    return FaultKind.CONTENT if isinstance(error, Malformed) else None


def is_account_fault(error: BaseException, about: About) -> bool:
    """Whether one error alone proves that the account's credentials or settings are wrong."""
    return isinstance(error, Misconfigured) and fault_kind_of(error, about) is None


def mark(error: FulfilmentError, account: str, charge: FaultKind, about: str, fault: FaultRecord) -> None:
    """Note in an error which account it accuses, for the code that decides about its subject."""
    error.facts |= {FAULTY_ACCOUNT: account, FAULT_KIND: charge, ABOUT: about, ALONE: fault.is_alone}


def is_sickness(error: BaseException, about: About = None) -> bool:
    """Whether an error speaks against the health of the account's server.

    A refusal is a healthy answer, and so is an answer about one subject that cannot be read.
    """
    return isinstance(error, (Transient, UnknownOutcome)) and fault_kind_of(error, about) is not FaultKind.CONTENT


def is_success(error: BaseException | None) -> bool:
    """Whether a call proves that the account accepts our credentials and gives readable answers. A business refusal
    proves both too.
    """
    return error is None or isinstance(error, (Refused, Conflict))


def pause_before(pauses: Iterable[Pause], *, step: str = "", lane: str = "", account: str = "") -> Pause | None:
    """The pause that keeps work of this step, lane and account from being done, if there is one."""
    named = {GateKind.STEP: step, GateKind.LANE: lane, GateKind.ACCOUNT: account}
    return next((pause for pause in pauses if pause.name and named[pause.kind] == pause.name), None)
