"""The sweeper's slower duties: each at a pace of its own, between its rounds."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

from infra.config.retention import Retention
from infra.config.settings import Shop
from infra.monitoring.alarms import (
    alarm_on_expired_holds,
    alarm_on_letters,
    alarm_on_old_cursors,
    alarm_on_silent_feeds,
    raise_alarms,
    repeat_alarms,
)
from infra.monitoring.invariants import report_breaches
from infra.process.clock import Clock
from infra.retention.purge import Purge
from infra.tables.pool import Database
from infra.telemetry.log import get_logger

# An alarm may be a minute late; the invariants read whole tables.
ALARMS_EVERY_S = 60.0
REMINDERS_EVERY_S = 3600.0
INVARIANTS_EVERY_S = 300.0

log = get_logger(__name__)


@dataclass(slots=True)
class Duty:
    """Something to do every `every_s` seconds. One that fails is logged and keeps no other from its turn.

    `last_error`: the type of the error that ended its last round, empty after a round that came through, None before
    the first.
    """

    name: str
    every_s: float
    act: Callable[[], object]
    clock: Clock
    due_at: float = 0.0
    last_error: str | None = None

    def tend(self) -> bool:
        """Act if it is time; return whether it was."""
        now = self.clock.monotonic()
        if now < self.due_at:
            return False
        self.due_at = now + self.every_s
        try:
            self.act()
        except Exception as error:
            self.last_error = type(error).__name__
            log.exception("duty_failed", duty=self.name)
        else:
            self.last_error = ""
        return True


class Beside:
    """Tends duties on a thread of its own: a long one keeps no round of the sweeper waiting.

    Leaving waits for the duty that is under way.
    """

    def __init__(self, duties: Sequence[Duty]) -> None:
        self._duties = duties
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="duties")
        self._round: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()

    def tend(self) -> None:
        """Begin a round unless one is under way."""
        if self._round is None or self._round.done():
            self._round = self._thread.submit(self._tend_all)

    def _tend_all(self) -> None:
        for duty in self._duties:
            duty.tend()


def slow_duties(db: Database, clock: Clock, shops: Sequence[Shop]) -> tuple[Duty, ...]:
    """All of them, due at once."""
    return (
        Duty("clock_alarms", ALARMS_EVERY_S, lambda: raise_alarms(db), clock),
        Duty("repeated_alarms", ALARMS_EVERY_S, lambda: repeat_alarms(db), clock),
        Duty("letter_alarms", ALARMS_EVERY_S, lambda: alarm_on_letters(db), clock),
        Duty("old_cursors", ALARMS_EVERY_S, lambda: alarm_on_old_cursors(db, shops), clock),
        Duty("silent_feeds", REMINDERS_EVERY_S, lambda: alarm_on_silent_feeds(db), clock),
        Duty("expired_holds", REMINDERS_EVERY_S, lambda: alarm_on_expired_holds(db), clock),
        Duty("invariants", INVARIANTS_EVERY_S, lambda: report_breaches(db), clock),
    )


def purge_duty(db: Database, clock: Clock, policy: Retention) -> Duty:
    """The purge, at a pace of its own; for a thread of its own, as a backlog takes long."""
    return Duty("purge", policy.every_s, Purge(db, policy).run, clock)
