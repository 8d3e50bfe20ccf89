"""The schedule of the sweeper's duties: each has its own interval, and runs in the sweeper's round or on another
thread.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

from infra.process.clock import Clock
from infra.telemetry.log import get_logger

# An alarm may be a minute late.
ALARMS_EVERY_S = 60.0

log = get_logger(__name__)


@dataclass(slots=True)
class Duty:
    """Something to do every `every_s` seconds. A duty that fails is logged and does not stop other duties.

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


class DutyThread:
    """Runs duties on a thread of its own, so that a long duty does not delay the round of the sweeper.

    Closing waits for the running duty.
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
