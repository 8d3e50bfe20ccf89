"""The guard of an account inside one process, used while Redis is unreachable."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from pybreaker import STATE_CLOSED, CircuitBreaker, CircuitBreakerError

from domain.gates import GateShut, is_sickness
from infra.accounts.rules import GateRules


class OwnGate:
    """A breaker and a bucket of this process alone, with one probe at a time.

    pybreaker's ``calling()`` holds no lock during a call, but lets everybody in once its pause is over; so this class
    lets only one caller at a time through a breaker that is not closed. The bucket starts empty, and holds this
    process's share of the account's rate.
    """

    def __init__(self, account: str, rules: GateRules, share: float, now: Callable[[], float]) -> None:
        self._account = account
        self._rules = rules
        self._rate = rules.rate_per_s * share
        self._burst = max(1.0, rules.burst * share)
        self._now = now
        self._lock = threading.Lock()
        self._tokens, self._filled_at = 0.0, now()
        self._is_probing = False
        self._breaker = CircuitBreaker(
            fail_max=rules.failures_max,
            reset_timeout=rules.open_ms / 1000,
            exclude=[lambda error: not is_sickness(error)],
            throw_new_error_on_trip=False,
        )

    def begin(self) -> "OwnCall":
        """Let one call begin. Raises GateShut."""
        with self._lock:
            if self._is_probing:
                raise GateShut(self._account, "probe", after_s=self._rules.open_ms / 1000)
            self._take_token()
            attempt = self._breaker.calling()
            try:
                attempt.__enter__()
            except CircuitBreakerError:
                raise GateShut(self._account, "open", after_s=self._rules.open_ms / 1000) from None
            self._is_probing = self._breaker.current_state != STATE_CLOSED
            return OwnCall(self, attempt, self._is_probing)

    def take_another(self) -> bool:
        """Take one more call from the bucket, for a quick repetition of a call that is no probe."""
        with self._lock:
            try:
                self._take_token()
            except GateShut:
                return False
            return not self._is_probing

    def end(self, attempt: AbstractContextManager[None], error: BaseException | None, *, is_probe: bool) -> None:
        """A call is over."""
        with self._lock:
            if is_probe:
                self._is_probing = False
            attempt.__exit__(type(error) if error else None, error, None)

    def _take_token(self) -> None:
        if self._rate <= 0:
            return
        now = self._now()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._tokens < 1:
            raise GateShut(self._account, "rate", after_s=(1 - self._tokens) / self._rate)
        self._tokens -= 1


@dataclass(frozen=True, slots=True)
class OwnCall:
    """A call that is counted in this process only."""

    gate: OwnGate
    attempt: AbstractContextManager[None]
    is_probe: bool

    def reports_at_once(self, error: BaseException | None) -> bool:  # noqa: ARG002 - nobody is told
        return False

    def end(self, error: BaseException | None, *, is_proven: bool = False) -> None:  # noqa: ARG002 - counted one by one
        self.gate.end(self.attempt, error, is_probe=self.is_probe)
