"""What is paused, as a process knows it: read from Postgres once a second at most."""

import threading
from collections.abc import Sequence

from domain.gates import ENGINE, GateKind, Pause, pause_before
from infra.clock import Clock
from infra.db.gates import load_pauses, reopen_account, shut_account, win_probe
from infra.db.pool import Database
from infra.log import get_logger

KNOWN_FOR_S = 1.0

log = get_logger(__name__)


class Pauses:
    """Thread-safe. `refresh`, `shut`, `win_probe` and `reopen` go to the database; the rest only looks."""

    def __init__(self, db: Database, clock: Clock, probe_s: float) -> None:
        self._db = db
        self._clock = clock
        self._probe_s = probe_s
        self._lock = threading.Lock()
        self._known: Sequence[Pause] = ()
        self._known_until = 0.0

    @property
    def is_stale(self) -> bool:
        return self._clock.monotonic() >= self._known_until

    def refresh(self) -> None:
        """Read again if what is known is too old."""
        with self._lock:
            if not self.is_stale:
                return
            self._known_until = self._clock.monotonic() + KNOWN_FOR_S
        with self._db.connection() as connection:
            self._known = load_pauses(connection)

    def before(self, *, step: str, lane: str, account: str) -> Pause | None:
        return pause_before(self._known, step=step, lane=lane, account=account)

    def of(self, account: str) -> Pause | None:
        return pause_before(self._known, account=account)

    def shut(self, account: str, reason: str) -> None:
        """Pause an account that does not accept us: one row and one alarm, however many calls find out."""
        with self._db.transaction() as tx:
            is_first = shut_account(tx, account, reason, self._probe_s)
        if is_first:
            log.error("account_paused", account=account, reason=reason)
        self._forget()

    def win_probe(self, pause: Pause) -> bool:
        """Whether this caller may try an account that the engine has shut."""
        if pause.shut_by != ENGINE or pause.kind != GateKind.ACCOUNT:
            return False
        with self._db.transaction() as tx:
            return win_probe(tx, pause.name, self._probe_s)

    def reopen(self, account: str) -> None:
        """A probe came through."""
        with self._db.transaction() as tx:
            is_first = reopen_account(tx, account)
        if is_first:
            log.warning("account_reopened", account=account)
        self._forget()

    def _forget(self) -> None:
        with self._lock:
            self._known_until = 0.0
