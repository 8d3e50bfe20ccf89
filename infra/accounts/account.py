"""One account's gate in one process: it takes grants from the shared gate and uses them call by call.

A free gate is asked once a second or once for `GRANT_CALLS` calls, whichever comes first. As soon as a call fails, the
rest of the grant is given back and the gate is asked before each further call. So a healthy account costs almost
nothing, and a sick account is controlled call by call.
"""

import threading
from dataclasses import dataclass
from typing import Protocol

from domain.errors import Throttled, Transient
from domain.gates import GateShut, is_sickness
from infra.accounts.local_breaker import OwnGate
from infra.accounts.rules import GateRules
from infra.accounts.shared_breaker import CallGrant, CallResults, SharedGates
from infra.process.clock import Clock
from infra.telemetry.log import get_logger

GRANT_CALLS = 256
GRANT_S = 1.0
# Calls that a subject needs: ask, write, read back. Where calls are counted, only as many subjects are begun as can be
# finished.
CALLS_PER_SUBJECT = 3
# Somebody must hear of an account that refuses every call as one too many for so long, and again as long as it does.
THROTTLED_S = 3600.0
_REPORTED_AGAIN_S = 600.0
# Seconds until an unreachable Redis is tried again.
_ALONE_S = 1.0

log = get_logger(__name__)


class Call(Protocol):
    """A running call. `end` must be called once; it waits for Redis if `reports_at_once` is true."""

    def reports_at_once(self, error: BaseException | None) -> bool: ...

    def end(self, error: BaseException | None, *, is_proven: bool = False) -> None:
        """The call is over. `is_proven`: this failure alone opens the breaker."""
        ...


