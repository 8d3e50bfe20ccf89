"""How the sweeper's duties take turns: each at a pace of its own, in its round or on a thread beside it."""

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
