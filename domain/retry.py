"""What follows when a step raised an error: a retry, a hold for a person, or a dead letter."""

import hashlib
import math
from dataclasses import dataclass
from pathlib import PurePath
from types import TracebackType
from typing import Protocol

from domain.errors import (
    Conflict,
    FulfilmentError,
    Misconfigured,
    Poison,
    Refused,
    Throttled,
    Transient,
    UnknownOutcome,
)
from domain.gates import ALONE, FAULTY_ACCOUNT, PAUSED
from domain.holds import HoldCode
from domain.steps import Step

# A wrong or very long "come back later" must not delay an order for an unlimited time.
_THROTTLED_MAX_S = 3600.0
_CAUSES_MAX = 8
# If only one subject accuses its account, a hold or a letter must name the error within a minute.
_FAULT_TRIES_MAX = 4
_ROOMS = frozenset({"domain", "infra", "adapters", "actors", "ops", "workers", "sandbox", "benchmarks"})


class RetryLimits(Protocol):
    """Bounds of the engine's retries, as the settings name them."""

    @property
    def attempts_max(self) -> int: ...
    @property
    def bug_attempts_max(self) -> int: ...
    @property
    def crashes_max(self) -> int: ...
    @property
    def backoff_first_s(self) -> float: ...
    @property
    def backoff_max_s(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Retry:
    """Due again in `after_s` seconds. Without `spends_attempt` the tries so far stay as they were."""

    after_s: float
    spends_attempt: bool


@dataclass(frozen=True, slots=True)
class HoldFor:
    """A person decides."""

    code: HoldCode


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Dead letter."""

    reason: str


Fate = Retry | HoldFor | GiveUp


def backoff_s(attempt: int, first_s: float, max_s: float, jitter: float) -> float:
    """Pause after failed `attempt` (from 1): doubling up to `max_s`; `jitter` in [0, 1) picks its upper half."""
    doublings = min(max(attempt, 1) - 1, 60)
    return min(max_s, math.ldexp(first_s, doublings)) * (0.5 + jitter / 2)


def fate(error: BaseException, *, step: Step, attempts: int, crashes: int, limits: RetryLimits, jitter: float) -> Fate:
    """Decide by the class of the error, and for Misconfigured by whose fault it was found to be.

    `attempts` counts the tries that were spent, the failed one included; `crashes` the workers that
    died on the subject alone; `jitter` in [0, 1).
    """
    decided: Fate
    match error:
        case _ if crashes >= limits.crashes_max:
            decided = GiveUp("crashed_workers")
        case Poison():
            decided = GiveUp("poison")
        case Throttled():
            wait_s = min(max(0.0, error.after_s), _THROTTLED_MAX_S)
            # Work that was refused at the same moment must not come back at the same moment.
            decided = Retry(wait_s + limits.backoff_first_s * jitter, spends_attempt=False)
        case Misconfigured():
            decided = _misconfigured(error, step, attempts, limits, jitter)
        case Refused():
            decided = HoldFor(step.refused_hold) if step.refused_hold else GiveUp("refused")
        case Conflict():
            decided = HoldFor(step.conflict_hold) if step.conflict_hold else GiveUp("conflict")
        case Transient() | UnknownOutcome():
            decided = _again("attempts_spent", attempts, limits.attempts_max, limits, jitter)
        case _:
            decided = _again("bug", attempts, limits.bug_attempts_max, limits, jitter)
    return decided


def _misconfigured(error: Misconfigured, step: Step, attempts: int, limits: RetryLimits, jitter: float) -> Fate:
    """Retries cannot repair a paused account or wrong settings, so the pauses are long and no attempt is counted.

    An error that only accuses its account counts as an attempt of the subject. Few attempts are enough if other calls
    of the account succeeded meanwhile.
    """
    if PAUSED in error.facts or FAULTY_ACCOUNT not in error.facts or step.is_endless:
        return Retry(limits.backoff_max_s * (0.5 + jitter / 2), spends_attempt=False)
    attempts_max = limits.bug_attempts_max if error.facts.get(ALONE) else min(limits.attempts_max, _FAULT_TRIES_MAX)
    again = _again("misconfigured", attempts, attempts_max, limits, jitter)
    return HoldFor(step.misconfigured_hold) if isinstance(again, GiveUp) and step.misconfigured_hold else again


def _again(reason: str, attempts: int, attempts_max: int, limits: RetryLimits, jitter: float) -> Fate:
    if attempts >= attempts_max:
        return GiveUp(reason)
    return Retry(backoff_s(attempts, limits.backoff_first_s, limits.backoff_max_s, jitter), spends_attempt=True)


Cause = dict[str, str]


def cause_of(error: BaseException) -> Cause:
    """What may be kept of an exception: ``type``, ``code``, ``message`` and ``at`` (own file and line).

    Our own errors carry no personal data and keep their message. Foreign texts may quote values, so of
    a foreign exception only its type and our innermost line remain.
    """
    kind = type(error)
    cause = {"type": f"{kind.__module__}.{kind.__qualname__}", "code": "", "message": "", "at": ""}
    if isinstance(error, FulfilmentError):
        cause |= {"code": error.code, "message": error.message}
    cause["at"] = _innermost_own_line(error.__traceback__)
    return cause


def causes_of(error: BaseException) -> list[Cause]:
    """The cause chain, outermost first, at most eight long."""
    chain: list[Cause] = []
    link: BaseException | None = error
    while link is not None and len(chain) < _CAUSES_MAX:
        chain.append(cause_of(link))
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return chain


def _innermost_own_line(traceback: TracebackType | None) -> str:
    at = ""
    while traceback is not None:
        module = str(traceback.tb_frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] in _ROOMS:
            # Relative to the project: paths of the machine say nothing in a listing.
            parts = PurePath(traceback.tb_frame.f_code.co_filename).parts
            at = f"{PurePath(*parts[-module.count('.') - 1 :]).as_posix()}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return at


def fingerprint(step: str, adapter: str, code: str, shape: str) -> str:
    """Short stable key that groups dead letters of one cause; `shape` is a type, a place, never a value."""
    # A separator that no part contains keeps ("a", "bc") apart from ("ab", "c").
    return hashlib.sha256(f"{step}\0{adapter}\0{code}\0{shape}".encode()).hexdigest()[:16]
