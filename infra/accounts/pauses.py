"""The pauses and the accused accounts, as one process knows them: read from Postgres at most once a second."""

import threading
from collections.abc import Sequence
from dataclasses import replace

from domain.gates import ENGINE, FaultKind, FaultRecord, GateKind, Pause, pause_before
from infra.process.clock import Clock
from infra.tables.gates import (
    clear_faults,
    give_back,
    load_shut_and_faulty,
    record_fault,
    reopen_account,
    return_probe,
    shut_account,
    win_probe,
)
from infra.tables.pool import Database
from infra.telemetry.log import get_logger

KNOWN_FOR_S = 1.0

log = get_logger(__name__)


class Pauses:
    """Thread-safe. `before`, `of`, `has_faults` and `is_stale` only look; the rest goes to the database."""

    def __init__(self, db: Database, clock: Clock, probe_s: float) -> None:
        self._db = db
        self._clock = clock
        self._probe_s = probe_s
        self._lock = threading.Lock()
        self._known: Sequence[Pause] = ()
        self._faulty: frozenset[str] = frozenset()
        self._known_until = 0.0

    @property
    def is_stale(self) -> bool:
        return self._clock.monotonic() >= self._known_until

    def refresh(self) -> None:
        """Read again if the values are too old."""
        with self._lock:
            if not self.is_stale:
                return
            self._known_until = self._clock.monotonic() + KNOWN_FOR_S
        with self._db.connection() as connection:
            known, faulty = load_shut_and_faulty(connection)
        with self._lock:
            self._known, self._faulty = known, faulty

    def before(self, *, step: str, lane: str, account: str) -> Pause | None:
        return pause_before(self._known, step=step, lane=lane, account=account)

    def of(self, account: str) -> Pause | None:
        return pause_before(self._known, account=account)

    def has_faults(self, account: str) -> bool:
        """Whether a success of this account must be recorded. False for a healthy account, so that its calls write
        nothing.
        """
        return account in self._faulty

    def record_fault(self, account: str, charge: FaultKind, subject: str, code: str) -> FaultRecord:
        """Record that a call about one subject accuses its account. If the account is proven to be the cause, the
        attempts that subjects lost are given back.
        """
        with self._lock:
            self._faulty |= {account}
        with self._db.transaction() as tx:
            fault = record_fault(tx, account, charge, subject, code)
            if fault.is_proven:
                give_back(tx, account, charge)
        log.warning("account_accused", account=account, code=code, charge=charge, subjects=fault.subjects)
        return fault

    def clear_faults(self, account: str) -> None:
        """A call of the account succeeded, so its accusers are at fault themselves."""
        with self._lock:
            self._faulty -= {account}
        with self._db.transaction() as tx:
            clear_faults(tx, account)

    def shut(self, account: str, reason: str) -> None:
        """Pause an account that does not accept us: one row and one alarm, however many calls find out."""
        with self._db.transaction() as tx:
            is_first = shut_account(tx, account, reason, self._probe_s)
            give_back(tx, account, FaultKind.CREDENTIALS)
        if is_first:
            log.error("account_paused", account=account, reason=reason)
        self._forget()

    def win_probe(self, pause: Pause) -> bool:
        """Whether this caller may try an account that the engine has shut. After a refusal the database is asked at
        most once a second.
        """
        if pause.shut_by != ENGINE or pause.kind != GateKind.ACCOUNT:
            return False
        with self._db.transaction() as tx:
            is_won = win_probe(tx, pause.name, self._probe_s)
        with self._lock:
            self._known = [replace(one, is_probe_due=False) if one == pause else one for one in self._known]
        return is_won

    def return_probe(self, account: str) -> None:
        """Return a probe without a call."""
        with self._db.transaction() as tx:
            return_probe(tx, account)
        self._forget()

    def reopen(self, account: str) -> None:
        """Reopen an account after a successful probe."""
        with self._db.transaction() as tx:
            is_first = reopen_account(tx, account)
            clear_faults(tx, account)
        if is_first:
            log.warning("account_reopened", account=account)
        self._forget()

    def _forget(self) -> None:
        with self._lock:
            self._known_until = 0.0