class AccountGate:
    """Thread-safe. A method that asks Redis waits at most a quarter of a second for the answer."""

    def __init__(self, account: str, rules: GateRules, shared: SharedGates, clock: Clock, *, share: float) -> None:
        self.account = account
        # Successful calls of this process. A failed call compares this number with its value at the start of the call.
        self.successes = 0
        self._throttled_since: float | None = None
        self._reported_until = 0.0
        self._rules = rules
        self._shared = shared
        self._clock = clock
        self._own = OwnGate(account, rules, share, clock.monotonic)
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._grant = CallGrant(0, 0, "", 0, 0)
        self._left = 0
        self._passed = 0
        self._reserved = 0
        self._fresh_until = self._alone_until = 0.0

    def note_success(self) -> None:
        """A call was answered: the account does not refuse all of them."""
        self.successes += 1
        self._throttled_since = None

    def note_throttled(self) -> float | None:
        """A call was refused as one too many. Seconds for which every call was, if somebody must hear of it now."""
        now = self._clock.monotonic()
        since = self._throttled_since = now if self._throttled_since is None else self._throttled_since
        if now - since < THROTTLED_S or now < self._reported_until:
            return None
        self._reported_until = now + _REPORTED_AGAIN_S
        return now - since

    @property
    def needs_asking(self) -> bool:
        """Whether the next call has to wait for Redis."""
        with self._lock:
            return not self._is_fresh() and not self._is_alone()

    @property
    def is_on_its_way_back(self) -> bool:
        """Whether a call that begins now tries a server that was sick."""
        with self._lock:
            return self._grant.why in {"probe", "ramp"}

    @property
    def failures_max(self) -> int:
        return self._rules.failures_max

    def take_another(self) -> bool:
        """Take one more call of this second's grant, for a quick repetition.

        Never waits. If a counted rate, a probe or the ramp leaves no call, the call fails for now and the engine tries
        again later.
        """
        with self._lock:
            if self._is_unlimited() and not self._is_alone():
                return True
            if self._is_fresh():
                self._left -= 1
                return True
            is_alone = self._is_alone()
        return is_alone and self._own.take_another()

    def reserve(self, subjects: int) -> int:
        """How many of `subjects` may be begun now; asks if need be. `give_up` returns them."""
        with self._asking:
            if self.needs_asking:
                self._exchange(self._wanted(), CallResults(self._grant.epoch))
        with self._lock:
            if self._is_alone() or (self._is_fresh() and self._is_unlimited()):
                return subjects
            free = self._left - self._reserved
            if not self._is_fresh() or free < 1:
                return 0
            begun = min(subjects, max(1, free // CALLS_PER_SUBJECT))
            self._reserved += begun * CALLS_PER_SUBJECT
            return begun

    def give_up(self, subjects: int) -> None:
        """The reserved subjects are finished."""
        with self._lock:
            self._reserved = max(0, self._reserved - subjects * CALLS_PER_SUBJECT)

    def begin(self) -> Call:
        """Let one call begin. Raises GateShut."""
        call = self._take()
        if call is not None:
            return call
        with self._asking:
            call = self._take()
            if call is None:
                self._exchange(self._wanted(), CallResults(self._grant.epoch))
                call = self._take()
        if call is None:
            raise GateShut(self.account, self._grant.why or "busy", after_s=self._grant.wait_ms / 1000)
        return call

    def report(self, heard: CallResults) -> None:
        """Report at once; what is left of the grant is given back."""
        with self._asking:
            self._exchange(0, heard)

    def count(self, epoch: int) -> None:
        """Count a successful call; Redis gets the count with the next question."""
        with self._lock:
            if epoch == self._grant.epoch:
                self._passed += 1

    def _take(self) -> Call | None:
        with self._lock:
            if self._is_fresh():
                self._left -= 1
                return _GrantedCall(self, self._grant.epoch, is_probe=self._grant.why == "probe")
            is_alone = self._is_alone()
        return self._own.begin() if is_alone else None

    def _exchange(self, want: int, heard: CallResults) -> None:
        with self._lock:
            if self._is_alone():
                return
            before = self._grant
            passed = heard.passed + (self._passed if heard.epoch == before.epoch else 0)
            told = heard._replace(passed=passed, unused=self._left)
            self._passed = self._left = 0
        try:
            grant = self._shared.ask(self.account, want, told, self._rules)
        except Transient as error:
            log.warning("gate_alone", account=self.account, error=error.message)
            with self._lock:
                self._alone_until = self._clock.monotonic() + _ALONE_S
            return
        with self._lock:
            self._grant, self._left = grant, grant.calls
            # Calls that were granted in another epoch hang or were stopped by the breaker.
            self._reserved = self._reserved if grant.epoch == before.epoch else 0
            self._fresh_until = self._clock.monotonic() + GRANT_S
        if (grant.why == "open") != (before.why == "open"):
            log.info("breaker", account=self.account, now=grant.why or "closed", wait_ms=grant.wait_ms)

    def _wanted(self) -> int:
        """The calls that are probably needed; for a counted rate, the calls of a quarter of a second."""
        if self._rules.rate_milli == 0:
            return GRANT_CALLS
        return max(CALLS_PER_SUBJECT, round(self._rules.rate_per_s / 4))

    def _is_unlimited(self) -> bool:
        return self._grant.why == "" and self._rules.rate_milli == 0

    def _is_fresh(self) -> bool:
        return self._left > 0 and self._clock.monotonic() < self._fresh_until

    def _is_alone(self) -> bool:
        return self._clock.monotonic() < self._alone_until


@dataclass(frozen=True, slots=True)
class _GrantedCall:
    """A call of a grant. Other callers wait for the result of a probe, so the success of a probe is reported at once
    too.
    """

    gate: AccountGate
    epoch: int
    is_probe: bool

    def reports_at_once(self, error: BaseException | None) -> bool:
        return self.is_probe or isinstance(error, Throttled) or (error is not None and is_sickness(error))

    def end(self, error: BaseException | None, *, is_proven: bool = False) -> None:
        if isinstance(error, Throttled):
            # An account that asks to slow down does answer, so it counts as healthy.
            self.gate.report(CallResults(self.epoch, passed=1, quiet_ms=max(1, round(error.after_s * 1000))))
        elif error is not None and is_sickness(error):
            self.gate.report(CallResults(self.epoch, failed=self.gate.failures_max if is_proven else 1))
        elif self.is_probe:
            self.gate.report(CallResults(self.epoch, passed=1))
        else:
            self.gate.count(self.epoch)
