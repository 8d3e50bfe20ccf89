"""Which runs may run in parallel in a worker process of several threads.

A crash counts only for what ran as the only one in its process. A suspect runs beside others at first, because nearly
all suspects did not cause the crash. A suspect whose process died again runs exclusively: it waits until nothing else
runs in its process, and nothing begins beside it. Over all processes only one suspect runs exclusively at a time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition

from domain.alarms import AlarmKind
from infra.engine.actor import Runner
from infra.engine.worker_lock import take_exclusive
from infra.monitoring.alarm_events import note_event
from infra.queue.keys import BellKey
from infra.tables.claims import Key, is_exclusive_due
from infra.tables.pool import Database
from infra.telemetry.log import get_logger

log = get_logger(__name__)


class ProcessRuns:
    """The runs of one process. Safe to share among threads."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._running = 0
        self._waiting = 0
        self._is_exclusive = False
        self._exclusives_ended = 0

    @contextmanager
    def beside_others(self) -> Iterator[None]:
        """A run beside which others may run. It waits until a running or waiting exclusive run has ended."""
        with self._changed:
            if self._is_exclusive:
                self._waiting += 1
                ended = self._exclusives_ended
                # At the end of an exclusive run, waiting runs count as running, so that the next exclusive run cannot
                # overtake them.
                self._changed.wait_for(lambda: self._exclusives_ended > ended)
            else:
                self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    @contextmanager
    def exclusive(self, patience_s: float) -> Iterator[bool]:
        """A run with nothing beside it; false, and not to be begun, when others ran for longer than `patience_s`.

        False at once when there is an exclusive run already.
        """
        with self._changed:
            if self._is_exclusive:
                is_first = False
            else:
                is_first = self._is_exclusive = True
            is_by_itself = is_first and self._changed.wait_for(lambda: self._running == 0, patience_s)
        try:
            yield is_by_itself
        finally:
            if is_first:
                self._end_exclusive()

    def _end_exclusive(self) -> None:
        with self._changed:
            self._is_exclusive = False
            self._running += self._waiting
            self._waiting = 0
            self._exclusives_ended += 1
            self._changed.notify_all()


@dataclass(frozen=True, slots=True)
class ProcessRunner:
    """Runs a step for the bells of one process; all its steps share `runs`.

    `patience_s`: how long an exclusive run waits for the others, as long as any of them may take. The sweeper rings
    again for what was not begun.
    """

    runner: Runner
    runs: ProcessRuns
    db: Database
    patience_s: float

    def run(self, key: BellKey) -> int:
        """Claim and finish one batch; return how many subjects it had."""
        if not (key.alone and self._is_exclusive_due(key)):
            with self.runs.beside_others():
                return self.runner.run(key)
        with self.db.direct() as session:
            if not take_exclusive(session):
                return 0
            with self.runs.exclusive(self.patience_s) as is_by_itself:
                if is_by_itself:
                    return self.runner.run(key)
        log.warning("exclusive_run_put_off", step=key.step, lane=key.lane, account=key.account)
        note_event(self.db, AlarmKind.EXCLUSIVE_RUN_PUT_OFF, key.step)
        return 0

    def _is_exclusive_due(self, key: BellKey) -> bool:
        with self.db.connection() as connection:
            return is_exclusive_due(connection, Key(key.step, key.lane, key.account))
